"""`automation-consumer run` whose event loop stands still for some seconds whenever the process gets SIGUSR1.

`python tests/acceptance/stalled_run.py SECONDS [ARGUMENT...]`
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from automation_consumer.cli.main import main


def stand_still(number: int, frame: FrameType | None) -> None:
    """Handlers of Python run on the main thread, in the middle of what the event loop does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:  # a sleep would be cut short by the next signal on some systems
        time.sleep(0.05)


if __name__ == "__main__":
    seconds = float(sys.argv[1])
    signal.signal(signal.SIGUSR1, stand_still)
    sys.argv = ["automation-consumer", "run", *sys.argv[2:]]
    main()
