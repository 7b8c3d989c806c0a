"""The secrets of a configuration, as this process finds them."""

from __future__ import annotations

import os

from automation_consumer.config.secrets import SecretStore
from automation_consumer.config.settings import Config


def secret_store(config: Config) -> SecretStore:
    """The store that the config names."""
    return SecretStore(config.settings.secrets, os.environ)
