"""Everything that must hold before a configuration runs. `validate`, the pod and `explain` all come through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automation_consumer.conditions.compiler import compile_conditions
from automation_consumer.config.load import Loaded, load
from automation_consumer.config.problems import Code, Problem, Severity, in_order, problem
from automation_consumer.config.secrets import SecretStore, Where, missing_secrets
from automation_consumer.config.templates import check_templates
from automation_consumer.errors import ConfigError
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.plugin.registry import Registry
from automation_consumer.sources.formats import build_format
from automation_consumer.sources.kafka.settings import client_settings

SAID_BY_THE_SCHEMA = frozenset({"unknown-field", "unknown-operator", "bad-clause"})


@dataclass(frozen=True)
class Checked:
    """A configuration after all checks. `ruleset` is None when a problem is an error."""

    ruleset: Ruleset | None
    problems: list[Problem]
    where: Where
    """Where a part of it stands, by its path: `("kafka", "topics")`."""

    def need(self) -> Ruleset:
        """The ruleset; ConfigError with every error when there is none."""
        if self.ruleset is None:
            errors = [str(each) for each in self.problems if each.severity is Severity.ERROR]
            raise ConfigError("the configuration is invalid:\n  " + "\n  ".join(errors))
        return self.ruleset


def check(
    paths: Sequence[str | Path], registry: Registry, environ: Mapping[str, str], *, strict: bool = False
) -> Checked:
    """Load and check everything, all problems at once. `strict` looks for the secrets, too. Blocks on the disk."""
    loaded = load(paths, registry, environ)
    conditions, found = compile_conditions(loaded.draft, loaded.where)
    problems = [
        *loaded.problems,
        *found,
        *check_templates(loaded.draft, registry, loaded.where),
        *_kafka(loaded),
    ]
    if loaded.damaged is not None:
        problems += _further(loaded.damaged, registry, problems)
    if strict:
        problems += _missing(loaded, registry, environ)
    failed = any(each.severity is Severity.ERROR for each in problems)
    if failed or conditions is None or loaded.config is None:
        return Checked(None, in_order(problems), loaded.where)
    return Checked(Ruleset(loaded.config, conditions, registry), in_order(problems), loaded.where)


def _missing(loaded: Loaded, registry: Registry, environ: Mapping[str, str]) -> list[Problem]:
    store = SecretStore(loaded.draft.settings.secrets, environ)
    return missing_secrets(loaded.draft, registry, store, loaded.where)


def _further(damaged: Loaded, registry: Registry, said: Sequence[Problem]) -> list[Problem]:
    """What else is wrong with parts that the schema has refused somewhere; nothing is said twice of one place."""
    _, conditions = compile_conditions(damaged.draft, damaged.where)
    templates = check_templates(damaged.draft, registry, damaged.where)
    places = {(each.file, each.line, each.column) for each in said}
    return [
        each
        for each in (*conditions, *templates)
        if each.severity is Severity.ERROR
        and each.code not in SAID_BY_THE_SCHEMA
        and (each.file, each.line, each.column) not in places
    ]


def _kafka(loaded: Loaded) -> list[Problem]:
    """What the format and the client would refuse at the start."""
    kafka = loaded.draft.settings.kafka
    if kafka is None:
        return []
    checks: list[tuple[tuple[str, ...], Callable[[], object]]] = [
        (("kafka", "format"), lambda: build_format(kafka.format, kafka.max_message_bytes))
    ]
    for name, value in kafka.client_settings().items():
        checks.append((("kafka", name), partial(client_settings, {name: value})))
    problems = []
    for path, attempt in checks:
        try:
            attempt()
        except ConfigError as error:
            problems.append(problem(loaded.where(path), Code.INVALID_VALUE, str(error), path=path))
    return problems
