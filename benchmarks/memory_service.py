"""`automation-consumer run` with a journal in memory: what the service costs without writing anything down."""

from __future__ import annotations

import sys

from automation_consumer.cli.main import main
from automation_consumer.service import run
from automation_consumer.store.memory import MemoryJournal

if __name__ == "__main__":
    run.open_journal = lambda *arguments, **named: MemoryJournal()
    sys.argv = ["automation-consumer", *sys.argv[1:]]
    main()
