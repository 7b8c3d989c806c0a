"""The database goes away in the midst of it: nothing is lost, nothing is done twice, and whoever waits goes on."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.contract.journal.cutting_proxy import Cut, CuttingProxy
from tests.contract.journal.samples import a_message, a_run

from automation_consumer.clock import SystemClock
from automation_consumer.errors import MissingExtraError, StoreError, UsageError
from automation_consumer.model.run import RunStatus
from automation_consumer.store.journal import RunFilter
from automation_consumer.store.open import open_journal, open_reader


async def until(condition, limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_full_disk_makes_writers_wait_and_nothing_is_lost(sqlite_store):
    """Red when SQLITE_FULL fails the callers, or the batch is dropped."""
    journal = sqlite_store.open()
    connection = journal._writer._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    writes = [
        asyncio.create_task(journal.open(a_run(f"r{number}", output="x" * 5_000))) for number in range(50)
    ]
    await until(lambda: not journal.available)
    assert not any(write.done() for write in writes)
    connection.execute("PRAGMA max_page_count = 100000")
    runs = await asyncio.gather(*writes)
    assert journal.available
    assert {run.id for run in runs} == {run.id for run in await journal.live_runs("INC-1")}


async def test_a_close_while_the_disk_is_full_ends_and_says_what_is_not_written(sqlite_store, monkeypatch):
    """Red when `close` waits for ever."""
    monkeypatch.setattr("automation_consumer.store.sql_journal.CLOSE_S", 0.2)
    journal = sqlite_store.open()
    connection = journal._writer._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    write = asyncio.create_task(journal.open(a_run(output="x" * 500_000)))
    await until(lambda: not journal.available)
    await asyncio.to_thread(journal.close)
    with pytest.raises(StoreError, match="closed before"):
        await write


@pytest.fixture
def proxied(postgres_store):
    """A journal's URL that leads through a proxy, and the proxy."""
    server = urlsplit(postgres_store.url)
    proxy = CuttingProxy(server.hostname, server.port)
    yield postgres_store.url.replace(f":{server.port}/", f":{proxy.port}/"), proxy
    proxy.close()


@pytest.mark.server
@pytest.mark.parametrize("cut", [Cut.BEFORE_IT_ARRIVES, Cut.BEFORE_THE_ANSWER])
async def test_whether_a_cut_commit_took_effect_or_not_the_answer_is_right(proxied, postgres_store, cut):
    """Red when a batch is repeated although it had been committed (or not although it had not)."""
    url, proxy = proxied
    left = postgres_store.open()
    await left.open(a_run("left"), a_message(1))
    postgres_store.end(left)
    journal = open_journal(url, SystemClock(), name="cut", lease_s=60.0, announces=True)

    async def through_a_cut(call):
        before = proxy.cuts
        proxy.cut = cut
        async with asyncio.timeout(8):  # the server's own time-out for what a dead session holds is 10 s
            answer = await call
        assert proxy.cuts == before + 1
        return answer

    try:
        run = await through_a_cut(journal.open(a_run(), a_message()))
        assert run.owner == journal.process
        assert await through_a_cut(journal.change(run, RunStatus.WAITING, 2.0, "polling", handle={"id": "1"}))
        assert await through_a_cut(journal.change(run, RunStatus.SUCCEEDED, 3.0, "done", ended_at=3.0))
        assert [message.offset for message in await through_a_cut(journal.orphans(10))] == [1]
        assert (await through_a_cut(journal.adopt(await journal.find("left")))).owner == journal.process
        assert await through_a_cut(journal.lock("l", "r1")) is None
        assert [each.id for each in await through_a_cut(journal.unannounced(10))] == ["r1"]
    finally:
        journal.close()
    reader = postgres_store.reader()
    assert [change.status for change in reader.changes("r1")] == ["running", "waiting", "succeeded"]
    reader.close()


@pytest.mark.server
async def test_sessions_that_are_killed_in_the_midst_of_writes_lose_and_double_nothing(postgres_store):
    """Red when a batch is not kept, or repeated blindly."""
    journal = postgres_store.open()
    done = asyncio.Event()

    async def kill() -> int:
        kills = 0
        while not done.is_set():
            await asyncio.sleep(0.03)
            kills += len(
                await asyncio.to_thread(
                    postgres_store.execute,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s AND pid <> pg_backend_pid()",
                    postgres_store.schema,
                )
            )
        return kills

    async def handle(number: int) -> bool:
        message = a_message(number)
        run = await journal.open(a_run(f"r{number}", offset=number), message)
        assert await journal.change(run, RunStatus.WAITING, 2.0)
        assert await journal.change(run, RunStatus.SUCCEEDED, 3.0, ended_at=3.0)
        journal.finished(message)
        return True

    killing = asyncio.create_task(kill())
    for start in range(0, 400, 40):
        assert all(await asyncio.gather(*(handle(number) for number in range(start, start + 40))))
        await asyncio.sleep(0.05)
    done.set()
    assert await killing > 3
    seen = await asyncio.to_thread(journal.remembered, [("incidents", 0)])
    assert seen == {("incidents", 0): frozenset((number, 5_000) for number in range(400))}
    reader = postgres_store.reader()
    runs = reader.runs(RunFilter(limit=1_000))
    assert len(runs) == 400
    assert {run.status for run in runs} == {RunStatus.SUCCEEDED}
    assert {len(reader.changes(run.id)) for run in runs} == {3}
    reader.close()
    await until(lambda: journal.available and journal.may_act())


