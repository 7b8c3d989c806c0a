"""The parameters of a run: the action's templates filled with the incident's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from automation_consumer.errors import TemplateError
from automation_consumer.pipeline.plan import Plan
from automation_consumer.plugin.params import Params

MASKED = "***"
"""What stands for a secret wherever people look."""


def render(plan: Plan, secret: Callable[[str], str]) -> dict[str, Any]:
    """The rendered parameters. TemplateError when a value is missing."""
    tree = plan.prepared.params
    rendered: dict[str, Any] = tree.render(plan.scope(tree.names), secret)
    return rendered


def parameters(plan: Plan, secret: Callable[[str], str]) -> tuple[Params, dict[str, Any]]:
    """As the action gets them, and as people may see them. TemplateError when they can't be made or are not valid."""
    shown = render(plan, lambda name: MASKED)
    used = render(plan, secret) if plan.prepared.params.secrets else shown
    try:
        params: Params = plan.prepared.action.Params(**used)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TemplateError(f"{where}: the rendered value is not valid: {first['msg']}") from error
    return params, shown
