"""All generated pages, by their name in the folder of the documentation."""

from __future__ import annotations

from importlib.metadata import entry_points

from automation_consumer.cli.reference.actions import actions
from automation_consumer.cli.reference.codes import codes
from automation_consumer.cli.reference.commands import commands
from automation_consumer.cli.reference.configuration import configuration, schema_file
from automation_consumer.cli.reference.events import events
from automation_consumer.cli.reference.metrics import metrics
from automation_consumer.cli.reference.outcomes import SCHEMA_FILE, outcome_schema_file, outcomes
from automation_consumer.plugin.registry import GROUP, Registry


def own_types() -> Registry:
    """The action types of this package: the pages must not depend on what else is installed."""
    points = entry_points(group=GROUP)
    return Registry({each.name: each for each in points if each.module.startswith("automation_consumer.")})


def pages() -> dict[str, str]:
    """The text of every page."""
    registry = own_types()
    return {
        "configuration.md": configuration(registry),
        "config.schema.json": schema_file(registry),
        "actions.md": actions(registry),
        "metrics.md": metrics(),
        "codes.md": codes(),
        "cli.md": commands(),
        "outcomes.md": outcomes(),
        "events.md": events(),
        SCHEMA_FILE: outcome_schema_file(),
    }
