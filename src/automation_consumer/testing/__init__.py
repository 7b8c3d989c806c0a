"""For authors of action types: test with what this package tests itself with.

`FakeClock` is time that only the test moves, `MemoryJournal` a journal without a file, `an_incident` a ready incident,
and `run_action` takes an action through the real engine: gate, templates, retries, time-out, look-up, journal.
For scripted HTTP use `responses` (https://pypi.org/project/responses/): the clients stand on `requests`.
"""

from automation_consumer.store.memory import MemoryJournal
from automation_consumer.testing.clock import FakeClock
from automation_consumer.testing.incidents import an_alert, an_incident
from automation_consumer.testing.run import Ran, run_action

__all__ = ["FakeClock", "MemoryJournal", "Ran", "an_alert", "an_incident", "run_action"]
