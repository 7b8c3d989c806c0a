"""One typed client per outside system. Clients know no action; their errors are the three of `errors.py`."""
