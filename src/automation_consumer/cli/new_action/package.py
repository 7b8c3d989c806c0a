"""The files of a plugin package, from templates that lie beside this file."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from automation_consumer import __version__
from automation_consumer.errors import UsageError

TEMPLATES: Final = Path(__file__).with_name("templates")
MAX_NAME: Final = 60  # characters; file names and distribution names stay short enough everywhere
_SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@dataclass(frozen=True)
class PluginNames:
    """All that a plugin is called by, made from its action type's name."""

    name: str

    @classmethod
    def of(cls, name: str) -> PluginNames:
        """UsageError when the name cannot be a Python module and an action type."""
        if not _SNAKE.fullmatch(name) or len(name) > MAX_NAME:
            raise UsageError(
                f"{name!r} cannot name an action type", hint="write it in snake_case, such as restart_service"
            )
        if keyword.iskeyword(name):
            raise UsageError(f"{name!r} is a word of Python itself", hint="choose another name")
        return cls(name)

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return f"automation-consumer-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What Python imports."""
        return f"automation_consumer_{self.name}"

    @property
    def class_name(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def module_path(self) -> Path:
        """Where the action's code is, inside the package's folder."""
        return Path("src", self.package, f"{self.name}.py")


def files(names: PluginNames) -> dict[Path, str]:
    """The text of each file, by its path inside the package's folder."""
    values = {
        "name": names.name,
        "package": names.package,
        "distribution": names.distribution,
        "class_name": names.class_name,
        "version": __version__,
    }
    templates = {
        Path("pyproject.toml"): "pyproject.toml.tmpl",
        Path("README.md"): "README.md.tmpl",
        Path("src", names.package, "__init__.py"): "init.py.tmpl",
        names.module_path: "action.py.tmpl",
        Path("tests", f"test_{names.name}.py"): "test.py.tmpl",
    }
    return {
        path: Template((TEMPLATES / template).read_text("utf-8")).substitute(values)
        for path, template in templates.items()
    }


def write(names: PluginNames, folder: Path) -> None:
    """Write the package. UsageError when the folder has something in it, or cannot be written."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is there already and not empty", hint="name another one with --dir")
        for path, text in files(names).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
