"""Reviews: decisions that are never lost, edits that are checked, agreement, and what is exported."""

import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.locks import HeldError
from hiergeo.cli.review import tell
from hiergeo.construction.card import read_card, write_card
from hiergeo.construction.drafts import Draft
from hiergeo.construction.leakage import Leakage
from hiergeo.construction.shards import Work
from hiergeo.datasets import chains
from hiergeo.report import review
from hiergeo.report.review.decisions import FILE
from hiergeo.report.review.desk import Desk, StaleError, version_of
from hiergeo.report.review.export import Agreement, Reviewed, cohen_kappa, export, summary
from tests.report.review.review_common import ROWS, built
from tests.search.serving.serving_common import WAYS_TO_SERVE, visited


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(tmp_path / "set")


def accept(desk: Desk, row: int, name: str = "Anna", kind: str = "accept", reason: str = "") -> None:
    desk.decide(row, desk.standing(row).version, name, kind, reason)


def states(folder: Path) -> list[str]:
    return [each.state for each in Desk(folder).standings()]


def test_decisions_outlast_the_desk(folder):
    desk = Desk(folder)
    accept(desk, 0)
    accept(desk, 1, kind="reject", reason="odd language")
    again = Desk(folder)
    assert states(folder) == ["accept", "reject", "undecided"]
    assert again.standing(1).last == desk.standing(1).last
    assert again.doubts() == [1, 0, 2]


def test_the_last_decision_counts_and_can_be_undone(folder):
    desk = Desk(folder)
    accept(desk, 0)
    accept(desk, 0, "Ben", "reject")
    assert desk.standing(0).state == "reject"
    accept(desk, 1, "Anna")
    undone = desk.undo("Ben")
    assert undone is not None
    assert (undone.row, undone.kind) == (0, "reject")
    assert states(folder) == ["accept", "accept", "undecided"]
    assert desk.undo("Ben") is None
    assert [desk.undo("Anna").row, desk.undo("Anna").row, desk.undo("Anna")] == [1, 0, None]
    assert states(folder) == ["undecided"] * 3


def test_an_edit_is_a_new_version_that_nobody_has_decided_on(folder):
    desk = Desk(folder)
    accept(desk, 0)
    stale = desk.standing(0).version
    now, warnings = desk.edit(0, stale, "Ben", ("animal", " brown   dog ", "wet"), ROWS[0].negative)
    assert now.chain.positive == ("animal", "brown dog", "wet")
    assert (now.state, now.editor, now.verdicts) == ("edited", "Ben", {})
    assert warnings == ["the positive text of tier 2 has fewer words than that of tier 1"]
    with pytest.raises(StaleError, match="Ben"):
        desk.decide(0, stale, "Anna", "accept")
    accept(desk, 0, kind="reject")
    assert states(folder)[0] == "reject"
    desk.undo("Ben")
    assert Desk(folder).standing(0).chain == ROWS[0]
    assert states(folder)[0] == "accept"  # of Anna, on the texts as they were built


def test_of_equal_scores_those_come_first_of_which_more_was_refused(folder):
    notes = {10: [{"stage": "check_entailment", "candidate": 0}], 12: [{"stage": "complete", "filled": [[0, 1]]}]}
    notes[11] = [{"stage": "check_entailment", "candidate": 2}]
    drafts = [
        Draft(row.row, row.positive[-1], row.image, row.positive, row.negative, (0.98,), (0.98,), notes=notes[row.row])
        for row in ROWS
    ]
    Work(folder).write("filter", 0, "0" * 64, drafts, {})
    assert Desk(folder).doubts() == [2, 0, 1]


@pytest.mark.parametrize(
    ("positive", "negative", "told"),
    [
        (("a", "b"), ROWS[0].negative, "as many"),
        (ROWS[0].positive, None, "as many"),
        (("a", "", "c"), ROWS[0].negative, "tier 1 is empty"),
        (("a", "x => y", "c"), ROWS[0].negative, "=>"),
        (("a", "A", "c"), ROWS[0].negative, "tier 1 repeats"),
        (("a", "b", "a dry DOG"), ROWS[0].negative, "tier 2 is its positive"),
        (("a", "b", "c" * 1001), ROWS[0].negative, "too long"),
        (("a", "b\0", "c"), ROWS[0].negative, "null"),
    ],
)
def test_edits_that_are_no_chains_are_refused(folder, positive, negative, told):
    desk = Desk(folder)
    with pytest.raises(InputError, match=told):
        desk.edit(0, desk.standing(0).version, "Anna", positive, negative)
    assert not (folder / FILE).exists()


