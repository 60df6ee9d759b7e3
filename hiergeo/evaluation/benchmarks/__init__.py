"""The benchmarks of the field, each a task that gives numbers for any model in any space."""

from hiergeo.evaluation.benchmarks.benchmark import BENCHMARKS, Benchmark, Published, Run, benchmark_named, measure

__all__ = [
    "Benchmark",
    "Published",
    "measure",
]
