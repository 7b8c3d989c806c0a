"""Which messages are in hand here, and how often: brought again, left behind by others, tried again for an operator."""

from __future__ import annotations

from collections.abc import Callable

from automation_consumer.model.message import Message
from automation_consumer.pipeline.work import Taken
from automation_consumer.store.places import Place, place


class InHand:
    """`finished(message, keep)` is told when a message was handled and nobody here has it in hand any more."""

    def __init__(self, finished: Callable[[Message, bool], None]) -> None:
        self._finished = finished
        self._by_place: dict[Place, list[Taken]] = {}

    def add(self, taken: Taken) -> None:
        """Once more is in hand. The same again changes nothing."""
        here = self._by_place.setdefault(place(taken.message), [])
        if taken not in here:
            here.append(taken)

    def leave(self, taken: Taken) -> None:
        """All of it is handled (`taken.done`) or let go."""
        where = place(taken.message)
        others = [each for each in self._by_place.pop(where, ()) if each is not taken]
        if others:
            self._by_place[where] = others
            others[0].keep = others[0].keep or taken.keep
            others[0].done = others[0].done or taken.done
        elif taken.done:
            self._finished(taken.message, taken.keep)
