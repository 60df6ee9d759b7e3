"""Two tasks of hypernymy to be proposed to mteb, and what ran them here: ``python -m benchmarks.mteb_tasks``."""