@pytest.mark.server
async def test_while_the_database_is_away_calls_wait_and_it_is_said(proxied, postgres_store):
    """Red when `available` stays True, or the lease never runs out."""
    url, proxy = proxied
    journal = open_journal(url, SystemClock(), name="away", lease_s=1.5)
    proxy.close()
    postgres_store.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()",
        postgres_store.schema,
    )
    await until(lambda: not journal.available)  # although nobody wants to write
    write = asyncio.create_task(journal.open(a_run()))
    await until(lambda: not journal.may_act())
    assert not write.done()
    server = urlsplit(postgres_store.url)
    back = CuttingProxy(server.hostname, server.port, listen_on=proxy.port)
    await write
    await until(lambda: journal.available and journal.may_act())
    back.close()
    journal.close()


@pytest.mark.server
async def test_a_transaction_that_the_server_breaks_off_for_another_one_is_tried_again(postgres_store):
    """A deadlock. Red when its error counts as one of the values."""
    journal = postgres_store.open(announces=True)
    for run_id in ("r1", "r2"):
        await journal.open(a_run(run_id, status=RunStatus.SKIPPED, ended_at=1.0))
    with psycopg.connect(postgres_store.url) as other:
        other.execute("SET deadlock_timeout = '60s'")  # so that the journal is the one that is broken off
        other.execute("UPDATE runs SET url = 'x' WHERE id = 'r2'")
        write = asyncio.create_task(journal.announced(["r1", "r2"]))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(20):
            while await asyncio.to_thread(postgres_store.execute, waiting, postgres_store.schema) != [(1,)]:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(other.execute, "UPDATE runs SET url = 'x' WHERE id = 'r1'")
        other.commit()
    await write
    assert await journal.unannounced(10) == []


@pytest.mark.server
def test_a_password_is_in_no_message(postgres):
    """Red when libpq's own words are passed on."""
    server = urlsplit(postgres)
    for url in (
        "postgresql://user:hunter2@127.0.0.1:1/db",
        "postgresql://user:hunter2/x@127.0.0.1:1/db",
        "postgresql://user:hunter2@[::1/db",
        f"postgresql://nobody:hunter2@{server.hostname}:{server.port}/none?hunter2",
    ):
        for use in (lambda url: open_journal(url, SystemClock(), name="x"), open_reader):
            with pytest.raises((StoreError, UsageError)) as caught:
                use(url)
            assert "hunter2" not in str(caught.value)
            assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)


def test_a_url_that_is_not_understood_is_refused_with_a_hint():
    for url in ("mysql://user:hunter2@host/db", "automation.db", "sqlite:///", ""):
        with pytest.raises(UsageError, match="postgresql://") as caught:
            open_journal(url, SystemClock(), name="x")
        assert "hunter2" not in str(caught.value)


def test_without_the_driver_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "automation_consumer.store.postgres", None)
    with pytest.raises(MissingExtraError, match=r"automation-consumer\[postgres\]"):
        open_reader("postgresql://localhost/db")


@pytest.mark.server
def test_a_database_without_a_journal_is_said_clearly(postgres_store):
    with psycopg.connect(postgres_store.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE something (id INTEGER)")
    with pytest.raises(StoreError, match="no journal"):
        postgres_store.reader()


@pytest.mark.server
def test_a_right_that_is_missing_is_said_with_database_user_and_what_to_grant(postgres_store):
    """Red when `mapped` does not know whose session it is."""
    role = f"stranger_{postgres_store.schema}"
    with psycopg.connect(postgres_store.url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'hunter2'")
    server = urlsplit(postgres_store.url)
    stranger = server._replace(netloc=f"{role}:hunter2@{server.hostname}:{server.port}").geturl()
    try:
        with pytest.raises(StoreError, match="refuses it") as caught:
            open_journal(stranger, SystemClock(), name="test")
    finally:
        with psycopg.connect(postgres_store.url, autocommit=True) as owner:
            owner.execute(f'DROP ROLE "{role}"')
    said = str(caught.value)
    assert f"database {server.path[1:]!r}, user {role!r}" in said
    assert "needs USAGE and CREATE on the schema" in said
    assert "hunter2" not in said


@pytest.mark.server
def test_a_connection_that_is_refused_names_database_and_user(postgres):
    server = urlsplit(postgres)
    with pytest.raises(StoreError, match="as user 'kim'") as caught:
        open_reader(f"postgresql://kim@{server.hostname}:{server.port}/none")
    assert f"{server.port}/none as user" in str(caught.value)
    assert "may this user connect" in str(caught.value)
