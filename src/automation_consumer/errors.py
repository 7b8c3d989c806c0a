"""The one error tree. Every error that leaves a room of this package is an `AutomationError`.

Three of them decide what the engine does with a failed call, so clients raise exactly these:

* `TemporaryError`: nothing happened out there, and a later try may succeed.
* `PermanentError`: nothing happened, and a later try would fail the same way.
* `EffectUnknownError`: the call may or may not have taken effect; it is looked up, never blindly repeated.
"""

from __future__ import annotations


class AutomationError(Exception):
    """Root of the tree. `str()` says what happened; `hint`, where there is one, says what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UsageError(AutomationError):
    """The command line or the API was used in a way that cannot work."""


class ConfigError(AutomationError):
    """The configuration is invalid; the message lists every problem found."""


class SecretError(AutomationError):
    """A secret is not there, or cannot be read. The message never has the secret's value."""


class TemplateError(AutomationError):
    """A template does not parse, or cannot be rendered with this incident."""


class DecodeError(AutomationError):
    """A message is poison: it can never become an incident. `reason` is a stable, short code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BrokerError(AutomationError):
    """Kafka cannot be reached, or refuses what we ask."""


class StoreError(AutomationError):
    """The journal cannot be read or written."""


class FencedError(StoreError):
    """Another process has taken this run over; whatever we wanted to write about it is void."""


class PluginError(AutomationError):
    """An action type does not keep the plugin contract, or is not installed."""


class MissingExtraError(PluginError):
    """An optional dependency is not installed; the message has the install line."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs an optional dependency that is not installed",
            hint=f"pip install 'automation-consumer[{extra}]'",
        )


class ActionError(AutomationError):
    """An action did not succeed. Actions and clients raise one of its three children."""


class TemporaryError(ActionError):
    """Nothing happened; worth another try, after `retry_after_s` seconds where the system said so."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class ThrottledError(TemporaryError):
    """Our own client holds the call back to keep a rate limit: it was never sent. Come again after `retry_after_s`."""


class PermanentError(ActionError):
    """Nothing happened, and trying again would end the same way (rights, bad request, not found)."""


class EffectUnknownError(ActionError):
    """The call may have taken effect (timed out or broken after it was sent)."""


class LookupImpossibleError(ActionError):
    """`find` cannot ask this system whether a job with our marker exists."""
