"""The safety checks, one a file. Each answers allow, hold or deny, with a reason that people can read."""
