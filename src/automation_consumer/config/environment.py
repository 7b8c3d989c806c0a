"""Variables in the YAML: `${NAME}`, `${NAME:default}`, and `$${` for a literal `${`.

A variable that is set to an empty text counts as set. What a variable holds is never searched for variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_USE = re.compile(
    r"\$(?:(?P<literal>\$\{)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<default>[^}]*))?\}|(?P<bad>\{))"
)


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with its variables filled in, and what was wrong with them."""

    text: str
    missing: tuple[str, ...] = ()
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that the YAML may use."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def expand(self, text: str) -> Expansion:
        """Fill the variables in. What is missing or malformed stays in the text as it was."""
        if "${" not in text:
            return Expansion(text)
        missing: list[str] = []
        malformed = False

        def fill(use: re.Match[str]) -> str:
            nonlocal malformed
            if use["literal"]:
                return "${"
            if use["bad"]:
                malformed = True
                return use[0]
            value = self.variables.get(use["name"], use["default"])
            if value is None:
                missing.append(use["name"])
                return use[0]
            return value

        return Expansion(_USE.sub(fill, text), tuple(dict.fromkeys(missing)), malformed)


def process_environment() -> Mapping[str, str]:
    """A copy of the environment of this process: the only place that reads it."""
    return dict(os.environ)
