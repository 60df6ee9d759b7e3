"""The script behind benchmarks/notes/field.md: its tables hold what the benchmarks say."""

from benchmarks.controls.findings import Findings
from benchmarks.field import Cell, Gain, fill
from hiergeo.evaluation.benchmarks import measure
from hiergeo.testing.protocol_suite import Hashed


def test_a_table_has_values_intervals_baselines_and_paired_differences():
    findings = Findings("field", {"samples": 20})
    spaces, options = {"flat": "euclidean", "bent": "lorentz:-1"}, {"data": "demo"}
    cells = [Cell(head, Hashed(), space, options) for head, space in spaces.items()]
    fill(findings, "Words", "hyperlex", cells, ["spearman_angle"], [Gain("spearman_angle", "spearman_cosine")])
    value, gain = findings.tables["Words"]
    for head, space in spaces.items():
        found = measure(Hashed(), "hyperlex", space, data="demo", samples=20)
        assert str(value[head]).startswith(f"{found.metrics['spearman_angle']:.3f} (")
        difference = found.metrics["spearman_angle"] - found.metrics["spearman_cosine"]
        assert str(gain[head]).startswith(f"{difference:+.3f} (")
    assert "chance 0.000" in str(value["baselines"])
    assert "Words, bent" in "".join(findings.notes)
