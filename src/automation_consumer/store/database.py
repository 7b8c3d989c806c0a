"""What the statements need of a database; one implementation per kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from automation_consumer.errors import StoreError
from automation_consumer.model.run import RunStatus

T = TypeVar("T")


class AwayError(StoreError):
    """Not now: the database cannot be reached, is full, busy or broken. Nothing is wrong with what was to be written."""


class Result(Protocol):
    """What a statement gave. On PostgreSQL looking at it waits for the answer; on SQLite it is there at once."""

    @property
    def count(self) -> int:
        """How many rows were written."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """What it gave back."""


class Note(NamedTuple):
    """The line of a run's history that goes with a write."""

    run_id: str
    at: float
    status: RunStatus
    detail: str


class Database(Protocol):
    """A connection. Statements have `?` for values. Every method blocks; AwayError or StoreError when it fails."""

    skip_locked: str
    """What makes a SELECT of rows to be taken pass over those that another process takes at this moment."""

    at_once: bool
    """Whether a result is there when the statement was executed, so that a further question can be spared."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Result: ...

    def noted(self, statement: str, values: Sequence[Any], note: Note) -> Result:
        """Write to `runs`, and add `note` to the run's history if that changed a row."""

    def begin(self, number: int) -> None:
        """Begin the transaction of this number; this process counts them from 1."""

    def flush(self) -> bool:
        """Have everything executed. False when the transaction of this number had been committed before."""

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Undo what `begin` began, if it can still be undone. Raises nothing."""

    def reconnect(self) -> None:
        """Make the connection usable again after an AwayError."""

    def close(self) -> None:
        """Close the connection. Raises nothing."""


Reading = Callable[[], T]
"""Gives an operation's result, once the database has answered. An error that it returns is raised to the caller."""

Operation = Callable[[Database], Reading[T]]
"""Sends statements, and gives the function that reads their result: so a whole batch goes out before an answer is awaited."""
