"""The breaks: which promise, what is changed in the code, and the test that has to notice."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING_LOST = "No incident is lost"
NOT_TWICE = "No remote job is started twice"
SECONDS = "A crash costs seconds"
ORDER = "Order where it matters"
NOT_BLOCKED = "A slow thing blocks nothing else"
DATA = "Alert text is data, never code"
SECRET = "Secrets stay secret"
BAD_CONFIG = "A bad config never runs"
PROMISES = (NOTHING_LOST, NOT_TWICE, SECONDS, ORDER, NOT_BLOCKED, DATA, SECRET, BAD_CONFIG)


@dataclass(frozen=True)
class Break:
    """`old` stands once in `file` (below `src/automation_consumer/`); with `new` in its place `test` fails."""

    promise: str
    what: str
    file: str
    old: str
    new: str
    test: str


BREAKS = (
    Break(
        NOTHING_LOST,
        "an offset is committed past a message that is not finished",
        "pipeline/commit.py",
        "        for offset in self._open:\n            return offset\n        return self._next",
        "        return self._next",
        "tests/unit/pipeline/test_intake.py::test_only_the_gap_free_run_is_committed",
    ),
    Break(
        NOTHING_LOST,
        "poison is finished before its dead letter is delivered",
        "pipeline/burial.py",
        "            self._producer.enqueue(self._topic, record.value, record.key, record.headers, delivered)",
        "            self._finish(taken)",
        "tests/unit/pipeline/test_burial.py::test_a_dead_letter_keeps_the_message_and_says_why_and_only_then_it_is_finished",
    ),
    Break(
        NOTHING_LOST,
        "a commit that the broker refused counts as done",
        "pipeline/intake.py",
        "        self.offsets.failed(partitions)",
        "        pass",
        "tests/unit/pipeline/test_intake.py::test_a_commit_that_the_broker_refused_is_due_again",
    ),
    Break(
        NOTHING_LOST,
        "what was not finished when a process died is not looked for",
        "service/recovery.py",
        "        messages = await self._journal.orphans(limit)",
        "        messages: list[object] = []",
        "tests/unit/pipeline/test_replicas.py::test_a_job_of_a_process_that_is_gone_is_followed_without_its_message",
    ),
    Break(
        NOT_TWICE,
        "after a crash a job is started without looking for it",
        "pipeline/attempt.py",
        "        if left_open is not None:\n            handle = await self._look_up(action)",
        "",
        "tests/unit/pipeline/test_resume.py::test_a_job_that_may_have_been_started_is_looked_up_and_adopted",
    ),
    Break(
        NOT_TWICE,
        "a lost answer is repeated without looking the job up",
        "pipeline/attempt.py",
        "            found = await self._look_up(action)\n            if found is None:",
        "            found = None\n            if found is None:",
        "tests/unit/pipeline/test_attempt_job.py::test_a_lost_answer_is_looked_up_and_the_job_adopted",
    ),
    Break(
        NOT_TWICE,
        "a run of another process is resumed without adopting it",
        "pipeline/runner.py",
        "        while found is not None and not found.ended and found.owner != journal.process:",
        "        while found is None:",
        "tests/unit/pipeline/test_replicas.py::test_a_message_that_comes_to_two_processes_is_acted_on_once",
    ),
    Break(
        NOT_TWICE,
        "a run that may be acting in a frozen process is adopted",
        "store/memory.py",
        " or (lease is Lease.LAPSED and now.status is RunStatus.RUNNING)",
        "",
        "tests/unit/pipeline/test_replicas.py::test_a_process_that_stands_still_may_still_act_so_nobody_starts_its_job_again",
    ),
    Break(
        NOT_TWICE,
        "a process acts although its lease is over",
        "pipeline/attempt.py",
        "        if not journal.may_act() or journal.term != self._term:",
        "        if journal.term != self._term:",
        "tests/unit/pipeline/test_replicas.py::test_without_its_lease_a_process_calls_nothing",
    ),
    Break(
        NOT_TWICE,
        "a process acts on an intent that it wrote before its lease ran out and came back",
        "pipeline/attempt.py",
        " or journal.term != self._term:",
        ":",
        "tests/unit/pipeline/test_replicas.py::test_an_intent_of_an_earlier_term_is_written_again_before_the_call",
    ),
    Break(
        NOT_TWICE,
        "a write does not name the fence (the statements of both databases)",
        "store/statements/runs.py",
        'WHERE id = ? AND fence = ? AND owner = ? AND {IS_OPEN}",\n        (*columns.values(), run.id, run.fence, process),',
        'WHERE id = ? AND {IS_OPEN}",\n        (*columns.values(), run.id),',
        "tests/contract/journal/test_processes.py::test_an_old_view_of_a_run_cannot_write_to_it[sqlite]",
    ),
    Break(
        NOT_TWICE,
        "a short action that may have acted is repeated blindly",
        "pipeline/attempt.py",
        "        if cut_off is not None and not repeatable:",
        "        if False:",
        "tests/unit/pipeline/test_resume.py::test_a_short_action_that_was_cut_off_may_have_acted",
    ),
    Break(
        NOT_TWICE,
        "what has succeeded is run again when the incident is sent again",
        "safety/rerun.py",
        "        if not decided:",
        "        if True:",
        "tests/unit/pipeline/test_runner.py::test_the_rerun_rules",
    ),
    Break(
        SECONDS,
        "a job that the journal knows is looked up and started anew instead of polled",
        "pipeline/attempt.py",
        "left_open.status is RunStatus.WAITING and",
        "False and",
        "tests/unit/pipeline/test_resume.py::test_a_job_that_is_known_is_polled_and_not_started",
    ),
    Break(
        SECONDS,
        "a retry begins from the first attempt after a restart",
        "pipeline/attempt.py",
        "            self.run = msgspec.structs.replace(self.run, attempt=self.run.attempt + 1)\n            self._resumed = None",
        "            self.run = msgspec.structs.replace(self.run, attempt=1)\n            self._resumed = None",
        "tests/unit/pipeline/test_resume.py::test_tries_before_the_restart_count",
    ),
    Break(
        SECONDS,
        "the message is not written beside its run",
        "store/memory.py",
        "            data.hold(message, self.process, run.created_at)",
        "            pass",
        "tests/unit/pipeline/test_parking.py::test_after_a_restart_it_is_due_when_it_was_due",
    ),
    Break(
        ORDER,
        "messages of one incident run side by side",
        "pipeline/lanes.py",
        "                await self._work(key, queue.popleft())",
        "                asyncio.ensure_future(self._work(key, queue.popleft()))\n                await asyncio.sleep(0)",
        "tests/unit/pipeline/test_flow.py::test_messages_of_one_incident_are_handled_in_order_and_others_beside_it",
    ),
    Break(
        ORDER,
        "an earlier message that another process has in hand is not waited for",
        "pipeline/flow.py",
        "        while await self._elsewhere.busy(work):",
        "        while False:",
        "tests/unit/pipeline/test_replicas.py::test_a_later_message_waits_for_the_earlier_one_of_another_process",
    ),
    Break(
        NOT_BLOCKED,
        "a job that is waited for keeps its slot",
        "pipeline/attempt.py",
        "            handle, left_s = await self._job(self._action)\n            return await self._follow(self._action, handle, left_s)",
        "            handle, left_s = await self._job(self._action)\n            async with self._engine.dispatcher.slots.turn(self._turn):\n                return await self._follow(self._action, handle, left_s)",
        "tests/unit/pipeline/test_runner.py::test_a_job_that_is_waited_for_holds_no_slot",
    ),
    Break(
        NOT_BLOCKED,
        "a long retry holds its partition",
        "pipeline/attempt.py",
        "            self._plan.progress.park()",
        "            pass",
        "tests/unit/pipeline/test_parking.py::test_its_offset_is_committed_and_the_intake_goes_on",
    ),
    Break(
        NOT_BLOCKED,
        "one noisy partition fills the intake for all",
        "pipeline/pressure.py",
        "        share = max(1, self._max // max(1, len(mine)))",
        "        share = self._max",
        "tests/unit/pipeline/test_intake_holds.py::test_a_noisy_partition_is_paused_alone",
    ),
    Break(
        NOT_BLOCKED,
        "an urgent severity keeps all others waiting for ever",
        "pipeline/fairness.py",
        "            if self._left[severity]:\n                return severity",
        "            return severity",
        "tests/unit/pipeline/test_fairness.py",
    ),
    Break(
        DATA,
        "a value enters a shell script unquoted",
        "config/template_sandbox.py",
        "    return Quoted.of(shlex.quote(text), Escaping.SHELL)",
        "    return Quoted.of(text, Escaping.SHELL)",
        "tests/unit/config/test_templates.py::test_a_shell_reads_back_every_value",
    ),
    Break(
        DATA,
        "a URL's host may come from a template",
        "actions/change/webhook.py",
        "        if isinstance(url, str) and not (_HOST.match(url) or _SECRET.fullmatch(url)):",
        "        if False:",
        "tests/unit/actions/change/test_webhook.py::test_an_accepted_url_goes_to_the_host_that_it_shows",
    ),
    Break(
        SECRET,
        "what an action says reaches the journal unmasked",
        "pipeline/record.py",
        "        return _printable(self._mask(text))[:REASON_LENGTH]",
        "        return _printable(text)[:REASON_LENGTH]",
        "tests/unit/pipeline/test_record.py::test_what_an_action_says_is_masked_and_bounded",
    ),
    Break(
        SECRET,
        "a newly named secret is unknown to the masker when its rules are used",
        "service/reload.py",
        "            learn_all(ruleset.config, ruleset.registry, self._secrets)\n            absent = absent_secrets(ruleset.config, ruleset.registry, self._secrets, checked.where)",
        "            absent: list[Problem] = []",
        "tests/unit/service/test_reload.py::test_a_secret_that_is_named_newly_is_masked_before_the_rules_are_used",
    ),
    Break(
        BAD_CONFIG,
        "a configuration with errors gives rules all the same",
        "service/rules.py",
        "    failed = any(each.severity is Severity.ERROR for each in problems)",
        "    failed = False",
        "tests/unit/service/test_rules.py::test_one_error_is_enough_whoever_found_it",
    ),
    Break(
        BAD_CONFIG,
        "a reload takes up what a running process cannot change",
        "service/reload.py",
        "            if errors or checked.ruleset is None:",
        "            if checked.ruleset is None:",
        "tests/unit/service/test_reload.py::test_what_cannot_change_in_a_running_process_is_refused_as_a_whole",
    ),
)
