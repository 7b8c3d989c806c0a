"""Is the incident too old to act on?"""

from __future__ import annotations

from automation_consumer.model.verdict import Decision, Then, Verdict
from automation_consumer.safety.question import Question

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


class Stale:
    """Denies what is decided only when the incident is older than `max_age`: after a long outage, or in a replayed topic."""

    name = "stale"

    async def ask(self, question: Question) -> Verdict:
        age_s, max_age_s = question.age_s, question.max_age_s
        if age_s is None or max_age_s is None or age_s <= max_age_s:
            return Verdict(Decision.ALLOW, self.name)
        return Verdict(
            Decision.DENY,
            self.name,
            f"the incident is {_duration(age_s)} old, more than `max_age` ({_duration(max_age_s)})",
            then=Then.STOP,
        )


def _duration(seconds: float) -> str:
    """For people: `90 s`, `2.5 h`."""
    for unit_s, name in _UNITS:
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.1f} {name}".replace(".0 ", " ")
    return f"{seconds:.0f} s"
