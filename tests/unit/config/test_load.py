"""Loading: every problem at once, each with its place; files and folders as one configuration."""

import gc
from textwrap import dedent

import pytest

from automation_consumer.config.load import load
from automation_consumer.config.problems import Code, Problem, Severity, path_text
from automation_consumer.config.secrets import SecretStore, missing_secrets
from automation_consumer.config.settings import OnUnknown, Place, Secrets
from automation_consumer.plugin import Registry

DESIGN = """\
version: 1
kafka:
  bootstrap.servers: ${KAFKA_BOOTSTRAP:localhost:9092}
  group.id: automation-consumer
  topics: [incidents]
  format: bigpanda                 # how a message becomes an incident
  start_at: latest                 # latest | earliest | an ISO time: where a NEW group begins; stated, never guessed
  dead_letter_topic: incidents.dlq
  outcome_topic: incidents.outcomes   # optional: every decision and outcome as an event
store: sqlite:///automation.db     # or postgresql://…
secrets: {provider: env, prefix: AUTOMATION_SECRET_}   # or {provider: file, path: /run/secrets}
limits: {max_in_flight_incidents: 1000, worker_threads: 32}

connections:                       # named endpoints, shared by actions
  screwdriver: {url: https://api.screwdriver.example, auth_secret: sd-token}

actions:                           # defined once, used by name
  - name: rerun_coordinator
    type: screwdriver
    pipeline_id: 1089736
    job_name: oozie_remediation
    auth_secret: sd-token
    alert_parameters: [id]                      # fields of the alert
    alert_tag_parameters: [host, oozie_pipeline]  # tags of the alert
    extra_parameters: {source: automation}
    polling_interval: 30
    polling_timeout: 900
  - {name: no_outage, type: incident_slack, message: hi}
  - {name: tell_slack, type: alert_slack, message: "late on {{ host }}"}
  - {name: comment, type: slack, message: done}
  - {name: page_oncall, type: incident_slack, message: failed}

incident_conditions:
  - name: oozie_failures
    match:                         # on the incident
      status: critical                         # equals
      severity: [critical, warning]            # any of
      tags.property: {regex: ^grid}
      alert_count: {gte: 2}
      any: [{tags.team: data}, {tags.team: infra}]
      not: {tags.env: staging}
    alerts:                        # which alerts are handled; at least one must match
      tags.check: oozie_coord_late
    parallel_alert_processing: true
    max_concurrent_alerts: 4
    fail_fast: false               # true: after a failure start no further alerts; those running finish
    checks: [no_outage]            # once, before anything acts; a failed check stops the rest
    alert_actions: [rerun_coordinator, tell_slack]   # for each matching alert, in order
    incident_actions: [comment]    # once, after the alerts
    on_success: []
    on_failure: [page_oncall]
    continue: false
"""
ACTION = "  - {name: a, type: slack, message: hi}\n"
CONDITION = "incident_conditions:\n  - {name: c, alert_actions: [a]}\n"
MINIMAL = f"version: 1\nactions:\n{ACTION}{CONDITION}"


def test_the_documented_configuration_loads(check):
    loaded = check(DESIGN)
    assert loaded.problems == []
    config = loaded.config
    assert config is loaded.draft
    assert config.settings.kafka.client_settings()["bootstrap.servers"] == "localhost:9092"
    assert list(config.actions) == ["rerun_coordinator", "no_outage", "tell_slack", "comment", "page_oncall"]
    rerun = config.actions["rerun_coordinator"]
    assert rerun.params["pipeline_id"] == 1089736
    assert "name" not in rerun.params
    assert (rerun.place.line, rerun.place.column) == (18, 5)
    (condition,) = config.conditions
    assert condition.condition.max_concurrent_alerts == 4
    assert condition.condition.on_failure == ["page_oncall"]
    assert str(condition.place).endswith("config.yaml:34")
    assert config.settings.incident_conditions == [condition.condition]
    assert len(config.version) == 12


def test_the_place_of_any_part(check):
    loaded = check(DESIGN)
    file = loaded.draft.files[0]
    where = loaded.where
    assert where(("incident_conditions", 0, "match", "tags.property", "regex")) == Place(file, 38, 30)
    assert where(("incident_conditions", "oozie_failures", "alerts"), key=True) == Place(file, 42, 5)
    assert (
        where(("actions", 0, "job_name"))
        == where(("actions", "rerun_coordinator", "job_name"))
        == Place(file, 21, 15)
    )
    assert where(("connections", "screwdriver", "auth_secret")) == Place(file, 15, 68)
    assert where(("kafka", "topics", 0)) == Place(file, 5, 12)
    assert where(("actions", "nobody")) == where(("nothing",)) == Place(file)


