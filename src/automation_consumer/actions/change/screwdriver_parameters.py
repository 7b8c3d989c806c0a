"""The parameters of a Screwdriver job, taken from an alert (or an incident) and from the YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from automation_consumer.errors import PermanentError
from automation_consumer.plugin.context import ActionContext

Scalar = str | int | float | bool


def job_parameters(
    ctx: ActionContext, fields: list[str], tags: list[str], extra: Mapping[str, Scalar]
) -> dict[str, str]:
    """Each named field and tag of the alert, and `extra`, as texts: that is all a job can take.

    Without an alert they are the incident's. PermanentError when a field or tag is not there.
    """
    source = ctx.alert or ctx.incident
    who = f"alert {ctx.alert.id!r}" if ctx.alert else f"incident {ctx.incident.id!r}"
    known = source.fields()
    taken = {name: _found(known, name, f"{who} has no field") for name in fields}
    taken |= {name: _found(source.tags, name, f"{who} has no tag") for name in tags}
    return {name: text(value) for name, value in (taken | dict(extra)).items()}


def text(value: Any) -> str:
    """A text as it is, anything else as JSON. Characters that no JSON store keeps (NUL, surrogates) become U+FFFD."""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if plain.isascii() and "\0" not in plain:
        return plain
    return "".join("�" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in plain)


def _found(values: Mapping[str, Any], name: str, complaint: str) -> Any:
    value = values.get(name)
    if value is None:
        raise PermanentError(
            f"{complaint} {name!r}, which is to be a parameter of the job",
            hint=f"it has: {', '.join(sorted(key for key, found in values.items() if found is not None)) or 'none'}",
        )
    return value
