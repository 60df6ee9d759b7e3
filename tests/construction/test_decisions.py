"""Chains read by a person: the sample, the filled-in file, and the share accepted with its exact interval."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.construction import quality
from hiergeo.construction.decisions import read_decisions, write_sample
from hiergeo.datasets import Hierarchy, chains
from tests.construction.construction_common import chains_of

CHAINS = chains_of(
    *((f"animal => dog {n} => a dog, {n} of nine", f"plant => cat {n} => no dog {n}", n) for n in range(9)),
    ('animal => cat => a cat\u2028on a "chair"', None, 9),
)


TEXTS = frozenset(f"{side} {tier}" for side in ("tier", "negative") for tier in range(3))


def written(path: Path, chains: Hierarchy = CHAINS, count: int = 10, seed: int = 0) -> list[dict[str, str]]:
    write_sample(path, chains, count, seed)
    return records(path)


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        return list(csv.DictReader(handle))


def filled(path: Path, decisions: dict[str, str], **changed: str) -> Path:
    """The file with these decisions by id; `changed` columns of every row that has one."""
    rows = [
        row | {"decision": decisions[row["id"]], **changed} if row["id"] in decisions else row for row in records(path)
    ]
    with path.open("w", newline="", encoding="utf-8-sig") as handle:  # as spreadsheets write
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_row_holds_what_a_person_reads(tmp_path: Path) -> None:
    rows = written(tmp_path / "read.csv")
    texts = [f"{side} {tier}" for side in ("tier", "negative") for tier in range(3)]
    assert list(rows[0]) == ["id", *texts, "decision", "comment"]
    assert sorted(int(row["id"]) for row in rows) == list(range(10))
    held = {row["id"]: row for row in rows}
    assert [held["4"][name] for name in texts[2:4]] == ["a dog, 4 of nine", "plant"]
    assert [held["9"][name] for name in texts[2:]] == ['a cat on a "chair"', "", "", ""]
    assert {row["decision"] + row["comment"] for row in rows} == {""}


def test_a_seed_draws_one_order_of_which_samples_are_the_beginning(tmp_path: Path) -> None:
    small, large, other = (
        [row["id"] for row in written(tmp_path / f"{count}-{seed}.csv", count=count, seed=seed)]
        for count, seed in ((4, 0), (1000, 0), (1000, 1))
    )
    assert small == large[:4]
    assert large != other
    assert sorted(large) == sorted(other)


def test_decisions_come_back_with_a_hand_worked_interval(tmp_path: Path) -> None:
    """Three of three: the lower end is 0.025^(1/3). Two of five: by scipy."""
    path = tmp_path / "read.csv"
    written(path)
    decisions = read_decisions(
        filled(path, {"0": "accept", "3": " Accept ", "7": "ACCEPT"}, comment="odd, but true"), CHAINS
    )
    assert decisions == dict.fromkeys((0, 3, 7), frozenset())
    measured = quality(CHAINS, decisions=decisions)
    assert (measured.metrics["accepted"], measured.metrics["steps_accepted"]) == (1, 1)
    assert measured.settings["chains_read"] == 3
    assert measured.intervals["accepted"] == pytest.approx((0.025 ** (1 / 3), 1))
    decisions = read_decisions(filled(path, {"7": "Negative 2; tier 1", "8": "reject", "9": "reject"}), CHAINS)
    assert decisions[7] == {"negative 2", "tier 1"}
    assert (decisions[8], decisions[9]) == (TEXTS, frozenset(["tier 0", "tier 1", "tier 2"]))
    measured = quality(CHAINS, decisions=decisions)
    exact = stats.binomtest(2, 5).proportion_ci(method="exact")
    assert (measured.metrics["accepted"], measured.settings["chains_read"]) == (2 / 5, 5)
    assert measured.intervals["accepted"] == pytest.approx((exact.low, exact.high))
    # five steps of a chain with negatives, two of one without: the captions are no steps
    assert measured.metrics["steps_accepted"] == pytest.approx((5 + 5 + 3 + 0 + 0) / (4 * 5 + 2))


@given(st.dictionaries(st.integers(0, 8), st.frozensets(st.sampled_from(sorted(TEXTS))), min_size=1))
def test_whatever_is_decided_comes_back(
    tmp_path_factory: pytest.TempPathFactory, decisions: dict[int, frozenset[str]]
) -> None:
    path = tmp_path_factory.mktemp("read") / "read.csv"
    written(path)
    words = {str(row): ", ".join(wrong) or "accept" for row, wrong in decisions.items()}
    assert read_decisions(filled(path, words), CHAINS) == decisions


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"decision": "maybe"}, r"data row 2 .*column decision.*'maybe'"),
        ({"decision": "tier 1, tier 3"}, r"data row 2 .*column decision.*'tier 1, tier 3'"),
        ({"id": "17"}, r"data row 2 .*column id.*'17'"),
        ({"tier 1": "horse"}, r"data row 2 .*differ"),
        ({"negative 2": "horse"}, r"data row 2 .*differ"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, changed: dict[str, str], named: str) -> None:
    path = tmp_path / "read.csv"
    third = written(path)[2]["id"]
    filled(path, {third: "accept"}, **changed)
    with pytest.raises(InputError, match=named):
        read_decisions(path, CHAINS)


def test_a_file_that_cannot_be_read_back(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="--sample"):
        read_decisions(tmp_path / "read.csv", CHAINS)
    written(tmp_path / "read.csv")
    with pytest.raises(InputError, match="no decision"):
        read_decisions(tmp_path / "read.csv", CHAINS)


def test_a_file_that_may_hold_decisions_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "read.csv"
    written(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"read\.csv"):
        write_sample(path, CHAINS, 3)
    assert path.read_bytes() == before


def test_the_verb_draws_reports_and_filters(run: Any, tmp_path: Path) -> None:
    source, path, kept = tmp_path / "chains.csv", tmp_path / "read.csv", tmp_path / "kept.csv"
    lines = [f"a => a dog {n},b => a cat {n},http://x/{n}.jpg\n" for n in range(6)]
    source.write_text("".join(["positive,negative,image_url\n", *lines]))
    verb = ("chains", "quality", source)
    assert run(*verb, "--sample", 4)[0] == 2
    assert run(*verb, "--kept", kept)[0] == 2
    code, printed, _ = run(*verb, "--sample", 4, "--csv", path)
    assert code == 0
    assert str(path) in printed
    rows = records(path)
    assert len(rows) == 4
    filled(path, {rows[0]["id"]: "accept", rows[1]["id"]: "reject", rows[2]["id"]: "accept"})
    code, printed, _ = run(*verb, "--csv", path, "--json", tmp_path / "q.json", "--kept", kept)
    assert code == 0
    assert "read 3 of 6 chains" in " ".join(printed.split())
    held = json.loads((tmp_path / "q.json").read_text())
    exact = stats.binomtest(2, 3).proportion_ci(method="exact")
    assert held["metrics"]["accepted"] == pytest.approx(2 / 3)
    assert held["intervals"]["accepted"] == pytest.approx((exact.low, exact.high))
    assert held["settings"]["chains_read"] == 3
    right = sorted(int(rows[place]["id"]) for place in (0, 2))
    assert [chain.image for chain in chains.read(kept)] == [f"http://x/{number}.jpg" for number in right]
