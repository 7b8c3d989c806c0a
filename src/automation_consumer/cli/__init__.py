"""A human at a terminal: one file per command."""