def problem_cases():
    """(code, the text, what must be said), one for every code that loading can find."""
    condition = (
        "version: 1\nactions:\n" + ACTION + "incident_conditions:\n  - name: c\n    alert_actions: [a]\n    "
    )
    return [
        (Code.FILE_EMPTY, "# nothing\n", "1:1: error: the file is empty"),
        (Code.YAML_SYNTAX, "version: 1: 2\n", "1:11: error: not valid YAML: a ':' is not allowed here"),
        (Code.YAML_DUPLICATE_KEY, "version: 1\nversion: 1\n", "2:1: error: the key 'version' stands twice"),
        (Code.YAML_ALIAS, "version: *one\n", "1:10: error: no anchor &one"),
        (Code.YAML_DEPTH, "version: " + "[" * 200 + "]" * 200, "error: nested deeper than 100 levels"),
        (Code.MISSING_VARIABLE, "version: 1\nstore: x${DB}\n", "2:8: error: the environment variable DB is not set"),
        (Code.BAD_VARIABLE, "version: 1\nstore: ${1}\n", "2:8: error: '${' begins a variable"),
        (Code.UNKNOWN_KEY, "version: 1\nkafak: {}\n", "2:1: error: unknown key 'kafak' in the configuration (did you mean 'kafka'?)"),
        (Code.MISSING_KEY, "vars: {}\n", "1:1: error: the configuration needs 'version'"),
        (Code.WRONG_TYPE, "version: 1\nvars: []\n", "2:7: error: 'vars' must be a mapping, got a list"),
        (Code.INVALID_VALUE, "version: 2\n", "1:10: error: 'version' must be 1, got number 2"),
        (Code.UNKNOWN_TYPE, MINIMAL.replace("type: slack", "type: slak"), "3:21: error: no action type 'slak' is installed (did you mean 'slack'?)"),
        (Code.DUPLICATE_NAME, MINIMAL.replace(ACTION, ACTION * 2), "4:12: error: the action 'a' is defined twice (first at config.yaml:3)"),
        (Code.UNKNOWN_ACTION, MINIMAL.replace("[a]", "[a, b]"), "5:34: error: no action 'b' is defined, in 'alert_actions' of condition 'c'"),
        (Code.UNKNOWN_CONNECTION, MINIMAL.replace("hi", "hi, connection: x"), "3:53: error: no connection 'x' is defined, in action 'a'"),
        (Code.WRONG_SCOPE, MINIMAL.replace("slack", "incident_slack"), "5:31: error: the action 'a' is about the incident"),
        (Code.WRONG_SCOPE, MINIMAL.replace("slack", "alert_slack").replace("alert_actions", "on_success"), "5:28: error: the action 'a' is about an alert"),
        (Code.UNUSED_ACTION, MINIMAL.replace("[a]", "[]"), "3:5: warning: no condition uses the action 'a'"),
        (Code.UNKNOWN_KEY, condition + "match: {sevrity: x}", "unknown field 'sevrity' in 'match' of condition 'c' (did you mean 'severity'?)"),
        (Code.UNKNOWN_KEY, condition + "match: {team: x}", "unknown field 'team' in 'match' of condition 'c' (a tag is written tags.NAME)"),
        (Code.UNKNOWN_KEY, condition + "match: {not: {tags.t: {regx: x}}}", "unknown operator 'regx' in 'tags.t' of condition 'c' (did you mean 'regex'?)"),
        (Code.WRONG_TYPE, condition + "alerts: {host: }", "'host' must be a value, a list of values, or a mapping of operators, got nothing"),
        (Code.WRONG_TYPE, condition + "enabled: yes", "7:14: error: 'enabled' must be true or false, got text 'yes' (YAML 1.2"),
        (Code.WRONG_TYPE, condition + "max_concurrent_alerts: '4'", "must be a whole number, got text '4' (remove the quotes)"),
        (Code.INVALID_VALUE, condition + "max_concurrent_alerts: 4.0", "'max_concurrent_alerts': "),
        (Code.INVALID_VALUE, condition + "rerun: maybe", "7:12: error: 'rerun' does not fit ("),
    ]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "said"), problem_cases())
def test_every_problem_is_found_and_said(check, problems, code, text, said):
    found = problems(text)
    assert any(said in each for each in found), found
    assert {each.code for each in check(text).problems} == {code}


