"""The Screwdriver session token (a JWT): exchanged for an API token, kept until shortly before it expires."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import orjson

from automation_consumer.clock import Clock
from automation_consumer.errors import AutomationError

REFRESH_BEFORE_S = 300.0
LIFETIME_WITHOUT_EXP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """A JWT and when it is to be replaced, on the monotonic clock."""

    jwt: str
    refresh_at: float


class SessionTokens:
    """Hands out the JWT, with one exchange at a time however many threads ask. `exchange` may block and may raise."""

    def __init__(self, exchange: Callable[[], str], clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._pending: Future[str] | None = None

    def get(self, refused: str | None = None) -> str:
        """The JWT. With `refused`, another one than that: the server no longer takes it."""
        with self._lock:
            session = self._session
            if session and session.jwt != refused and self._clock.monotonic() < session.refresh_at:
                return session.jwt
            pending, mine = self._pending, self._pending is None
            if pending is None:
                pending = self._pending = Future()
        if mine:
            self._renew(pending)
        return pending.result()

    def _renew(self, pending: Future[str]) -> None:
        """Exchange, and give the result or the error to every thread that waits on `pending`."""
        try:
            jwt = self._exchange()
            session = Session(jwt, self._clock.monotonic() + usable_s(jwt, self._clock.now()))
            with self._lock:
                self._session = session
            pending.set_result(jwt)
        except AutomationError as error:
            pending.set_exception(error)
        finally:
            with self._lock:
                self._pending = None
            if not pending.done():
                pending.cancel()  # whatever else went wrong, nobody waits for ever


def usable_s(jwt: str, now: float) -> float:
    """For how long to use a JWT: its lifetime but the last five minutes, or half of a shorter one.

    The lifetime is `exp - iat`, which needs no agreement of two clocks; without `iat`, `exp` counts from
    `now`; without `exp` it is an hour. The signature is the server's business.
    """
    claims = _claims(jwt)
    exp, iat = claims.get("exp"), claims.get("iat")
    lifetime_s = LIFETIME_WITHOUT_EXP_S
    if exp is not None:
        lifetime_s = max(exp - (now if iat is None else iat), 0.0)
    return lifetime_s - min(REFRESH_BEFORE_S, lifetime_s / 2)


def _claims(jwt: str) -> dict[str, float]:
    """The numeric claims; {} when it is not a JWT (then the server's 401 tells when it has expired)."""
    try:
        payload = jwt.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    if not isinstance(claims, dict):
        return {}
    return {
        name: float(value)
        for name, value in claims.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
