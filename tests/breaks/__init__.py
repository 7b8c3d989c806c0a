"""Proof that the tests of the promises can fail: the code is broken on purpose, and a named test has to turn red."""
