"""`version`: this and what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

from automation_consumer import __version__
from automation_consumer.cli.options import Output, OutputOption, print_json

STANDS_ON = (
    "confluent-kafka",
    "google-re2",
    "jinja2",
    "jsonschema",
    "msgspec",
    "orjson",
    "pydantic",
    "pyyaml",
)


def version(output: OutputOption = Output.TEXT) -> None:
    """Versions of this and of what it stands on."""
    facts = {
        "automation-consumer": __version__,
        "python": platform.python_version(),
        **{name: installed(name) for name in STANDS_ON},
    }
    if output is Output.JSON:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, number in facts.items():
        print(f"{name:<{width}}  {number}")
