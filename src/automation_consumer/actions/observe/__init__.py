"""Actions that only read."""
