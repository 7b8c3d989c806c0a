"""What an action type is. Plugin authors import from here, and from `automation_consumer.testing` in tests."""

from automation_consumer.errors import (
    ActionError,
    EffectUnknownError,
    LookupImpossibleError,
    PermanentError,
    TemporaryError,
)
from automation_consumer.model.outcome import Handle, Outcome
from automation_consumer.plugin.action import Action, Effect, RemoteJob, Scope, ShortAction
from automation_consumer.plugin.context import ActionContext
from automation_consumer.plugin.params import Duration, Escape, Params, SecretName
from automation_consumer.plugin.registry import Registry

__all__ = [
    "Action",
    "ActionContext",
    "ActionError",
    "Duration",
    "Effect",
    "EffectUnknownError",
    "Escape",
    "Handle",
    "LookupImpossibleError",
    "Outcome",
    "Params",
    "PermanentError",
    "Registry",
    "RemoteJob",
    "Scope",
    "SecretName",
    "ShortAction",
    "TemporaryError",
]
