"""`run`: the service."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Annotated, Final, NoReturn

import typer

from automation_consumer.cli.options import ConfigOption, Output, OutputOption, config_path, print_json
from automation_consumer.config.problems import Severity
from automation_consumer.config.secrets import absent_secrets, learn_all
from automation_consumer.errors import AutomationError
from automation_consumer.logs import setup
from automation_consumer.model.run import RunStatus
from automation_consumer.pipeline.work import Tally
from automation_consumer.plugin.params import parse_duration
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.config_files import ConfigFiles
from automation_consumer.service.rules import Checked, check
from automation_consumer.service.run import Options, serve, summary
from automation_consumer.service.secrets import secret_store

CANNOT_GO_ON: Final = 2


def _duration(text: str) -> float:
    try:
        return parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def run(
    config: ConfigOption = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start a broker inside the process and print its address.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Handle what is on the topics now, finish, exit.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and record; call nothing outside.")
    ] = False,
    drain_timeout: Annotated[
        float | None,
        typer.Option(
            "--drain-timeout",
            parser=_duration,
            metavar="DURATION",
            help="How long a stop waits for running actions. Default: service.drain_timeout, 60 s.",
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The service: read incidents, match them, run their actions, until SIGTERM."""
    files = ConfigFiles.about_to_be_read([config_path(config)])
    found = _checked(files)
    ruleset = found.need()
    secrets = secret_store(ruleset.config)
    learn_all(ruleset.config, ruleset.registry, secrets)
    for problem in absent_secrets(ruleset.config, ruleset.registry, secrets, found.where):
        print(problem, file=sys.stderr)
    service = ruleset.config.settings.service
    setup(service.log_format, service.log_level, secrets.masker.mask)
    stream = sys.stderr if output is Output.JSON else sys.stdout
    options = Options(
        embedded, once, dry_run, drain_timeout, lambda line: print(line, file=stream, flush=True), files
    )
    tally = Tally()
    try:
        asyncio.run(serve(ruleset, secrets, options, tally=tally))
    except AutomationError as error:
        if tally.cut_off:
            print(f"error: {error}", file=sys.stderr)
            _end(CANNOT_GO_ON)
        raise
    _print(tally, output, once=once)
    code = int(once and bool(tally.runs[RunStatus.FAILED] or tally.runs[RunStatus.UNKNOWN]))
    if tally.cut_off or _threads_run():
        _end(code)
    raise typer.Exit(code)


def _checked(files: ConfigFiles) -> Checked:
    """The configuration, with its warnings told."""
    found = check(files.paths, Registry.installed(), os.environ)
    for problem in found.problems:
        if problem.severity is Severity.WARNING:
            print(problem, file=sys.stderr)
    return found


def _print(tally: Tally, output: Output, *, once: bool) -> None:
    facts = summary(tally)
    if output is Output.JSON:
        print_json(facts)
    elif once:
        runs = ", ".join(f"{count} {status}" for status, count in sorted(facts["runs"].items())) or "none"
        print(
            f"{facts['incidents']} incidents, {facts['matched']} matched, runs: {runs}, "
            f"{facts['dead_letters']} dead letters, in {facts['handling_s']:.3f} s"
        )


def _threads_run() -> bool:
    """Whether a thread would keep the interpreter from ending: a blocking call whose run was given up long ago."""
    return any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())


def _end(code: int) -> NoReturn:
    """End without waiting for any thread; everything is written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
