"""A member of a consumer group that can be killed: `python -m tests.integration.member '{"settings": {...}, ...}'`.

It takes what comes and finishes it at once. What happens is told as JSON lines on stdout: its partitions with how many
messages it took, or why it was refused. It ends when its stdin does.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.integration.member_parts import Member

from automation_consumer.errors import UsageError


def tell(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main() -> None:
    asked: dict[str, Any] = json.loads(sys.argv[1])
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with TemporaryDirectory() as folder:
        member = Member(Path(folder), asked["settings"], asked["topic"], exclusive=asked["exclusive"])
        told = None
        try:
            while not ended.is_set():
                member.step()
                member.finish_all()
                state = sorted(number for _, number in member.source.assignment), len(member.works)
                if state != told:
                    told = state
                    tell({"partitions": state[0], "took": state[1]})
        except UsageError as error:
            tell({"refused": str(error)})
            return
        member.close()


if __name__ == "__main__":
    main()
