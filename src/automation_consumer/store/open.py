"""The store that a URL names."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from automation_consumer.clock import Clock
from automation_consumer.config.store_url import FORMS, POSTGRES, SQLITE, understood, without_password
from automation_consumer.errors import MissingExtraError, UsageError
from automation_consumer.store.journal import Journal, JournalReader
from automation_consumer.store.sqlite import SqliteJournal, SqliteReader


def open_journal(
    url: str,
    clock: Clock,
    *,
    name: str,
    lease_s: float = 15.0,
    announces: bool = False,
    on_commit: Callable[[int, float], None] = lambda operations, seconds: None,
) -> Journal:
    """The service's journal. `name`: this process, for people. Blocks.

    UsageError for a URL that is not understood; StoreError when the store cannot be opened.
    """
    path = sqlite_path(url)
    if path is not None:
        return SqliteJournal(path, clock, on_commit, name=name, announces=announces)
    opened: Journal = _postgres().PostgresJournal(
        url, clock, on_commit, name=name, lease_s=lease_s, announces=announces
    )
    return opened


def open_reader(url: str) -> JournalReader:
    """The operator's view, beside running services. Blocks. Errors as `open_journal`."""
    path = sqlite_path(url)
    if path is not None:
        return SqliteReader(path)
    reader: JournalReader = _postgres().PostgresReader(url)
    return reader


def sqlite_path(url: str) -> str | None:
    """The path in `sqlite:///PATH` (`sqlite:////abs` is absolute); None for PostgreSQL. UsageError for anything else."""
    if url.startswith(POSTGRES):
        return None
    if not url.startswith(SQLITE) or not understood(url):
        raise UsageError(f"store {without_password(url)!r} is not understood", hint=FORMS)
    return url[len(SQLITE) :]


def _postgres() -> ModuleType:
    try:
        import automation_consumer.store.postgres as module
    except ImportError as error:
        raise MissingExtraError("postgres", "a store on PostgreSQL") from error
    return module
