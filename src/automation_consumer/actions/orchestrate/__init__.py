"""Actions that combine or time others."""