ACTIONS = "version: 1\nactions:\n  - name: a\n    type: script\n    "


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("comand: x", "5:5: error: unknown key 'comand' in action 'a' (did you mean 'command'?)"),
        ("command: x\n    script: y", "3:5: error: action 'a': give either 'command' or 'script'"),
        ("command: x\n    retry_count: -1", "6:18: error: 'retry_count' must be at least 0, got number -1"),
        ("command: x\n    retry_count: 101", "'retry_count': Input should be less than or equal to 100"),
        ("command: x\n    timeout: soon", "6:14: error: 'timeout' must be a duration such as 30s, 5m or 1h"),
        (
            "command: x\n    targets: [{hst: y}]",
            "6:16: error: unknown key 'hst' in 'targets[0]' of action 'a'",
        ),
        ("command: x\n    mode: [{port: z}]", "6:19: error: 'port' must be a whole number, got text 'z'"),
        ("command: x\n    mode: 5", "6:11: error: 'mode' must be a text or a list, got number 5"),
        (
            "command: x\n    on_unknown: retry",
            "6:17: error: 'on_unknown' must be one of escalate, fail, rerun; got text 'retry'",
        ),
        ("command: x\n    owner: ", "'owner' must be a text, got nothing"),
    ],
)
def test_what_is_wrong_with_an_action(problems, fields, said):
    assert any(said in each for each in problems(ACTIONS + fields + "\n")), problems(ACTIONS + fields + "\n")


def test_all_problems_come_at_once_and_in_order(check, problems):
    found = problems(
        {
            "b.yaml": "version: 1\nlimits: {worker_threads: 0}\nservice: {port: x}\n",
            "a.yaml": dedent("""\
                version: 1
                kafka: {topics: x, start_at: noon}
                secrets: {provider: file}
                actions:
                  - {name: a, type: slack, channel: ops, mesage: x}
                  - {name: b, type: slak}
                  - 5
                  - {name: 1x, type: slack, message: hi}
                incident_conditions:
                  - {name: c, alert_actions: [a, aa], checks: x, match: {zzz: 1}}
                """),
        }
    )
    assert [each.partition(" ")[0] for each in found] == [
        "a.yaml:2:17:",  # topics: not a list
        "a.yaml:2:30:",  # start_at: the model's own validator, although the schema has refused its neighbour
        "a.yaml:3:10:",  # provider without path
        "a.yaml:5:5:",  # needs message
        "a.yaml:5:37:",  # channel: the action's own validator
        "a.yaml:5:42:",  # mesage
        "a.yaml:6:5:",  # b is not used
        "a.yaml:6:21:",  # slak
        "a.yaml:7:5:",  # 5
        "a.yaml:8:5:",  # 1x is not used
        "a.yaml:8:12:",  # not a name
        "a.yaml:10:34:",  # aa
        "a.yaml:10:47:",  # checks
        "a.yaml:10:58:",  # zzz
        "b.yaml:2:26:",
        "b.yaml:3:17:",
    ], found


def test_the_draft_has_the_parts_that_are_fine(check):
    loaded = check(
        MINIMAL.replace(ACTION, "  - {name: bad, type: slack}\n" + ACTION).replace(
            "version: 1", "version: 1\nlimits: 5"
        )
    )
    assert loaded.config is None
    assert list(loaded.draft.actions) == ["a"]
    assert [spec.name for spec in loaded.draft.conditions] == ["c"]
    assert loaded.draft.settings.limits.worker_threads == 32
    assert loaded.where(("actions", 0)).line == 5
    assert loaded.where(("actions", 0)) == loaded.draft.actions["a"].place


def test_a_type_that_cannot_be_loaded_is_a_problem(tmp_path):
    from importlib.metadata import EntryPoint

    point = EntryPoint("gone", "automation_consumer.no_such_module:Gone", "automation_consumer.actions")
    file = tmp_path / "f.yaml"
    file.write_text("version: 1\nactions:\n  - {name: a, type: gone}\n" + CONDITION)
    (found,) = load([file], Registry({"gone": point}), {}).problems
    assert (found.code, found.line, found.column) == (Code.BROKEN_TYPE, 3, 21)
    assert "cannot be imported" in found.message


