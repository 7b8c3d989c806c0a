"""Measures the numbers of docs/performance.md: `python -m benchmarks [NAME...]`."""
