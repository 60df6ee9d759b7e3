"""The tool that breaks the package: what it samples, which tests meet a mutant, and when it is content."""

from pathlib import Path

import pytest

tool = pytest.importorskip(
    "tests.tools.mutation.__main__", reason="needs Cosmic Ray, coverage and tomllib: pip install 'hiergeo[dev]'"
)
coverage = pytest.importorskip("coverage")
work = pytest.importorskip("cosmic_ray.work_item")
Mutant, sample = tool.Mutant, tool.sample

SOURCE = """
LIMIT = 3


def clip(value, *, low=0):
    if value < low:
        return low
    return value - 1 if value > LIMIT else value * 2
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for room in tool.ROOMS.values():
        (tmp_path / "hiergeo" / room).mkdir(parents=True)
    (tmp_path / "hiergeo" / "evaluation" / "metrics" / "clip.py").write_text(SOURCE)
    return tmp_path


def test_mutants_stand_on_lines_of_their_own_and_compile(tree: Path) -> None:
    mutants = sample(tree, 100)
    assert {mutant.line[1] for mutant in mutants} == {2, 5, 6, 8}
    assert len({mutant.line for mutant in mutants}) == len(mutants)


def test_a_changed_line_changes_no_other_choice(tree: Path) -> None:
    before = {mutant.key for mutant in sample(tree, 100)}
    path = tree / "hiergeo" / "evaluation" / "metrics" / "clip.py"
    path.write_text(path.read_text().replace("LIMIT = 3", "LIMIT = 4"))
    after = {mutant.key for mutant in sample(tree, 100)}
    assert {key for key in before ^ after if "LIMIT =" not in key} == set()
    assert before != after


def test_a_mutant_meets_the_tests_of_its_line_the_nearest_first(tree: Path) -> None:
    path = tree / "hiergeo" / "evaluation" / "metrics" / "clip.py"
    data = coverage.CoverageData(str(tree / "coverage"))
    for name, lines in (
        ("test_other.py::slow", [6, 8]),
        ("test_other.py::quick", [6, 8]),
        ("test_clip.py::low", [6, 7]),
    ):
        data.set_context(f"tests/{name}|run")
        data.add_lines({str(path): lines})
    data.write()
    seconds = {"tests/test_other.py::slow": 9.0, "tests/test_other.py::quick": 1.0, "tests/test_clip.py::low": 2.0}
    reach = tool.Reach(tree, data, seconds)
    met = {mutant.line[1]: reach.tests(mutant) for mutant in sample(tree, 100)}
    low, quick, slow = sorted(seconds)
    assert met[8] == [quick, slow]
    assert met[6] == [low, quick, slow]
    assert met[2] == [low, quick, slow]


@pytest.mark.parametrize(("killed", "reasons", "code"), [(9, 1, 0), (9, 0, 1), (8, 2, 1)])
def test_it_is_content_with_enough_dead_and_every_survivor_explained(
    tree: Path, monkeypatch: pytest.MonkeyPatch, killed: int, reasons: int, code: int
) -> None:
    (model,) = [mutant for mutant in sample(tree, 100) if mutant.line[1] == 6]
    mutants = [Mutant(model.room, model.spec, model.text, number) for number in range(10)]
    verdicts = [work.TestOutcome.KILLED] * killed + [work.TestOutcome.SURVIVED] * (10 - killed)
    results = [
        (mutant, work.WorkResult(work.WorkerOutcome.NORMAL, test_outcome=verdict))
        for mutant, verdict in zip(mutants, verdicts, strict=True)
    ]
    lines = [f"'{mutant.key}' = 'equivalent'" for mutant in mutants[killed : killed + reasons]]
    monkeypatch.setattr(tool, "REASONS", tree / "survivors.toml")
    tool.REASONS.write_text("\n".join(lines))
    assert tool.report(results) == code
