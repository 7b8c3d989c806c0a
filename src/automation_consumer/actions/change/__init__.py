"""Actions that change systems."""
