"""Actions that tell people or other systems, and change nothing."""
