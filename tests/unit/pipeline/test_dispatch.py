"""Where calls go: the loop or the pool, in which turn, and what is asked immediately before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future

import pytest

from automation_consumer.errors import TemporaryError
from automation_consumer.pipeline.dispatch import Dispatcher
from automation_consumer.pipeline.fairness import Turn

MakeDispatcher = Callable[[int], Dispatcher]
LIMIT_S = 10


@pytest.fixture
async def make() -> AsyncIterator[MakeDispatcher]:
    """Dispatchers by the number of their threads."""
    made: list[Dispatcher] = []

    def dispatcher(threads: int) -> Dispatcher:
        made.append(Dispatcher(4, threads))
        return made[-1]

    yield dispatcher
    for each in made:
        each.close(wait=True)


class Door:
    """A blocking call that comes back when it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.opened.wait(LIMIT_S)
        return "through"


async def reached(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, LIMIT_S)


async def on_the_loop() -> threading.Thread:
    return threading.current_thread()


async def test_a_plain_method_runs_in_the_pool_and_a_coroutine_on_the_loop(make: MakeDispatcher):
    dispatcher = make(1)

    assert await dispatcher.invoke(on_the_loop) is threading.current_thread()
    assert (await dispatcher.invoke(threading.current_thread)).name.startswith("worker")


async def test_a_plain_method_may_return_something_to_wait_for(make: MakeDispatcher):
    def later() -> object:
        return on_the_loop()

    assert await make(1).invoke(later) is threading.current_thread()


async def test_a_noisy_condition_does_not_keep_the_others_from_the_threads(make: MakeDispatcher):
    """Red when calls go straight to the pool: its own queue is first come, first served."""
    dispatcher, door, order = make(1), Door(), []
    noisy, quiet = Turn("warning", "noisy", "h1"), Turn("warning", "quiet", "h1")
    first = asyncio.create_task(dispatcher.invoke(door, turn=noisy))
    await reached(door.entered)
    calls = [asyncio.create_task(dispatcher.invoke(order.append, "noisy", turn=noisy)) for _ in range(50)]
    await asyncio.sleep(0)
    calls.append(asyncio.create_task(dispatcher.invoke(order.append, "quiet", turn=quiet)))
    calls.append(asyncio.create_task(dispatcher.invoke(order.append, "critical", turn=Turn("critical"))))
    await asyncio.sleep(0)

    door.opened.set()
    await asyncio.gather(first, *calls)

    assert order[0] == "critical"
    assert order.index("quiet") <= 2
    assert len(order) == 52


async def test_a_call_that_was_left_keeps_its_thread_until_it_returns(make: MakeDispatcher):
    """Red when the thread counts as free at once: the next call would stand in the pool's queue, out of turn."""
    dispatcher, door, order = make(1), Door(), []
    left = asyncio.create_task(dispatcher.invoke(door))
    await reached(door.entered)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    later = asyncio.create_task(dispatcher.invoke(order.append, "later", turn=Turn("info")))
    await asyncio.sleep(0)
    urgent = asyncio.create_task(dispatcher.invoke(order.append, "urgent", turn=Turn("critical")))
    await asyncio.sleep(0)

    assert order == []
    door.opened.set()
    await asyncio.wait_for(asyncio.gather(later, urgent), LIMIT_S)
    assert order == ["urgent", "later"]


async def test_threads_come_back_from_calls_that_fail_are_refused_or_are_cancelled_while_they_wait(
    make: MakeDispatcher,
):
    """Red when any of these ways out keeps its thread: the last call would wait for ever."""
    dispatcher, door = make(1), Door()

    def fails() -> None:
        raise TemporaryError("no")

    for _ in range(3):
        with pytest.raises(TemporaryError):
            await asyncio.wait_for(dispatcher.invoke(fails), LIMIT_S)
        with pytest.raises(TemporaryError):
            await asyncio.wait_for(dispatcher.invoke(threading.current_thread, before=fails), LIMIT_S)
    busy = asyncio.create_task(dispatcher.invoke(door))
    await reached(door.entered)
    waiting = asyncio.create_task(dispatcher.invoke(fails))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    door.opened.set()

    assert await busy == "through"
    assert await asyncio.wait_for(dispatcher.invoke(lambda: "free"), LIMIT_S) == "free"


async def test_before_is_asked_in_the_thread_of_the_call_after_it_has_waited(make: MakeDispatcher):
    """Red when it is asked on the loop, before the call has its thread: what it checks may be over by then."""
    dispatcher, door = make(1), Door()
    asked: Future[threading.Thread] = Future()
    busy = asyncio.create_task(dispatcher.invoke(door))
    await reached(door.entered)
    call = asyncio.create_task(
        dispatcher.invoke(
            threading.current_thread, before=lambda: asked.set_result(threading.current_thread())
        )
    )
    await asyncio.sleep(0)

    assert not asked.done()
    door.opened.set()
    await busy
    assert await call is asked.result()


async def test_before_refuses_a_plain_method_and_a_coroutine(make: MakeDispatcher):
    """Red when the method is called although `before` has raised."""
    dispatcher, called = make(1), []

    def refuse() -> None:
        raise TemporaryError("the lease is over")

    async def waits() -> None:
        called.append("coroutine")

    for method in (waits, lambda: called.append("plain")):
        with pytest.raises(TemporaryError, match="the lease is over"):
            await dispatcher.invoke(method, before=refuse)

    assert called == []


async def test_a_closed_dispatcher_refuses_and_does_not_wait():
    dispatcher = Dispatcher(1, 1)
    dispatcher.close(wait=True)

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(dispatcher.invoke(threading.current_thread), LIMIT_S)