def test_a_missing_secret_is_a_problem_of_its_own_check(check, registry):
    text = DESIGN.replace("message: done", "message: $secret:greeting.").replace(
        "sqlite:///automation.db", "sqlite:///x"
    )
    loaded = check(text)
    store = SecretStore(Secrets(), {"AUTOMATION_SECRET_SD_TOKEN": "value"})
    (found,) = missing_secrets(loaded.config, registry, store, loaded.where)
    assert found.code == Code.MISSING_SECRET
    assert (found.line, found.column, found.path) == (30, 43, "actions.comment.message")
    assert "AUTOMATION_SECRET_GREETING" in found.message
    found = missing_secrets(loaded.config, registry, SecretStore(Secrets(), {}), None)
    assert [each.path for each in found] == [
        "actions.rerun_coordinator.auth_secret",
        "actions.comment.message",
        "connections.screwdriver.auth_secret",
    ]


def test_every_code_is_provoked_somewhere():
    here = {str(code) for code, _, _ in problem_cases()}
    elsewhere = {
        Code.FILE_UNREADABLE,  # test_reader, and the missing folder below
        Code.BROKEN_TYPE,
        Code.MISSING_SECRET,
        Code.NEEDS_RESTART,  # test_reload
        Code.DUPLICATE_SECTION,  # the two files below
    }
    assert here | {str(code) for code in elsewhere} == {str(code) for code in Code}


def test_a_problem_as_text_and_as_data():
    found = Problem("f.yaml", 3, 7, Severity.ERROR, Code.WRONG_TYPE, "actions[0].x", "no")
    assert str(found) == "f.yaml:3:7: error: no"
    assert found.as_dict() == {
        "file": "f.yaml",
        "line": 3,
        "column": 7,
        "severity": "error",
        "code": "wrong-type",
        "path": "actions[0].x",
        "message": "no",
    }
    assert type(found.as_dict()["code"]) is str
    assert (
        path_text(("incident_conditions", 3, "match", "tags.host", "regex"))
        == 'incident_conditions[3].match["tags.host"].regex'
    )


# Variables


def test_variables_are_typed_like_what_they_stand_for(check):
    text = MINIMAL + 'service: {port: "${PORT}"}\n'
    assert check(text.replace('"${PORT}"', "0")).config is not None
    text = MINIMAL + "service:\n  port: ${PORT:8080}\n  log_level: '${LEVEL}'\n"
    config = check(text, {"LEVEL": "debug", "PORT": "9000"}).config
    assert (config.settings.service.port, config.settings.service.log_level) == (9000, "debug")


def test_the_value_of_a_variable_is_not_shown(problems):
    found = problems(MINIMAL + "service:\n  port: ${TOKEN}\n", {"TOKEN": "hunter2"})
    assert found == ["config.yaml:7:9: error: 'port' must be a whole number, got '${TOKEN}'"]


def test_a_value_that_could_not_be_read_is_not_judged(problems):
    found = problems(MINIMAL + "service:\n  port: ${NOPE}\n")
    assert found == [
        "config.yaml:7:9: error: the environment variable NOPE is not set: set it, or write ${NOPE:default}"
    ]


# Options


def test_the_default_of_the_type_wins_over_the_common_one(check):
    own = check(ACTIONS + "command: x\n    on_unknown: rerun\n").draft.actions["a"]
    assert (own.common.timeout, own.common.retry_count) == (60.0, 2)
    assert own.common.on_unknown is OnUnknown.RERUN
    assert own.params == {"command": "x"}
    given = check(ACTIONS + "command: x\n    timeout: 5m\n    retry_count: 0\n").draft.actions["a"]
    assert (given.common.timeout, given.common.retry_count) == (300.0, 0)
    assert given.params == {"command": "x", "timeout": "5m", "retry_count": 0}


def test_a_template_is_not_judged_before_it_is_rendered(check, problems):
    text = MINIMAL.replace("message: hi", "message: hi, channel: 'CHANNEL'")
    assert check(text.replace("CHANNEL", "{{ tags.channel }}")).config is not None
    assert check(text.replace("CHANNEL", "$secret:channel")).config is not None
    assert problems(text.replace("CHANNEL", "ops")) == [
        "config.yaml:3:50: error: 'channel': a channel begins with '#'"
    ]


def test_a_slip_in_a_key_that_goes_to_librdkafka(problems):
    text = MINIMAL + "kafka: {topics: [t], session.timeout.ms: 6000, dead_leter_topic: x, acks: all}\n"
    (found,) = problems(text)
    assert "unknown key 'dead_leter_topic' in kafka (did you mean 'dead_letter_topic'?)" in found


# Files and folders

KAFKA = "version: 1\nkafka: {topics: [t]}\n"


