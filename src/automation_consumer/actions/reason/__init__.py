"""Actions that ask a model."""
