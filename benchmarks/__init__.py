"""Measurements behind the numbers in the documentation; run them as ``python -m benchmarks``."""
