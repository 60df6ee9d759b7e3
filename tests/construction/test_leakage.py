"""Leakage: rows that share an image or a text with another set, against a comparison of all pairs."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hiergeo._core.errors import InputError
from hiergeo.construction import resemblance
from hiergeo.construction.leakage import (
    ADDRESS,
    BYTES,
    NEAR_TEXT,
    NUMBER,
    PICTURE,
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
        ("http://[bad", "http://[bad", set()),
    ],
)
def test_images_by_their_addresses(image, other, kind):
    assert kinds(row(0, "a", image), row(1, "b", other)) == kind


def test_texts_by_their_words():
    assert kinds(row(0, "A  Dog runs."), row(1, "a dog RUNS")) == {TEXT}
    assert kinds(row(0, "a dog runs on the sand"), row(1, "the dog runs on a beach")) == set()
    assert kinds(row(0, "a dog runs on the grey sand"), row(1, "a dog runs on the sand")) == {NEAR_TEXT}


def test_every_tier_is_counted_and_only_the_last_is_a_leak():
    mine = Chain(3, ("animal", "dog", "a wet dog"))
    found = leakage({"train": [mine]}, [Reference("other", (Chain(0, ("Dog.", "a big animal", "animal")),))])
    assert found.tiers == {("train", "other"): (1, 1, 0)}
    assert not found.leaks


WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8).map(" ".join)


@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=12), st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]))
def test_similar_texts_are_those_of_all_pairs(texts, known, similarity):
    def alike(a: str, b: str) -> float:
        one, two = set(re.findall(r"\w+", a)), set(re.findall(r"\w+", b))
        return len(one & two) / len(one | two)

    expected = {}
    for place, text in enumerate(texts):
        values = [alike(text, other) for other in known]
        if values and max(values) >= similarity:
            expected[place] = (values.index(max(values)), max(values))
    near = resemblance.NearTexts(known, similarity)
    found = {place: nearest for place, text in enumerate(texts) if (nearest := near.nearest(text)) is not None}
    assert found == expected


def scene(seed: int) -> Image.Image:
    """A smooth random picture."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(small).resize((240, 160), Image.Resampling.BICUBIC)


def test_pictures_by_bytes_and_by_look(tmp_path: Path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    for number in range(8):
        scene(number).save(theirs / f"{number}.png")
    (mine / "same.png").write_bytes((theirs / "3.png").read_bytes())
    scene(4).resize((100, 90)).save(mine / "squeezed.jpg", quality=60)
    scene(99).save(mine / "new.png")
    Image.new("RGB", (50, 50), "red").save(mine / "flat.png")
    Image.new("RGB", (60, 60), "red").save(theirs / "flat.png")
    (mine / "broken.png").write_bytes(b"\x89PNG")
    files = ["same.png", "squeezed.jpg", "new.png", "flat.png", "broken.png", "missing.png"]
    rows = [row(place, f"caption {place} {name}", name) for place, name in enumerate(files)]
    others = [row(place, f"text {place}", f"{place}.png") for place in range(8)] + [row(8, "text", "flat.png")]
    found = leakage({"train": rows}, [Reference("other", tuple(others), theirs)], folder=mine)
    assert [(each.row, each.kind, each.other_row) for each in found.leaks] == [(0, BYTES, 3), (1, PICTURE, 4)]


def test_files_of_one_size_are_not_the_same_picture(tmp_path: Path):
    for name, seed in (("mine", 1), ("theirs", 2)):
        (tmp_path / name).mkdir()
        scene(seed).save(tmp_path / name / "picture.bmp")
    sizes = {(tmp_path / name / "picture.bmp").stat().st_size for name in ("mine", "theirs")}
    mine, other = (
        row(0, "a caption", "picture.bmp"),
        Reference("other", (row(0, "a text", "picture.bmp"),), tmp_path / "theirs"),
    )
    assert len(sizes) == 1
    assert not leakage({"train": [mine]}, [other], folder=tmp_path / "mine").leaks


@given(st.integers(0, 2**32 - 1))
def test_similar_pictures_are_those_of_all_pairs(seed):
    generator = np.random.default_rng(seed)
    known = generator.uniform(0, 255, (6, resemblance.SIDE, resemblance.SIDE + 1)).astype(np.float32)
    noise = generator.normal(0, generator.uniform(0, 9, (6, 1, 1)), known.shape)
    thumbs = (known[::-1] + noise).astype(np.float32)
    expected = {}
    for place, thumb in enumerate(thumbs):
        levels = [np.abs(thumb - other).mean() for other in known]
        bits = [(np.diff(thumb, axis=1) > 0) != (np.diff(other, axis=1) > 0) for other in known]
        near = [
            other
            for other in range(len(known))
            if bits[other].sum() <= resemblance.DIFFERING and levels[other] <= resemblance.LEVELS
        ]
        if near:
            expected[place] = min(near, key=levels.__getitem__)
    assert dict(resemblance.near_pictures(thumbs, known)) == expected


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
    assert found.as_dict()["counts"] == {"train": {}}
    assert str(tmp_path) not in str(found.as_dict())


def test_the_verb_fails_where_a_set_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "nowhere"))
    chains.write_train(tmp_path / "train.csv", [row(0, "a bus")])
    chains.write_test(tmp_path / "other.csv", [row(0, "a tram")])
    kept = tmp_path / "kept.csv"
    code, out, said = run("chains", "leaks", tmp_path / "train.csv")
    assert (code, "nothing was compared" in said, "nothing is shared" in out) == (2, True, False)
    both = ("--against", "hierarcaps", "--against", f"chains:{tmp_path / 'other.csv'}")
    code, out, _ = run("chains", "leaks", tmp_path / "train.csv", *both)
    assert (code, "nothing is shared" in out, "could not be compared" in out) == (2, True, True)
    assert run("chains", "leaks", tmp_path / "train.csv", *both, "--kept", kept)[0] == 2
    assert not kept.exists()


