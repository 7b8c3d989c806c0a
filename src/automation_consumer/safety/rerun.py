"""Has this already been done for this alert? What succeeded is not done again, except as `rerun` says."""

from __future__ import annotations

from automation_consumer.config.settings import OnUnknown
from automation_consumer.model.run import Phase, Run, RunStatus
from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.plugin.params import parse_duration
from automation_consumer.safety.question import Question


class Rerun:
    name = "rerun"

    async def ask(self, question: Question) -> Verdict:
        if question.phase is Phase.CHECK:  # a check reads; its answer is only good for now
            return Verdict(Decision.ALLOW, self.name)
        decided = [run for run in question.earlier if run.status in (RunStatus.SUCCEEDED, RunStatus.UNKNOWN)]
        if not decided:
            return Verdict(Decision.ALLOW, self.name)
        last = decided[-1]
        if last.status is RunStatus.UNKNOWN:
            return self._after_unknown(question, last)
        return self._after_success(question, last)

    def _after_unknown(self, question: Question, last: Run) -> Verdict:
        if question.options.on_unknown is OnUnknown.RERUN:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(
            Decision.DENY,
            "unresolved",
            f"run {last.id} may have taken effect (it ended unknown); it is not repeated blindly",
            then=Then.FAIL,  # the alert is not mended
        )

    def _after_success(self, question: Question, last: Run) -> Verdict:
        rule = question.rerun
        if rule == "always":
            return Verdict(Decision.ALLOW, self.name)
        if rule == "on_change":
            if last.digest != question.digest:
                return Verdict(Decision.ALLOW, self.name)
            return Verdict(
                Decision.DENY, self.name, f"run {last.id} succeeded and the alert has not changed since"
            )
        if rule.startswith("after:"):
            wait_s = parse_duration(rule.removeprefix("after:"))
            left_s = (last.ended_at or question.now) + wait_s - question.now
            if left_s <= 0:
                return Verdict(Decision.ALLOW, self.name)
            return Verdict(
                Decision.DENY,
                self.name,
                f"run {last.id} succeeded; again in {left_s:.0f} s (`rerun: {rule}`)",
            )
        return Verdict(
            Decision.DENY,
            self.name,
            f"run {last.id} succeeded since the incident last became active (`rerun: never`)",
        )
