"""Formats: how the bytes of one message become incidents. `build_format` makes the one that the config names."""

from automation_consumer.sources.formats.build import FORMATS, build_format
from automation_consumer.sources.formats.format import Format
from automation_consumer.sources.formats.reasons import Reason

__all__ = ["FORMATS", "Format", "Reason", "build_format"]