def test_a_folder_is_one_configuration(check, tmp_path):
    loaded = check(
        {
            "20-team.yml": MINIMAL.replace("[a]", "[a, shared]"),
            "10-base.yaml": KAFKA + "connections: {slack: {}}\nvars: {x: 1}\n",
            "30/deep.yaml": "version: 1\nvars: {y: 2}\nactions:\n  - {name: shared, type: slack, message: hi, connection: slack}\n",
            ".hidden.yaml": "not: a configuration",
            "..data/20-team.yml": "not: a configuration",
            "notes.txt": "nothing",
        }
    )
    assert loaded.problems == []
    assert [file.removeprefix(f"{tmp_path}/") for file in loaded.config.files] == [
        "10-base.yaml",
        "20-team.yml",
        "30/deep.yaml",
    ]
    assert list(loaded.config.actions) == ["a", "shared"]
    assert loaded.config.settings.vars == {"x": 1, "y": 2}
    assert loaded.where(("actions", 1)).file.endswith("deep.yaml")
    assert loaded.where(("vars", "y")).file.endswith("deep.yaml")


def test_a_mounted_config_map_is_read_once(registry, tmp_path):
    version = tmp_path / "..2026_01_01"
    version.mkdir()
    (version / "a.yaml").write_text(MINIMAL)
    (tmp_path / "..data").symlink_to(version)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    loaded = load([tmp_path, tmp_path / "a.yaml"], registry, {})
    assert loaded.problems == []
    assert loaded.config.files == (str(tmp_path / "a.yaml"),)


def test_links_to_folders_are_followed_once(registry, tmp_path):
    team = tmp_path / "team"
    team.mkdir()
    (team / "a.yaml").write_text(MINIMAL)
    main = tmp_path / "main"
    main.mkdir()
    (main / "team").symlink_to(team)
    (team / "back").symlink_to(main)
    loaded = load([main], registry, {})
    assert loaded.config.files == (str(main / "team" / "a.yaml"),)


def test_what_clashes_between_files_names_the_other_place(problems):
    found = problems(
        {
            "a.yaml": KAFKA + "connections: {slack: {}}\nactions:\n" + ACTION + CONDITION,
            "b.yaml": KAFKA + "connections: {slack: {}}\nactions:\n" + ACTION + CONDITION,
        }
    )
    assert found == [
        "b.yaml:2:1: error: the section 'kafka' may stand in one file only (it stands at a.yaml:2)",
        "b.yaml:3:15: error: the connection 'slack' is defined twice (first at a.yaml:3)",
        "b.yaml:5:12: error: the action 'a' is defined twice (first at a.yaml:5)",
        "b.yaml:7:12: error: the condition 'c' is defined twice (first at a.yaml:7)",
    ]


def test_every_file_says_its_version(problems):
    assert problems({"a.yaml": MINIMAL, "b.yaml": "vars: {}\n"}) == [
        "b.yaml:1:1: error: the configuration needs 'version'"
    ]


def test_a_file_that_cannot_be_read_hides_what_it_defines(problems):
    found = problems({"a.yaml": MINIMAL.replace(ACTION, "  []\n"), "b.yaml": "version: [\n"})
    assert [each.partition(":")[0] for each in found] == ["b.yaml"]


def test_paths_that_are_not_there(check, registry, tmp_path):
    (tmp_path / "empty").mkdir()
    loaded = load([tmp_path / "gone.yaml", tmp_path / "empty"], registry, {})
    assert loaded.config is None
    assert {each.code for each in loaded.problems} == {Code.FILE_UNREADABLE, Code.FILE_EMPTY}


# Version


def test_the_version_is_of_the_content(check):
    version = check(MINIMAL).config.version
    assert (
        check(
            "# a comment\n" + MINIMAL.replace("name: a, type: slack", "type: slack, name: a")
        ).config.version
        == version
    )
    assert check(MINIMAL + "x-note: 1\n").config.version == version
    assert check(MINIMAL.replace("hi", "ho")).config.version != version
    variable = MINIMAL.replace("message: hi", "message: '${M:hi}'")
    assert check(variable).config.version == version
    assert check(variable, {"M": "ho"}).config.version != version


def test_an_action_that_another_action_names_is_used(problems):
    text = MINIMAL.replace(
        ACTION,
        ACTION.replace(" slack, message: hi", " script, command: x, then: b")
        + "  - {name: b, type: slack, message: hi}\n",
    )
    assert problems(text) == []


def test_garbage_collection_is_as_it_was(check):
    assert gc.isenabled()
    check(MINIMAL)
    assert gc.isenabled()
