"""``hiergeo classify``: tables and pages of items, promises, and the ordinary mistakes."""

import csv
import json
from pathlib import Path

import pytest

TREE = "child,parent\nbird,\nvehicle,\nswan,bird\nparrot,bird\ntaxi,vehicle\nbus,vehicle\ntram,vehicle\n"
KINDS = ("swan", "taxi", "tram", "parrot")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree.csv").write_text(TREE)
    texts = [f"a {colour} {kind}" for colour in ("red", "blue", "green", "black", "pink") for kind in KINDS]
    (tmp_path / "items.txt").write_text("\n".join(texts))
    rows = "".join(f"{text},{text.split()[-1]}\n" for text in texts)
    (tmp_path / "labelled.csv").write_text(f"text,label\n{rows}")
    return tmp_path


def test_a_table_and_a_page(run, folder: Path) -> None:
    promised = ["--alpha", "0.2", "--calibrate", folder / "labelled.csv"]
    out, page = folder / "out.csv", folder / "page.html"
    words = ["classify", folder / "items.txt", "-t", folder / "tree.csv", "-m", "tiny", *promised]
    code, printed, _ = run(*words, "-o", out, "--html", page)
    assert code == 0
    assert "At most 20 %" in printed
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 20
    assert {row["level_1"] for row in rows} <= {"bird", "vehicle"}
    assert all(0 <= float(row["confidence_2"]) <= float(row["confidence_1"]) <= 1 for row in rows)
    html = page.read_text()
    assert "At most 20 %" in html
    assert html.count('class="card placed"') == 20
    assert not list(folder.glob(".out.csv*"))
    code, _, _ = run(*words, "-o", folder / "out.json")
    assert json.loads((folder / "out.json").read_text())["about"]["promise"]["alpha"] == 0.2


def test_a_floor_without_labels_is_no_promise(run, folder: Path) -> None:
    words = ["classify", folder / "items.txt", "-t", folder / "tree.csv", "-m", "tiny"]
    code, printed, _ = run(*words, "--floor", "0.5", "--html", folder / "page.html")
    assert code == 0
    assert "without a promise" in printed
    assert "nothing is promised" in (folder / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing.txt", "-t", "tree.csv"], "missing.txt"),
        (["items.txt", "-t", "missing.csv"], "missing.csv"),
        (["items.txt", "-t", "tree.csv", "--alpha", "0.1"], "calibrate"),
        (["items.txt", "-t", "tree.csv", "-o", "out.xlsx"], ".csv, .parquet or .json"),
        (["items.txt", "-t", "tree.csv", "--method", "flatt"], "'flat'"),
        (["labelled.csv", "-t", "tree.csv", "--column", "name"], "text, label"),
        (["items.txt", "-t", "tree.csv", "--alpha", "0.01", "--calibrate", "labelled.csv"], "at least 99"),
    ],
)
def test_mistakes_are_one_sentence(run, folder: Path, monkeypatch, arguments: list[str], named: str) -> None:
    monkeypatch.chdir(folder)
    code, _, err = run("classify", *arguments, "-m", "tiny")
    assert code == 2
    assert named in err.splitlines()[-1]
