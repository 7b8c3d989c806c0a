"""`python -m tests.chaos NAME... [--short] [--seed N]`: break things on purpose and judge what became of the incidents.

`page` writes docs/reliability.md from the results. Exit code 1 when anything was lost, done twice or out of order.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback

from tests.chaos.page import write
from tests.chaos.results import Result, save
from tests.chaos.schedule import Scenario, played
from tests.chaos.servers import Servers
from tests.chaos.stage import CannotMountError, CannotPlayError, Stage

NAMES = (
    "kill_one_pod",
    "kill_replicas",
    "recovery",
    "takeover",
    "frozen",
    "suspended",
    "broker_away",
    "broker_restarted",
    "postgres_away",
    "target_faults",
    "names_fail",
    "clock_jumps",
    "no_descriptors",
    "disk_full",
    "soak",
)
AT_ONCE = 5  # in the short form: most of a scenario is waiting


class LeftOut(str):
    """Why a scenario cannot be played by this user; that is no fault of what is tested."""

    __slots__ = ()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Default: all of {', '.join(NAMES)}.")
    parser.add_argument("--short", action="store_true", help="The form that CI runs.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="Keep the results of the short form, too.")
    given = parser.parse_args()
    if given.names == ["page"]:
        write(NAMES)
        return
    names = given.names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    servers = Servers.of_environment()
    began = time.monotonic()
    bad = []

    def play(name: str) -> Result | str:
        return _play(name, servers, short=given.short, seed=given.seed)

    for name, result in played([_scenario(each) for each in names], play, AT_ONCE if given.short else 1):
        if not isinstance(result, LeftOut) and (isinstance(result, str) or not result.good):
            bad.append(name)
        if isinstance(result, Result) and (given.save or not given.short):
            save(result)
        tell(name, result)
    if given.save or not given.short:
        write(NAMES)
    print(f"{len(names)} scenarios in {time.monotonic() - began:.0f} s; broken: {', '.join(bad) or 'none'}")
    sys.exit(1 if bad else 0)


def _scenario(name: str) -> Scenario:
    setup = importlib.import_module(f"tests.chaos.scenarios.{name}").SETUP
    needs = {"kafka", "postgres"} if setup.on_postgres else {"kafka"}
    return Scenario(name, frozenset(needs) - setup.bears, setup.breaks, setup.long)


def _play(name: str, servers: Servers, *, short: bool, seed: int) -> Result | str:
    """What came of it, or why it could not be played."""
    scenario = importlib.import_module(f"tests.chaos.scenarios.{name}")
    try:
        with Stage(name, servers, scenario.SETUP, short=short, seed=seed) as stage:
            result: Result = scenario.play(stage)
    except CannotMountError as error:
        return LeftOut(error)
    except CannotPlayError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - one scenario's mistake must not end the others
        return traceback.format_exc()
    return result


def tell(name: str, result: Result | str) -> None:
    """For whoever watches."""
    if isinstance(result, str):
        print(f"NOT PLAYED: {name}: {result}", flush=True)
        return
    word = "good" if result.good else "BROKEN"
    print(
        f"{word}: {name}: {result.what}: {result.messages} messages, {result.runs} runs, {result.jobs} jobs; "
        f"lost {result.lost}, twice {result.twice}, out of order {result.disordered}; {result.seconds} s {result.facts}",
        flush=True,
    )
    for line in result.broken:
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
