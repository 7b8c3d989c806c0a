"""A new configuration in a running process: on SIGHUP, or when its files have changed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from typing import Final

from automation_consumer.clock import Clock
from automation_consumer.config.problems import Code, Problem, Severity, problem
from automation_consumer.config.secrets import SecretStore, absent_secrets, learn_all
from automation_consumer.logs import get_logger
from automation_consumer.metrics import Metrics, ReloadResult
from automation_consumer.pipeline.ruleset import Ruleset
from automation_consumer.service.config_files import ConfigFiles, fingerprint
from automation_consumer.service.fixed import changed_for_good
from automation_consumer.service.rules import Checked

_log = get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
LOGGED: Final = 50  # problems of one refusal; a folder that is gone would fill the disk with them


class CurrentRules:
    """The ruleset that new messages get. Any thread may read it; work that has begun keeps the one it got."""

    def __init__(self, first: Ruleset) -> None:
        self.current = first

    def get(self) -> Ruleset:
        return self.current

    def stall_after_s(self) -> float:
        return self.current.config.settings.service.stall_after

    def retention_s(self) -> float:
        return self.current.config.settings.store_retention


def note_use(ruleset: Ruleset, metrics: Metrics, clock: Clock) -> None:
    """The metrics that say which configuration is in use, and since when."""
    metrics.config.info({"version": ruleset.config.version})
    metrics.config_loaded_at.set(clock.now())


class Reloader:
    """Checks a changed configuration in a thread of its own, and puts it in use only as a whole.

    `check` reads and checks the files; `adopted` is called with the ruleset before and the one that is in use now. What
    is wrong with the files, or cannot change in a running process, is logged and remembered in `error`; the last good
    configuration stays in use. To be made while `rules` still has what the files say; the Kafka section that is really
    used (embedded broker, dry run) may then be put in, and stays.
    """

    def __init__(
        self,
        files: ConfigFiles,
        rules: CurrentRules,
        check: Callable[[], Checked],
        secrets: SecretStore,
        metrics: Metrics,
        clock: Clock,
        *,
        adopted: Callable[[Ruleset, Ruleset], None] = lambda before, after: None,
        mode: str = "auto",
    ) -> None:
        self._files = files
        self._rules = rules
        self._check = check
        self._secrets = secrets
        self._metrics = metrics
        self._clock = clock
        self._adopted = adopted
        self._mode = mode
        self._running = rules.current.config.settings
        self._known = files.seen  # of what was read last
        self._pending = files.seen  # of the last look
        self._asked = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="reload", daemon=True)
        self.error: str | None = None
        """Why the files as they are now are not in use: the first problem, and how many there are."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no longer. Does not wait for a check that is under way; it changes nothing any more."""
        self._ended = True
        self._asked.set()

    def request(self) -> None:
        """Read the configuration again, changed or not. Any thread; does not wait."""
        self._asked.set()

    def _work(self) -> None:
        every_s = LOOK_EVERY_S if self._mode == "auto" else None
        while True:
            asked = self._asked.wait(every_s)
            if self._ended:
                return
            if not asked:
                self.look()
            elif self._mode == "off":
                self._asked.clear()
                _log.warning(
                    "SIGHUP is ignored: service.reload is off; restart the process", event="config.ignored"
                )
            else:
                self._asked.clear()
                self.reload("SIGHUP")

    def look(self) -> None:
        """Reload when the files have changed and look the same twice in a row: a file may be half written."""
        now = fingerprint(self._files.paths)
        settled, self._pending = now == self._pending, now
        if settled and now != self._known:
            self.reload("its files have changed")

    def reload(self, why: str) -> bool:
        """Whether the configuration as it stands in the files is in use now. Blocks on the disk."""
        self._known = self._pending = fingerprint(self._files.paths)  # first: what changes now is seen later
        try:
            checked = self._check()
            errors = [each for each in checked.problems if each.severity is Severity.ERROR]
            if checked.ruleset is not None:
                errors += self._fixed(checked, checked.ruleset)
            if errors or checked.ruleset is None:
                return self._refuse(why, errors)
            ruleset = self._with_kafka(checked.ruleset)
            learn_all(ruleset.config, ruleset.registry, self._secrets)
            absent = absent_secrets(ruleset.config, ruleset.registry, self._secrets, checked.where)
        except Exception as error:  # noqa: BLE001 - the supervisor of the thread: a plugin's schema may raise anything
            _log.exception("the configuration cannot be checked", event="config.bug")
            return self._refuse(why, [], f"{type(error).__name__}: {error}")
        for each in (*checked.problems, *absent):
            _log.warning("%s", each, event="config.warning", file=each.file, line=each.line, code=each.code)
        self._use(ruleset, why)
        _settle_memory()
        return True

    def _fixed(self, checked: Checked, ruleset: Ruleset) -> list[Problem]:
        """What would be a valid configuration, but for another process."""
        return [
            problem(
                checked.where(path),
                Code.NEEDS_RESTART,
                f"{'.'.join(path)} cannot change while the process runs; restart it to use the new configuration",
                path=path,
            )
            for path in changed_for_good(self._running, ruleset.config.settings)
        ]

    def _with_kafka(self, ruleset: Ruleset) -> Ruleset:
        kafka = self._rules.current.config.settings.kafka
        return ruleset if kafka is None else ruleset.with_kafka(kafka)

    def _use(self, ruleset: Ruleset, why: str) -> None:
        before, self._rules.current = self._rules.current, ruleset
        self.error = None
        note_use(ruleset, self._metrics, self._clock)
        self._metrics.config_reloads.labels(ReloadResult.OK).inc()
        self._adopted(before, ruleset)
        old, new = before.config.version, ruleset.config.version
        _log.info(
            "config %s is in use (%s)",
            f"{new} as before" if new == old else f"{new} after {old}",
            why,
            event="config.reloaded",
            version=new,
            conditions=len(ruleset.conditions),
        )

    def _refuse(self, why: str, errors: Sequence[Problem], bug: str = "") -> bool:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        first = str(errors[0]) if errors else bug
        self.error = self._secrets.masker.mask(first + more)
        self._metrics.config_reloads.labels(ReloadResult.REFUSED).inc()
        for each in errors[:LOGGED]:
            _log.error(
                "%s", each, event="config.problem", file=each.file, line=each.line, code=str(each.code)
            )
        _log.error(
            "the new configuration is refused (%s), %s; %s stays in use",
            why,
            f"{len(errors)} errors" if len(errors) > 1 else "1 error",
            self._rules.current.config.version,
            event="config.refused",
            version=self._rules.current.config.version,
        )
        return False


def _settle_memory() -> None:
    """Let go of the configuration before, and keep the collector from looking at the new one again and again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
