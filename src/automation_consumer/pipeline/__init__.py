"""The road, one file per step: decode, match, gate, dispatch, record, commit. `flow.py` alone knows the order."""
