"""The tool that breaks the CUDA kernels: a race and a wrong result are caught, an equivalent mutant is not."""

from pathlib import Path

import pytest

mutants = pytest.importorskip(
    "tests.pairwise.simt.mutants", reason="builds need setuptools: pip install 'hiergeo[test]'"
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def verdict(name: str):
    (mutant,) = (mutant for mutant in mutants.MUTANTS if mutant.name == name)
    try:
        return mutants.verdict(mutant)
    except mutants.BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_of_every_mutant_is_there(mutant, tmp_path: Path) -> None:
    assert mutants.mutated(mutant, tmp_path).name == "csrc"


def test_the_table_is_long_enough() -> None:
    assert len({mutant.name for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS) >= 25


def test_a_race_is_caught() -> None:
    assert "race" in verdict("norms reused early").complaint


def test_a_wrong_result_is_caught() -> None:
    found = verdict("a shuffle from the wrong lane")
    assert "test_ladders" in found.complaint
    assert found.right


def test_an_equivalent_mutant_is_not() -> None:
    found = verdict("no barrier after a scan")
    assert found.right
    assert not found.complaint
