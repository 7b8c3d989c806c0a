"""Checks the parts of a configuration against the schema; what is wrong with them comes back as problems."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator

from automation_consumer.config import schema
from automation_consumer.config.fast_path import fast_path
from automation_consumer.config.merge import Item
from automation_consumer.config.messages import Finding, Written, near_miss, of_schema
from automation_consumer.config.problems import Code, Problem, problem
from automation_consumer.config.schema_form import Schema
from automation_consumer.config.settings import Kafka
from automation_consumer.config.yaml import Document
from automation_consumer.errors import PluginError
from automation_consumer.plugin.registry import Registry


class Check:
    """One schema, made ready once for many parts."""

    def __init__(self, of: Schema) -> None:
        self._accepts = fast_path(of)
        self._validator = Draft202012Validator(of)

    def findings(self, data: Any, subject: str, written: Written) -> list[Finding]:
        """What is wrong with `data`; [] when nothing is."""
        if self._accepts(data):
            return []
        errors = self._validator.iter_errors(data)
        return list(dict.fromkeys(each for error in errors for each in of_schema(error, subject, written)))


class Checks:
    """The schemas of a registry's configuration, each made when it is first needed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._actions: dict[str, Check] = {}
        self._broken: dict[str, str] = {}

    def document(self, document: Document) -> list[Problem]:
        """What is wrong with the sections of a file, leaving out what its actions and conditions hold."""
        findings = self._sections.findings(document.data, "the configuration", document.written)
        kafka = document.data.get("kafka")
        if isinstance(kafka, dict):
            known = [info.alias or name for name, info in Kafka.model_fields.items()]
            findings += [found for key in kafka if (found := near_miss(key, known)) is not None]
        return [_document_problem(document, finding) for finding in findings]

    def condition(self, item: Item) -> list[Problem]:
        """What is wrong with a condition, by its schema."""
        return _item_problems(item, self._condition)

    def action(self, item: Item) -> list[Problem]:
        """What is wrong with an action, by the schema of its type."""
        problems = _item_problems(item, self._base)
        type_name = item.data.get("type") if isinstance(item.data, dict) else None
        if not isinstance(type_name, str) or type_name not in self._registry:
            return problems
        check = self._action(type_name)
        if check is None:
            return [*problems, item.problem(("type",), Code.BROKEN_TYPE, self._broken[type_name])]
        return _item_problems(item, check)  # has the name and the type in it

    @cached_property
    def _sections(self) -> Check:
        return Check(schema.sections_schema())

    @cached_property
    def _condition(self) -> Check:
        return Check(schema.condition_schema())

    @cached_property
    def _base(self) -> Check:
        return Check(schema.action_base_schema(self._registry))

    def _action(self, type_name: str) -> Check | None:
        if type_name not in self._actions and type_name not in self._broken:
            try:
                self._actions[type_name] = Check(schema.action_schema(self._registry, type_name))
            except PluginError as error:
                self._broken[type_name] = str(error)
        return self._actions.get(type_name)


def _document_problem(document: Document, finding: Finding) -> Problem:
    place = document.position(finding.path, key=finding.at_key)
    return problem(place, finding.code, finding.message, path=finding.path)


def _item_problems(item: Item, check: Check) -> list[Problem]:
    findings = check.findings(
        item.data, item.subject, lambda path: item.document.written((*item.path, *path))
    )
    return [item.problem(each.path, each.code, each.message, key=each.at_key) for each in findings]