def test_bad_decisions_are_refused(folder):
    desk = Desk(folder)
    for row, name, kind, reason in (
        (3, "A", "accept", ""),
        (0, " ", "accept", ""),
        (0, "A", "edit", ""),
        (0, "A\n\x07", "accept", ""),
    ):
        with pytest.raises(InputError):
            desk.decide(row, version_of(ROWS[0]), name, kind, reason)
    with pytest.raises(InputError, match="reason"):
        accept(desk, 0, kind="reject", reason="x" * 501)
    assert not (folder / FILE).exists()


def test_a_decision_is_on_disk_before_it_is_acknowledged(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(
        "hiergeo.report.review.decisions.os.fsync", lambda _: synced.append((folder / FILE).read_bytes())
    )
    desk = Desk(folder)
    accept(desk, 0)
    accept(desk, 1)
    assert synced[-1] == (folder / FILE).read_bytes()
    assert [held.count(b"\n") for held in synced] == [2, 2, 3]  # the folder too when the file is new


def test_a_full_disk_changes_nothing(folder, monkeypatch):
    desk = Desk(folder)
    accept(desk, 0)
    whole = (folder / FILE).read_bytes()
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr("hiergeo.report.review.decisions.os.write", full)
    with pytest.raises(UnavailableError, match="No space"):
        accept(desk, 1)
    monkeypatch.undo()
    assert (folder / FILE).read_bytes() == whole
    assert desk.counts()["accept"] == 1
    accept(desk, 1)
    assert states(folder) == ["accept", "accept", "undecided"]


def test_a_line_that_was_cut_short_is_mended(folder):
    accept(Desk(folder), 0)
    path = folder / FILE
    whole = path.read_bytes()
    for cut in (1, 5, 40):
        path.write_bytes(whole + whole.splitlines()[1][:cut])
        desk = Desk(folder)
        assert (desk.journal.mended, path.read_bytes()) == (cut, whole)
        assert states(folder)[0] == "accept"
    path.write_bytes(whole[:20])
    desk = Desk(folder)
    assert desk.counts()["undecided"] == 3
    accept(desk, 1)
    assert states(folder) == ["undecided", "accept", "undecided"]


def test_decisions_on_other_chains_are_refused_with_the_difference(folder):
    accept(Desk(folder), 0)
    built(folder, ROWS[:2])
    with pytest.raises(InputError, match="rows was 3, now 2"):
        Desk(folder)
    assert (folder / FILE).exists()


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> tuple[Path, bytes]:
    """A folder with every kind of decision, and its journal."""
    folder = built(tmp_path_factory.mktemp("journal") / "set")
    desk = Desk(folder)
    accept(desk, 0)
    desk.edit(1, desk.standing(1).version, "Ben", ("a", "b", "c"), ("d", "e", "f"))
    desk.undo("Ben")
    return folder, (folder / FILE).read_bytes()


@settings(max_examples=60)
@given(st.data())
def test_a_journal_of_any_bytes_is_read_or_refused(journal, data):
    folder, whole = journal
    raw = bytearray(whole)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    (folder / FILE).write_bytes(raw)
    try:
        assert len(Desk(folder).standings()) == 3
    except (InputError, UnavailableError):
        return


def test_one_desk_at_a_time(folder):
    with review.open_desk(folder), pytest.raises(HeldError), review.open_desk(folder):
        pass
    with pytest.raises(InputError, match="a file"), review.open_desk(folder / "test.csv"):
        pass


def test_accepted_chains_are_a_split(folder):
    write_card(folder, {}, Leakage())
    desk = Desk(folder)
    with pytest.raises(InputError, match="accepted"):
        export(desk)
    desk.edit(1, desk.standing(1).version, "Ben", ("vehicle", "coach", "a red coach"), ROWS[1].negative)
    accept(desk, 1, "Ben")
    accept(desk, 0, "Ben", "reject", "other")
    done = export(desk)
    assert (done.accepted, done.edited, done.rejected, done.undecided) == (1, 1, {"other": 1}, 1)
    found = datasets.load(f"chains:{folder}", "reviewed")
    assert found.rows[0].positive == ("vehicle", "coach", "a red coach")
    assert found.has_negatives
    assert chains.read(folder / "reviewed.csv")[0].row == 11
    assert json.loads((folder / "reviewed.json").read_text())["reviewers"] == {
        "Ben": {"accepted": 1, "rejected": 1, "edited": 1}
    }
    assert read_card(folder)["splits"]["reviewed"]["rows"] == 1
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    export(Desk(folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files


def test_reviewers_are_compared_on_the_same_texts(folder):
    desk = Desk(folder)
    for row, kinds in enumerate((("accept", "accept"), ("accept", "reject"), ("reject", "reject"))):
        accept(desk, row, "Anna", kinds[0])
        accept(desk, row, "Ben", kinds[1])
    (found,) = summary(desk).agreement
    assert (found.reviewers, found.rows, found.agreed) == (("Anna", "Ben"), 3, pytest.approx(2 / 3))
    assert found.kappa == pytest.approx(0.4)
    assert summary(desk).disputed == 1
    desk.edit(1, desk.standing(1).version, "Anna", ("vehicle", "coach", "a red coach"), ROWS[1].negative)
    assert summary(desk).agreement[0].rows == 2


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_kappa_is_that_of_the_table_of_answers(pairs):
    table = np.zeros((2, 2))
    for one, other in pairs:
        table[int(one), int(other)] += 1
    table /= table.sum()
    expected = float((table.sum(0) * table.sum(1)).sum())
    observed, kappa = cohen_kappa(pairs)
    assert observed == pytest.approx(np.trace(table))
    if math.isclose(expected, 1):
        assert math.isnan(kappa)
    else:
        assert kappa == pytest.approx((np.trace(table) - expected) / (1 - expected))


def test_a_set_without_negatives_is_reviewed_too(folder):
    (folder / "test_expanded.csv").unlink()
    desk = Desk(folder)
    accept(desk, 0)
    export(desk)
    assert not datasets.load(f"chains:{folder}", "reviewed").has_negatives


def test_the_verb_exports(folder, run, tmp_path):
    code, _, err = run("chains", "review", folder, "--export")
    assert (code, "accepted" in err) == (2, True)
    accept(Desk(folder), 0)
    code, out, _ = run("chains", "review", folder, "--export", "--json", tmp_path / "r.json")
    assert code == 0
    assert "1 of 3 chains accepted" in out
    assert json.loads((tmp_path / "r.json").read_text())["metrics"]["accepted"] == 1


def test_the_verb_says_what_a_review_came_to(capsys, tmp_path):
    pairs = (
        Agreement(("Anna", "Ben"), 4, 0.75, 0.5),
        Agreement(("Anna", "Cleo"), 2, 1.0, math.nan),
        Agreement(("Ben", "Cleo"), 0, math.nan, math.nan),
    )
    tell(Reviewed(tmp_path, 1200, 1000, 30, {"odd": 5, "": 7}, 188, 2, agreement=pairs))
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("1,000 of 1,200 chains accepted (30 of them edited)")
    assert first.endswith(str(tmp_path / "reviewed.csv"))
    assert lines[0] == "12 rejected, 188 undecided, 2 disputed"
    assert [line.partition(":")[0] for line in lines[1:]] == ["Anna and Ben", "Anna and Cleo"]
    assert ("4 chains, 75.0 %" in lines[1], lines[1].endswith("0.50"), lines[2].endswith("not defined")) == (True,) * 3
    tell(Reviewed(tmp_path, 2, 1, 0, {}, 1, 0))
    assert "edited" not in capsys.readouterr().out


@pytest.mark.parametrize(("words", "opens", "token"), WAYS_TO_SERVE)
def test_the_verb_serves_the_page_at_the_address_it_prints(folder, run, monkeypatch, words, opens, token):
    pytest.importorskip("starlette")
    visit = visited(monkeypatch, "/api/review?reviewer=Anna")
    code, out, _ = run("chains", "review", folder, "--port", 0, *words)
    assert code == 0
    assert out.startswith("Reviewing 3 chains of ")
    visit.check(out, opens, token)


def test_the_verb_says_that_a_decision_was_cut_short(folder, run):
    accept(Desk(folder), 0)
    with (folder / FILE).open("a", encoding="utf-8") as journal:
        journal.write('{"row": 1')
    code, _, err = run("chains", "review", folder, "--export")
    assert code == 0
    assert "9 bytes was cut short" in err
