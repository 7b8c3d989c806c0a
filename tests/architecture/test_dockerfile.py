"""The Dockerfile, read instruction by instruction: there need not be an engine to find these mistakes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from automation_consumer.config.settings import Service

ROOT = Path(__file__).parents[2]
KNOWN = {
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "USER",
    "WORKDIR",
}


@dataclass(frozen=True)
class Instruction:
    """One instruction: `flags` are its `--name=value`, `words` what follows (of a JSON list: its items)."""

    name: str
    flags: dict[str, str]
    words: list[str]


@dataclass
class Stage:
    """From one FROM to the next."""

    image: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [found for found in self.instructions if found.name == name]


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile. ValueError for what is not one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        instruction = parse_instruction(line)
        if instruction.name == "FROM":
            words = instruction.words
            name = words[2] if len(words) == 3 and words[1].upper() == "AS" else None
            if len(words) not in {1, 3}:
                raise ValueError(f"not a FROM: {line}")
            stages.append(Stage(words[0], name))
        elif not stages:
            raise ValueError(f"before the first FROM: {line}")
        else:
            stages[-1].instructions.append(instruction)
    return stages


def parse_instruction(line: str) -> Instruction:
    name, _, rest = line.strip().partition(" ")
    if name not in KNOWN:
        raise ValueError(f"no instruction that is used here: {name!r}")
    flags = {}
    rest = rest.strip()
    while found := re.match(r"--([a-z-]+)=(\S+)\s*", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    if name == "HEALTHCHECK":
        rest = rest.removeprefix("CMD").strip()
    if not rest:
        raise ValueError(f"nothing after {name}")
    return Instruction(name, flags, json.loads(rest) if rest.startswith("[") else shlex.split(rest))


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return parse((ROOT / "Dockerfile").read_text())


def test_the_parser_reads_what_docker_reads() -> None:
    text = '# c\nFROM a:1 AS x\nRUN one \\\n  # between\n  && two\nFROM b:2\nCOPY --from=x /a /b\nCMD ["r", "s t"]\n'
    first, last = parse(text)
    assert (first.image, first.name, last.image, last.name) == ("a:1", "x", "b:2", None)
    assert first.instructions == [Instruction("RUN", {}, ["one", "&&", "two"])]
    assert last.instructions == [
        Instruction("COPY", {"from": "x"}, ["/a", "/b"]),
        Instruction("CMD", {}, ["r", "s t"]),
    ]


@pytest.mark.parametrize(
    "text", ["RUN x", "FROM a b", "FROM a:1\nRUNN x", 'FROM a:1\nCMD ["x"', "FROM a:1\nUSER"]
)
def test_the_parser_refuses_what_docker_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_there_are_two_stages_on_pinned_images_that_the_project_supports(stages: list[Stage]) -> None:
    assert len(stages) == 2
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    for stage in stages:
        image, _, tag = stage.image.partition(":")
        assert image == "python"
        assert re.fullmatch(r"3\.\d+-slim-[a-z]+", tag), "a version and a Debian release, never latest"
        assert f">={tag.split('-')[0]}" == least


def test_what_is_copied_is_there_and_not_ignored(stages: list[Stage]) -> None:
    names = {stage.name for stage in stages}
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for stage in stages:
        for copy in stage.all("COPY"):
            if "from" in copy.flags:
                assert copy.flags["from"] in names - {stage.name}
                continue
            for source in copy.words[:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch(source, pattern) for pattern in kept), f"{source} is ignored"


def test_what_the_build_reads_is_copied(stages: list[Stage]) -> None:
    copied = {word for copy in stages[0].all("COPY") for word in copy.words[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    package = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0].split("/")[0]
    assert copied >= {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        package,
    }


def test_the_last_stage_runs_as_a_numeric_user_that_is_not_root(stages: list[Stage]) -> None:
    last = stages[-1].instructions
    user = stages[-1].all("USER")[-1]
    number = user.words[0].split(":")[0]
    assert number.isdigit()
    assert int(number) >= 10000
    assert any(number in run.words for run in stages[-1].all("RUN")), "the user is made"
    after = [found.name for found in last[last.index(user) + 1 :]]
    assert "RUN" not in after
    assert "COPY" not in after


def test_the_last_stage_has_neither_compiler_nor_installer(stages: list[Stage]) -> None:
    programs = {word for run in stages[-1].all("RUN") for word in run.words}
    assert not programs & {"pip", "apt-get", "apt", "gcc", "g++", "make", "cc", "build-essential", "curl"}


def test_pip_leaves_no_cache(stages: list[Stage]) -> None:
    for stage in stages:
        for run in stage.all("RUN"):
            assert run.words.count("pip") == run.words.count("--no-cache-dir")


def test_it_starts_the_service_on_the_mounted_folder(stages: list[Stage]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert [found.words for found in stages[-1].all("ENTRYPOINT")] == [["automation-consumer"]]
    assert "automation-consumer" in scripts
    assert [found.words for found in stages[-1].all("CMD")] == [["run", "-c", "/etc/automation"]]


class Health(BaseHTTPRequestHandler):
    """The health page with the status that the server is told."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/-/healthy" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def page() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_the_health_check_tells_healthy_from_not(
    stages: list[Stage], page: HTTPServer, status: int, code: int
) -> None:
    (check,) = stages[-1].all("HEALTHCHECK")
    default = str(Service().port)
    assert [found.words for found in stages[-1].all("EXPOSE")] == [[default]]
    program, option, text = check.words
    assert (program, option) == ("python", "-c")
    assert text.count(default) == 1
    page.status = status  # type: ignore[attr-defined]
    here = text.replace(default, str(page.server_port))
    assert subprocess.run([sys.executable, option, here], check=False, timeout=30).returncode == code


def test_the_health_check_fails_when_nobody_listens(stages: list[Stage]) -> None:
    (check,) = stages[-1].all("HEALTHCHECK")
    text = check.words[-1].replace(str(Service().port), "1")
    done = subprocess.run([sys.executable, "-c", text], check=False, timeout=30, capture_output=True)
    assert done.returncode != 0
