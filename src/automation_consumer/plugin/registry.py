"""The installed action types, found through the entry-point group `automation_consumer.actions`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from automation_consumer.errors import PluginError
from automation_consumer.plugin.action import Action, Effect, RemoteJob, Scope, ShortAction
from automation_consumer.plugin.params import Params

GROUP = "automation_consumer.actions"


class Registry:
    """Action types by name. A type is imported when it is first asked for."""

    def __init__(self, points: dict[str, EntryPoint] | None = None) -> None:
        self._points = dict(points or {})
        self._loaded: dict[str, Action[Any]] = {}

    @classmethod
    def installed(cls) -> Registry:
        """Everything that is installed, plugins included. PluginError when two packages offer one type."""
        points: dict[str, EntryPoint] = {}
        for point in entry_points(group=GROUP):
            other = points.get(point.name)
            if other is not None and other.value != point.value:
                raise PluginError(
                    f"action type {point.name!r} is offered twice: by {other.value} and by {point.value}",
                    hint="uninstall one of the two packages",
                )
            points[point.name] = point
        return cls(points)

    def add(self, action: Action[Any]) -> None:
        """Add a type that is not installed (tests, embedding)."""
        check_contract(action, action.type)
        self._loaded[action.type] = action

    def types(self) -> list[str]:
        return sorted({*self._points, *self._loaded})

    def __contains__(self, type_name: str) -> bool:
        return type_name in self._loaded or type_name in self._points

    def __iter__(self) -> Iterator[Action[Any]]:
        return (self.get(name) for name in self.types())

    def get(self, type_name: str) -> Action[Any]:
        """The action of that type; PluginError when it is not installed or does not keep the contract."""
        if type_name not in self._loaded:
            point = self._points.get(type_name)
            if point is None:
                raise PluginError(f"no action type {type_name!r} is installed")
            try:
                cls = point.load()
            except ImportError as error:
                raise PluginError(
                    f"action type {type_name!r} ({point.value}) cannot be imported: {error}"
                ) from error
            if not callable(cls):
                raise PluginError(f"action type {type_name!r} ({point.value}) is not a class")
            action: Any = cls()
            check_contract(action, type_name)
            self._loaded[type_name] = action
        return self._loaded[type_name]


def check_contract(action: Any, type_name: str) -> None:
    """Refuse a class that does not keep the plugin contract, saying which part of it."""
    where = f"action type {type_name!r} ({type(action).__module__}.{type(action).__qualname__})"
    if not isinstance(action, (ShortAction, RemoteJob)):
        raise PluginError(f"{where} is neither a ShortAction nor a RemoteJob")
    if getattr(action, "type", None) != type_name:
        raise PluginError(f"{where} calls itself {getattr(action, 'type', None)!r}")
    params = getattr(action, "Params", None)
    if not (inspect.isclass(params) and issubclass(params, Params)):
        raise PluginError(f"{where} has no Params model (a subclass of automation_consumer.plugin.Params)")
    missing = [name for name, field in params.model_fields.items() if not field.description]
    if missing:
        raise PluginError(f"{where}: fields without a description: {', '.join(missing)}")
    if not isinstance(getattr(action, "effect", None), Effect):
        raise PluginError(f"{where} does not say its effect (READ, NOTIFY or CHANGE)")
    if not isinstance(getattr(action, "scope", None), Scope):
        raise PluginError(f"{where} does not say its scope")


def summary(action: Action[Any]) -> str:
    """The first line of the class docstring."""
    return (inspect.getdoc(type(action)) or "").split("\n", 1)[0].strip()


def description(action: Action[Any]) -> str:
    """The docstring between its first line and the example."""
    doc = (inspect.getdoc(type(action)) or "").partition("\n")[2]
    return doc.partition("Example:")[0].strip()


def example(action: Action[Any]) -> str:
    """The YAML after the line `Example:`; '' when there is none."""
    return (
        textwrap.dedent((inspect.getdoc(type(action)) or "").partition("Example:")[2].strip("\n")).rstrip()
        + "\n"
    )
