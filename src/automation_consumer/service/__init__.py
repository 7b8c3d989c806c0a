"""The process: composition root, start and stop, recovery, health."""
