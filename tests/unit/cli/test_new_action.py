"""`new-action`: every name that it takes gives a package that keeps the plugin contract; every other one is refused."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from automation_consumer.cli.new_action import new_action
from automation_consumer.cli.new_action.package import PluginNames, files
from automation_consumer.errors import UsageError
from automation_consumer.plugin.registry import check_contract, description, example, summary
from automation_consumer.testing import an_alert, run_action

snake_case = st.from_regex(r"[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,5}){1,3}", fullmatch=True)


def module_of(folder: Path, name: str) -> ModuleType:
    path = folder / PluginNames.of(name).module_path
    spec = importlib.util.spec_from_file_location(f"made_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(snake_case)
def test_all_files_are_sound_and_name_the_same_things(name: str):
    names = PluginNames.of(name)
    made = files(names)

    project = tomllib.loads(made[Path("pyproject.toml")])
    [(entry, target)] = project["project"]["entry-points"]["automation_consumer.actions"].items()
    module, _, class_name = target.partition(":")
    code = made[Path("src", *module.split(".")).with_suffix(".py")]

    assert entry == name
    assert f"class {class_name}(" in code
    assert project["project"]["name"] == names.distribution
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"src/{names.package}"]
    for path, text in made.items():
        assert "${" not in text
        assert "$name" not in text
        if path.suffix == ".py":
            compile(text, str(path), "exec")


async def test_the_action_keeps_the_plugin_contract_and_its_example_runs(tmp_path: Path):
    new_action("restart_service", tmp_path)
    action = module_of(tmp_path, "restart_service").RestartService()

    check_contract(action, "restart_service")
    assert summary(action)
    assert description(action)
    fields = yaml.safe_load(example(action))
    assert (fields["type"], fields["name"]) == ("restart_service", "my_restart_service")
    ran = await run_action(action, fields, alert=an_alert(host="web7"))
    assert ran.result.ok
    assert ran.run.params["target"] == "web7"


def test_it_says_in_three_lines_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "my plugins"
    new_action("restart_service", folder)

    code, install, use = capsys.readouterr().out.splitlines()
    assert str(folder / "src/automation_consumer_restart_service/restart_service.py") in code
    assert f"pip install -e '{folder}[test]' && pytest '{folder}'" in install
    assert "automation-consumer actions restart_service" in use


def test_without_a_folder_it_goes_below_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    new_action("restart_service")

    assert [path.name for path in tmp_path.iterdir()] == ["automation-consumer-restart-service"]
    assert (tmp_path / "automation-consumer-restart-service/tests/test_restart_service.py").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "RestartService",
        "restart-service",
        "_restart",
        "restart_",
        "2fast",
        "a__b",
        "a b",
        "../up",
        "löschen",
        "x" * 61,
    ],
)
def test_a_name_that_is_not_snake_case_is_refused(name: str, tmp_path: Path):
    with pytest.raises(UsageError, match="snake_case"):
        new_action(name, tmp_path / "made")

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["class", "import", "lambda"])
def test_a_word_of_python_is_refused(name: str, tmp_path: Path):
    with pytest.raises(UsageError, match="Python"):
        new_action(name, tmp_path / "made")


def test_the_name_of_an_installed_type_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="'webhook' is installed already"):
        new_action("webhook", tmp_path / "made")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep")

    with pytest.raises(UsageError, match="not empty"):
        new_action("restart_service", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text("keep")

    with pytest.raises(UsageError, match="there already"):
        new_action("restart_service", file)
    with pytest.raises(UsageError, match="cannot be written"):
        new_action("restart_service", file / "below")

    assert file.read_text() == "keep"
