"""`new-action`: a plugin package with code, test and docs to start from."""

from automation_consumer.cli.new_action.command import new_action

__all__ = ["new_action"]
