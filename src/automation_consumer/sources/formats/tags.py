"""Tags: a dict from name to value. A tag without value is absent; a name that comes twice has the list of its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_HOST_TAGS: Final = ("host", "instance", "hostname", "node", "server", "device")


def collect(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """The tags of `pairs`, in their order. Pairs whose name is not a text, or without value (None), are left out."""
    tags: dict[str, Any] = {}
    for name, value in pairs:
        if value is None or not isinstance(name, str):
            continue
        if name not in tags:
            tags[name] = value
        elif tags[name] != value:
            known = _as_list(tags[name])
            tags[name] = known + [more for more in _as_list(value) if more not in known]
    return tags


def layered(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The tags of all layers; where two have one name, the earlier layer wins."""
    tags: dict[str, Any] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            if value is not None:
                tags.setdefault(name, value)
    return tags


def text(tags: Mapping[str, Any], *names: str) -> str | None:
    """The first of the tags `names` that has a text (of a list, its first text); None where none has."""
    for name in names:
        value = tags.get(name)
        for candidate in value if isinstance(value, list) else (value,):
            if isinstance(candidate, str) and candidate:
                return candidate
    return None


def host(tags: Mapping[str, Any]) -> str | None:
    """The host that the tags speak of, without port: `host`, else `instance`, `hostname`, `node`, `server`, `device`."""
    found = text(tags, *_HOST_TAGS)
    return without_port(found) if found else None


def without_port(address: str) -> str:
    """`web1` of `web1:9100`, `::1` of `[::1]:9100`. What is no address with a port stays as it is."""
    name, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or not name:
        return address
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1]
    return address if ":" in name else name


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
