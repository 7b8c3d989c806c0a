"""Structured logging on the standard library: one line per record, as JSON or for a console.

    log = get_logger(__name__)
    log = bind(log, incident=incident.id, run=run.id)
    log.info("started %s", name, event="run.started", action=name)

`event` is a stable name that people alert on; the text may change, the event does not. Every other keyword is
a field of the line. Every string of a line goes through the mask that `setup` was given, before it is encoded.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Final, TextIO

import orjson

from automation_consumer.clock import iso

Mask = Callable[[str], str]

MAX_TEXT: Final = 8192
"""Characters of one value that a line keeps; a 5 MB alert text must not fill the disk."""

_ROOT: Final = "automation_consumer"
_FIELDS: Final = "fields"
_STANDARD: Final = frozenset(
    {*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName", _FIELDS}
)
_FOR_LOGGING: Final = frozenset({"exc_info", "stack_info", "stacklevel"})
_MAX_DEPTH: Final = 8
# What JSON leaves as it is although some reader may take it for the end of a line or a terminal command.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
_PLAIN: Final = "\x1b[0m"


class LogFormat(StrEnum):
    """How a line looks."""

    AUTO = "auto"  # console on a terminal, else JSON
    JSON = "json"  # one JSON object per line
    CONSOLE = "console"  # for a human's eyes


class BoundLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds its ids to every line. Costs a level check and nothing else when the level is off."""

    def __init__(self, logger: logging.Logger, ids: Mapping[str, Any]) -> None:
        super().__init__(logger, dict(ids))
        self.ids: dict[str, Any] = dict(ids)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        fields = dict(self.ids)
        passed: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name in _FOR_LOGGING:
                passed[name] = value
            elif name == "extra":
                fields.update(value or {})
            else:
                fields[name] = value
        passed["extra"] = {_FIELDS: fields}
        return msg, passed


def get_logger(name: str) -> BoundLogger:
    """The logger of a module (`__name__`), with no ids bound yet."""
    return BoundLogger(logging.getLogger(name), {})


def bind(log: logging.Logger | logging.LoggerAdapter[Any], **ids: Any) -> BoundLogger:
    """A logger that adds `ids` (incident, run, message, condition, action, alert) to those that `log` already has."""
    if isinstance(log, BoundLogger):
        return BoundLogger(log.logger, {**log.ids, **ids})
    if isinstance(log, logging.LoggerAdapter):
        return BoundLogger(log.logger, {**(log.extra or {}), **ids})
    return BoundLogger(log, ids)


def _no_mask(text: str) -> str:
    return text


class LineFormatter(logging.Formatter):
    """Base of both formats: collects what a line says, with every string masked and bounded."""

    def __init__(self, mask: Mask = _no_mask) -> None:
        super().__init__()
        self._mask = mask

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """The line as a dict: ts, level, event, logger, msg, then the fields in the order they were given."""
        fields = dict(getattr(record, _FIELDS, None) or {})
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                fields[name] = value
        facts = {
            "ts": iso(record.created),
            "level": record.levelname.lower(),
            "event": self._clean(str(fields.pop("event", "log"))),
            "logger": record.name,
            "msg": self._clean(record.getMessage()),
        }
        for name, value in fields.items():
            facts.setdefault(self._clean(str(name)), self._clean(value))
        if record.exc_info:
            facts["stack"] = self._clean(self.formatException(record.exc_info))
        return facts

    def _clean(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if depth < _MAX_DEPTH:
            if isinstance(value, Mapping):
                return {self._text(str(k)): self._clean(v, depth + 1) for k, v in value.items()}
            if isinstance(value, (list, tuple, set, frozenset)):
                return [self._clean(item, depth + 1) for item in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        # Masked first: half of a secret would not be found any more.
        masked = self._mask(str(text))
        if len(masked) > MAX_TEXT:
            return f"{masked[:MAX_TEXT]}… ({len(masked) - MAX_TEXT} more characters)"
        return masked


class JsonFormatter(LineFormatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        try:
            line = orjson.dumps(facts).decode()
        except TypeError:  # a lone surrogate, or an integer of more than 64 bits
            line = json.dumps(_finite(facts), separators=(",", ":"))
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class ConsoleFormatter(LineFormatter):
    """Time, level, event, text and fields in one line; a stack below it, indented."""

    def __init__(self, mask: Mask = _no_mask, *, colour: bool = False) -> None:
        super().__init__(mask)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        level = str(facts.pop("level"))
        time = str(facts.pop("ts"))[11:23]
        event, text = facts.pop("event"), facts.pop("msg")
        stack = str(facts.pop("stack", ""))
        del facts["logger"]
        fields = "".join(f" {_printable(name)}={_value(value)}" for name, value in facts.items())
        line = f"{time} {level:<7} {_printable(event)}  {_printable(text)}{fields}"
        if self._colour and level in _COLOURS:
            line = f"{_COLOURS[level]}{line}{_PLAIN}"
        return "\n".join([line, *(f"    | {_printable(part)}" for part in stack.splitlines())])


def _finite(value: Any) -> Any:
    """The same without what strict JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _printable(json.dumps(text, ensure_ascii=False) if " " in text and text is value else text)


def _printable(text: str) -> str:
    """Everything that could end the line or command the terminal, as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `setup` replaces it and nobody else's."""


def setup(
    log_format: str = LogFormat.AUTO,
    level: str = "info",
    mask: Mask = _no_mask,
    stream: TextIO | None = None,
) -> None:
    """Log to `stream` (default: stderr). May be called again; the last call counts.

    `level` (debug, info, warning, error) is for this package and its plugins' runs; libraries log from warning on.
    """
    target = stream if stream is not None else sys.stderr
    terminal = target.isatty()
    wanted = LogFormat(log_format)
    console = wanted is LogFormat.CONSOLE or (wanted is LogFormat.AUTO and terminal)
    handler = _Handler(target)
    handler.setFormatter(ConsoleFormatter(mask, colour=terminal) if console else JsonFormatter(mask))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level.upper())
    logging.captureWarnings(True)
