"""How a command finds the journal: where it is, and who asks."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from automation_consumer.cli.options import config_path
from automation_consumer.config.load import Loaded, load
from automation_consumer.config.problems import Code, Severity
from automation_consumer.config.secrets import SecretStore, learn_all
from automation_consumer.errors import UsageError
from automation_consumer.model.switch import Scope
from automation_consumer.plugin.registry import Registry
from automation_consumer.store.journal import JournalReader
from automation_consumer.store.open import open_reader

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The journal, as the key `store` says it; the configuration is then not read.",
    ),
]
WhoOption = Annotated[
    str | None,
    typer.Option("--who", metavar="NAME", help="Who asks for it, for the record. Default: user@host."),
]

_UNREADABLE: Final = frozenset(
    {
        Code.FILE_UNREADABLE,
        Code.FILE_EMPTY,
        Code.YAML_SYNTAX,
        Code.YAML_DUPLICATE_KEY,
        Code.YAML_ALIAS,
        Code.YAML_DEPTH,
    }
)


@dataclass(frozen=True)
class Known:
    """What a command knows of the service. `names`: what there is to pause; None when the configuration cannot tell.

    `mask` takes the secrets that the configuration names, and that are there for the command, too, out of a text.
    """

    store: str
    names: Mapping[Scope, frozenset[str]] | None = None
    mask: Callable[[str], str] = str


def known(config: Path | None, store: str | None) -> Known:
    """From the configuration, which may have mistakes; UsageError when it does not say where the journal is."""
    if store is not None:
        return Known(store)
    path = config_path(config)
    if not path.exists():
        raise UsageError(
            f"there is no configuration at {path}",
            hint="name it with -c: it says where the journal is; or name the journal with --store",
        )
    registry = Registry.installed()
    loaded = load([path], registry, os.environ)
    for each in loaded.problems:
        unread = each.code in _UNREADABLE and "store" not in loaded.merged.sections
        if each.severity is Severity.ERROR and (each.path == "store" or unread):
            raise UsageError(f"where the journal is cannot be read: {each}", hint="name it with --store")
    secrets = SecretStore(loaded.draft.settings.secrets, os.environ)
    learn_all(loaded.draft, registry, secrets)
    return Known(loaded.draft.settings.store, _names(loaded), secrets.masker.mask)


def _names(loaded: Loaded) -> Mapping[Scope, frozenset[str]] | None:
    if loaded.config is None:
        print("the configuration has errors, see `validate`: names are not checked", file=sys.stderr)
        return None
    config = loaded.config
    return {
        Scope.CONDITION: frozenset(spec.name for spec in config.conditions),
        Scope.ACTION: frozenset(config.actions),
        Scope.ACTION_TYPE: frozenset(spec.type for spec in config.actions.values()),
    }


@contextmanager
def journal(store: str) -> Iterator[JournalReader]:
    """The operator's side of the journal, beside running services. StoreError when it cannot be read."""
    reader = open_reader(store)
    try:
        yield reader
    finally:
        reader.close()


def operator(given: str | None) -> str:
    """Who asks: the given name, else user@host."""
    if given:
        return given
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
