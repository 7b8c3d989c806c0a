"""The built-in action types, grouped by what they may touch: observe, notify, change, reason, orchestrate."""
