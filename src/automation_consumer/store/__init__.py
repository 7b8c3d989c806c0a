"""The journal: what was decided and done, written before it is done."""
