"""From the config's `kafka.format` to the format."""

from __future__ import annotations

from typing import Any, Final

from automation_consumer.config.suggest import closest
from automation_consumer.errors import ConfigError
from automation_consumer.sources.formats import (
    alertmanager,
    bigpanda,
    cloudevents,
    datadog,
    grafana,
    mapping,
    opsgenie,
    pagerduty,
    rootly,
)
from automation_consumer.sources.formats.format import DocumentFormat, Format, Reader
from automation_consumer.sources.formats.paths import check_keys

_READERS: Final[dict[str, Reader]] = {
    module.NAME: module.read
    for module in (bigpanda, alertmanager, pagerduty, grafana, opsgenie, datadog, rootly)
}
FORMATS: Final = (*_READERS, cloudevents.NAME, mapping.NAME)
"""The names that `kafka.format` knows."""


def build_format(spec: str | dict[str, Any], max_bytes: int) -> Format:
    """The format that `kafka.format` describes: a name, `{cloudevents: {data: FORMAT}}` or `{mapping: {…}}`.

    A message of more than `max_bytes` is poison. Raises ConfigError, with the name that was probably meant.
    """
    where = "kafka.format"
    name, options = _named(spec, where)
    if name != cloudevents.NAME:
        return DocumentFormat(_reader(spec, where), max_bytes)
    options = {} if options is None else options
    if not isinstance(options, dict):
        raise ConfigError(f"{where}.{name}: expected an object with `data`, got {options!r}")
    problems: list[str] = []
    check_keys(options, ("data",), f"{where}.{name}", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    inner = _reader(options.get("data", bigpanda.NAME), f"{where}.{name}.data")
    return cloudevents.CloudEvents(inner, max_bytes)


def _reader(spec: Any, where: str) -> Reader:
    """What reads a parsed document. Raises ConfigError."""
    name, options = _named(spec, where)
    if name == cloudevents.NAME:
        raise ConfigError(f"{where}: a CloudEvent inside a CloudEvent is not supported")
    if name == mapping.NAME:
        return mapping.compile_mapping(options, f"{where}.{name}")
    if options is not None:
        raise ConfigError(f"{where}: the format `{name}` has no options; write `format: {name}`")
    return _READERS[name]


def _named(spec: Any, where: str) -> tuple[str, Any]:
    """The format's name and what is written under it. Raises ConfigError."""
    if isinstance(spec, dict) and len(spec) == 1:
        name, options = next(iter(spec.items()))
    elif isinstance(spec, str):
        name, options = spec, None
    else:
        raise ConfigError(f"{where}: expected a format's name or an object with one name, got {spec!r}")
    if name not in FORMATS:
        close = closest(str(name), FORMATS)
        hint = f"did you mean `{close}`?" if close else f"there are {', '.join(FORMATS)}"
        raise ConfigError(f"{where}: there is no format `{name}`", hint=hint)
    return name, options
