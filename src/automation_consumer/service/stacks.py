"""What every thread and every task is doing at this moment, as text for the log."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

FRAMES: Final = 40  # of one stack, the innermost
TASK_STACKS: Final = 20  # different ones; ten thousand tasks wait at a few places


def thread_stacks() -> Iterator[tuple[str, str]]:
    """(name, stack) of each thread but this one. Code only, no values of variables."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the only way to see another thread
        if ident != threading.get_ident():
            yield (
                names.get(ident, f"thread {ident}"),
                "".join(traceback.format_stack(frame, limit=FRAMES)),
            )


def task_stacks(loop: asyncio.AbstractEventLoop) -> list[tuple[int, str]]:
    """(how many tasks, stack) of the loop's tasks, those with most tasks first. Any thread."""
    stacks = Counter(_stack(task.get_coro()) for task in asyncio.all_tasks(loop))
    return [(count, stack) for stack, count in stacks.most_common(TASK_STACKS)]


def _stack(awaited: Any) -> str:
    """Of a coroutine that waits: itself, what it awaits, what that awaits…"""
    lines: list[str] = []
    while awaited is not None and len(lines) < FRAMES:
        frame: FrameType | None = getattr(awaited, "cr_frame", None)
        if frame is None:
            break
        lines += traceback.format_stack(frame, limit=1)
        awaited = getattr(awaited, "cr_await", None)
    return "".join(lines)
