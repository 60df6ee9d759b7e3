"""Leakage: rows that share an image or a text with another set, against a comparison of all pairs."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hiergeo.construction.leakage import (
    ADDRESS,
    BYTES,
    NUMBER,
    TEXT,
    Leak,
    Reference,
    leakage,
    reference,
)
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain

COCO = "http://images.cocodataset.org/val2014/COCO_val2014_000000000139.jpg"


def row(number: int, caption: str, image: str = "") -> Chain:
    return Chain(number, ("thing", caption), None, image)


def kinds(mine: Chain, other: Chain) -> set[str]:
    return {each.kind for each in leakage({"train": [mine]}, [Reference("other", (other,))]).leaks}


@pytest.mark.parametrize(
    ("image", "other", "kind"),
    [
        (COCO, "val2017/000000000139.jpg", {NUMBER}),
        ("https://EXAMPLE.org/a%20b.jpg#top", "http://example.org/a b.jpg", {ADDRESS}),
        ("photos/holiday-2019.jpg", "http://example.org/holiday-2019.jpg", set()),
        ("", "", set()),
    ],
)
def test_images_by_their_addresses(image, other, kind):
    assert kinds(row(0, "a", image), row(1, "b", other)) == kind


def test_texts_by_their_words():
    assert kinds(row(0, "A  Dog, runs."), row(1, "a dog RUNS")) == {TEXT}
    assert kinds(row(0, "a dog runs on the grey sand"), row(1, "a dog runs on the sand")) == set()


def test_only_the_most_specific_text_is_a_leak():
    mine = Chain(3, ("animal", "dog", "a wet dog"))
    compared = leakage({"train": [mine]}, [Reference("other", (Chain(0, ("Dog.", "a big animal", "animal")),))])
    assert (compared.leaks, compared.rows, compared.against) == ((), {"train": 1}, ("other",))


@given(st.lists(st.sampled_from(["A cat.", "a cat", "a cat!", "a  CAT", "a dog", "dog a", "...", "!"]), max_size=6))
def test_equal_texts_are_those_of_all_pairs(texts):
    def alike(a: str, b: str) -> bool:
        one, two = (re.findall(r"[a-z]+", text.lower()) for text in (a, b))
        return one == two if one else a == b

    known = texts[::2]
    expected = [
        (number, next(other for other in range(len(known)) if alike(text, known[other])))
        for number, text in enumerate(texts)
        if any(alike(text, other) for other in known)
    ]
    others = Reference("other", tuple(row(number, text) for number, text in enumerate(known)))
    leaks = leakage({"train": [row(number, text) for number, text in enumerate(texts)]}, [others]).leaks
    assert [(leak.row, leak.other_row) for leak in leaks] == expected


def scene(seed: int) -> Image.Image:
    """A smooth random picture."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(small).resize((240, 160), Image.Resampling.BICUBIC)


def test_pictures_by_their_bytes(tmp_path: Path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    for number in range(4):
        scene(number).save(theirs / f"{number}.png")
    (mine / "same.png").write_bytes((theirs / "3.png").read_bytes())
    scene(2).resize((100, 90)).save(mine / "squeezed.jpg")
    (mine / "broken.png").write_bytes(b"\x89PNG")
    files = ["same.png", "squeezed.jpg", "broken.png", "missing.png", "same.png"]
    rows = [row(number, f"caption {number} {name}", name) for number, name in enumerate(files)]
    others = [row(number + 5, f"text {number}", f"{number}.png") for number in range(4)]
    leaks = leakage({"train": rows}, [Reference("other", tuple(others), theirs)], folder=mine).leaks
    assert [(leak.row, leak.kind, leak.other_row) for leak in leaks] == [(0, BYTES, 8), (4, BYTES, 8)]


def test_rows_that_leak_are_left_out(tmp_path):
    rows = [row(0, "a dog on a beach", COCO), row(1, "a red bus"), row(2, "a cat")]
    others = (row(5, "a bus", COCO), row(6, "A red bus."))
    found = leakage({"": rows}, [Reference("other", others)])
    assert [each.row for each in found.without(rows, "")] == [2]
    assert found.counts == {("", "other", NUMBER): 1, ("", "other", TEXT): 1}
    found.write(tmp_path / "leakage.csv")
    with (tmp_path / "leakage.csv").open(newline="") as handle:
        assert [each["kind"] for each in csv.DictReader(handle)] == [NUMBER, TEXT]
    assert found.leaks[0] == Leak("", 0, NUMBER, "other", 5, "139")


def test_sets_that_are_not_there_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    absent = reference("hierarcaps")
    assert "data fetch" in absent.missing
    found = leakage({"train": [row(0, "a")]}, [absent])
    assert list(found.unchecked) == ["hierarcaps test"]
    assert (found.rows, found.against) == ({"train": 1}, ())


def test_the_verb_fails_where_a_set_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "nowhere"))
    chains.write_train(tmp_path / "train.csv", [row(0, "a bus")])
    chains.write_train(tmp_path / "other.csv", [row(0, "a tram")])
    kept = tmp_path / "kept.csv"
    code, out, said = run("chains", "leaks", tmp_path / "train.csv")
    assert (code, "nothing was compared" in said, "nothing is shared" in out) == (2, True, False)
    both = ("--against", "hierarcaps", "--against", f"chains:{tmp_path / 'other.csv'}")
    code, out, _ = run("chains", "leaks", tmp_path / "train.csv", *both)
    assert (code, "nothing is shared" in out, "could not be compared" in out) == (2, True, True)
    assert run("chains", "leaks", tmp_path / "train.csv", *both, "--kept", kept)[0] == 2
    assert not kept.exists()


def test_the_verb_counts_leaks(tmp_path, run):
    chains.write_train(tmp_path / "train.csv", [row(0, "a dog on a beach", COCO), row(1, "a bus")])
    chains.write_train(tmp_path / "other.csv", [row(0, "A Bus.")])
    code, out, _ = run(
        "chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}", "--out", tmp_path / "l.csv"
    )
    assert code == 2
    assert "text" in out
    assert (tmp_path / "l.csv").read_text().count("\n") == 2
    run("chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}", "--kept", tmp_path / "kept.csv")
    assert [each.positive[-1] for each in chains.read(tmp_path / "kept.csv")] == ["a dog on a beach"]
    chains.write_train(tmp_path / "other.csv", [row(0, "a tram")])
    code, out, _ = run("chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}@test")
    assert (code, "nothing is shared" in out) == (0, True)


def test_cells_of_the_table_of_leaks_are_inert(tmp_path):
    mine, other = row(0, "=SUM(A1:A9)"), row(5, "=sum(a1:a9)")
    found = leakage({"test": [mine]}, [Reference("@other", [other])])
    found.write(tmp_path / "leakage.csv")
    with (tmp_path / "leakage.csv").open(newline="") as file:
        cells = [cell for line in csv.DictReader(file) for cell in (line["against"], line["detail"])]
    assert cells
    assert all(cell.startswith("'") for cell in cells)