def test_own_chains_and_scenes_are_references(tmp_path):
    chains.write_train(tmp_path / "own.csv", [row(0, "a dog", "dog.png")])
    assert reference(f"chains:{tmp_path / 'own.csv'}").rows[0].image == "dog.png"
    assert len(reference("scenes", count=3).rows) == 3


def test_a_similarity_out_of_range_is_refused():
    with pytest.raises(InputError, match="similarity"):
        leakage({}, [], similarity=0)


def test_the_expanded_rows_of_test_images_leak(data_home):
    known = reference("hierarcaps")
    held = chains.read(data_home / "hierarcaps" / "hierarcaps_test_expanded.csv.gz")[:400]
    found = leakage({"expanded": held}, [known])
    test = {int(each.image[-16:-4]) for each in known.rows}
    assert found.counts["expanded", "hierarcaps test", NUMBER] == sum(int(each.image[-16:-4]) in test for each in held)


def test_the_verb_counts_leaks(tmp_path, run):
    chains.write_train(tmp_path / "train.csv", [row(0, "a dog on a beach", COCO), row(1, "a bus")])
    chains.write_test(tmp_path / "other.csv", [row(0, "A Bus.")])
    code, out, _ = run(
        "chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}", "--out", tmp_path / "l.csv"
    )
    assert code == 2
    assert "text" in out
    assert (tmp_path / "l.csv").read_text().count("\n") == 2
    run("chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}", "--kept", tmp_path / "kept.csv")
    assert [each.positive[-1] for each in chains.read(tmp_path / "kept.csv")] == ["a dog on a beach"]
    chains.write_test(tmp_path / "other.csv", [row(0, "a tram")])
    code, out, _ = run("chains", "leaks", tmp_path, "--against", f"chains:{tmp_path / 'other.csv'}@test")
    assert (code, "nothing is shared" in out) == (0, True)


def test_the_verb_compares_a_dataset_by_name(tmp_path, run, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "nowhere"))
    known = reference("scenes", "test").rows[5].positive[-1]
    chains.write_test(tmp_path / "other.csv", [row(3, known), row(4, "a tram")])
    against = ("--against", f"chains:{tmp_path / 'other.csv'}", "--out", tmp_path / "leaks.csv")
    code, out, _ = run("chains", "leaks", "scenes@test", *against)
    held = [each.row for each in reference("scenes", "test").rows if each.positive[-1] == known]
    assert 5 in held
    with (tmp_path / "leaks.csv").open(newline="") as handle:
        found = [int(each["row"]) for each in csv.DictReader(handle) if each["kind"] == TEXT]
    assert (code, found) == (2, held)
    code, out, err = run("chains", "leaks", "hierarcaps", *against)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")


def test_the_verb_finds_texts_as_similar_as_it_is_told(tmp_path, run):
    chains.write_train(tmp_path / "train.csv", [row(0, "a dog runs on the sand")])
    chains.write_test(tmp_path / "other.csv", [row(0, "the dog runs on a beach")])  # 5 of 7 words
    words = ("chains", "leaks", tmp_path / "train.csv", "--against", f"chains:{tmp_path / 'other.csv'}")
    codes = [run(*words, *more)[0] for more in ((), ("--similarity", 0.72), ("--similarity", 0.71))]
    assert codes == [0, 0, 2]


def test_cells_of_the_table_of_leaks_are_inert(tmp_path):
    mine, other = row(0, "=SUM(A1:A9)"), row(5, "=sum(a1:a9)")
    found = leakage({"test": [mine]}, [Reference("@other", [other])])
    found.write(tmp_path / "leakage.csv")
    with (tmp_path / "leakage.csv").open(newline="") as file:
        cells = [cell for line in csv.DictReader(file) for cell in (line["against"], line["detail"])]
    assert cells
    assert all(cell.startswith("'") for cell in cells)
