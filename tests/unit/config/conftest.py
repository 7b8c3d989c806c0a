"""Small action types to load configurations with."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, field_validator, model_validator

from automation_consumer.config.load import Loaded, load
from automation_consumer.plugin import (
    Duration,
    Effect,
    Escape,
    Outcome,
    Params,
    Registry,
    Scope,
    SecretName,
    ShortAction,
)


class Job(Params):
    pipeline_id: int = Field(description="The pipeline.", ge=1)
    job_name: str = Field(description="The job.")
    auth_secret: SecretName | None = Field(None, description="The token.")
    alert_parameters: list[str] = Field(default_factory=list, description="Fields of the alert.")
    alert_tag_parameters: list[str] = Field(default_factory=list, description="Tags of the alert.")
    extra_parameters: dict[str, str | int | float | bool] = Field(default_factory=dict, description="More.")
    polling_interval: Duration = Field(30.0, description="Between polls.")
    polling_timeout: Duration = Field(600.0, description="At most.")


class Text(Params):
    message: Annotated[str, Escape("slack")] = Field(description="What is said.")
    channel: str = Field("#ops", description="Where.")

    @field_validator("channel")
    @classmethod
    def _begins_with_hash(cls, value: str) -> str:
        if not value.startswith("#"):
            raise ValueError("a channel begins with '#'")
        return value


class Target(Params):
    host: str = Field("", description="The host.")
    port: int = Field(22, description="The port.")


class Script(Params):
    timeout: Duration = Field(60.0, description="The whole script.")
    retry_count: int = Field(2, description="Further tries.", ge=0)
    targets: list[Target] = Field(default_factory=list, description="Where it runs.")
    mode: str | list[Target] = Field("one", description="How it runs.")
    then: str = Field("", description="An action to run after it.")
    command: str | None = Field(None, description="One command.")
    script: str | None = Field(None, description="A script.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "Script":
        if (self.command is None) == (self.script is None):
            raise ValueError("give either 'command' or 'script'")
        return self


def _action(name: str, params: type[Params], scope: Scope = Scope.ANY, default: str | None = None) -> Any:
    class Fake(ShortAction[Any]):
        """Does nothing."""

        type = name
        Params = params
        effect = Effect.NOTIFY
        connection = default

        def run(self, ctx: Any, params: Any) -> Outcome:
            return Outcome.success()

    Fake.scope = scope
    return Fake()


@pytest.fixture(scope="session")
def registry() -> Registry:
    made = Registry()
    made.add(_action("screwdriver", Job, default="screwdriver"))
    made.add(_action("slack", Text, default="slack"))
    made.add(_action("alert_slack", Text, Scope.ALERT))
    made.add(_action("incident_slack", Text, Scope.INCIDENT))
    made.add(_action("script", Script))
    return made


@pytest.fixture
def check(tmp_path: Path, registry: Registry) -> Callable[..., Loaded]:
    """Load texts as files; a dict gives their names."""

    def run(text: str | dict[str, str], environ: dict[str, str] | None = None) -> Loaded:
        files = {"config.yaml": text} if isinstance(text, str) else text
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8", newline="")
        paths = [tmp_path / "config.yaml"] if isinstance(text, str) else [tmp_path]
        return load(paths, registry, environ or {})

    return run


@pytest.fixture
def problems(check: Callable[..., Loaded], tmp_path: Path) -> Callable[..., list[str]]:
    """Load texts as files, and give the problems as `file:line:col: severity: message`, the folder left out."""

    def run(text: str | dict[str, str], environ: dict[str, str] | None = None) -> list[str]:
        return [str(each).replace(f"{tmp_path}/", "") for each in check(text, environ).problems]

    return run
