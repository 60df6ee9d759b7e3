"""Chains of one's own as datasets: formats, images, and files that are written and read back."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import Hierarchy, chains, hierarcaps
from hiergeo.datasets.addresses import UNNUMBERED, coco_number, image_file, image_numbers
from hiergeo.datasets.chains import Chain
from hiergeo.testing import DatasetConformance

DOG = Chain(0, ("animal", "dog", "wet dog"), ("plant", "cat", "dry dog"), "dog.png")
BUS = Chain(4, ("vehicle", "bus", "red bus"), ("food", "car", "blue bus"), "http://example.org/a/bus.png?w=1")


def write_test(path: Path, rows: list[Chain]) -> None:
    """A file in the layout of HierarCaps' test file."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(
            [("id", "captions", "image_url"), *((row.row, " => ".join(row.positive), row.image) for row in rows)]
        )


def built(folder: Path, *, pictures: bool = True) -> Path:
    """A folder such as `hiergeo chains build` makes."""
    folder.mkdir(parents=True, exist_ok=True)
    chains.write_train(folder / "train.csv", [DOG])
    write_test(folder / "test.csv", [DOG, BUS])
    chains.write_train(folder / "test_expanded.csv", [DOG, BUS])
    if pictures:
        (folder / "images").mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), "red").save(folder / "dog.png")
        Image.new("L", (8, 6)).save(folder / "images" / "bus.png")
    return folder


class TestChains(DatasetConformance):
    splits = ("train", "test")

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.address = f"chains:{built(tmp_path / 'set')}"

    def load(self, split: str) -> Hierarchy:
        return datasets.load(self.address, split)


def test_the_test_split_has_its_negatives_and_ids(tmp_path):
    read = datasets.load(f"chains:{built(tmp_path)}")
    assert [row.negative for row in read.rows] == [DOG.negative, BUS.negative]
    assert [row.row_id for row in read.rows] == [0, 1]
    assert [chain.row for chain in chains.read(tmp_path, "test")] == [0, 4]
    (tmp_path / "test_expanded.csv").unlink()
    assert not datasets.load(f"chains:{tmp_path}").has_negatives


def test_files_of_a_split_must_agree(tmp_path):
    chains.write_train(built(tmp_path) / "test_expanded.csv", [DOG, DOG])
    with pytest.raises(InputError, match="data row 1 "):
        datasets.load(f"chains:{tmp_path}")
    chains.write_train(tmp_path / "test_expanded.csv", [DOG])
    with pytest.raises(InputError, match="data row 1 "):
        datasets.load(f"chains:{tmp_path}")


def test_hierarcaps_files_are_chains_too(tmp_path):
    path = tmp_path / "own.csv"
    coco = "http://images.cocodataset.org/val2014/COCO_val2014_000000000139.jpg"
    path.write_text(f"id,captions,image_url\n9,a => b => c => d,{coco}\n8,a => b => c => e,\n")
    read = datasets.load(f"chains:{path}")
    assert [row.image_id for row in read.rows] == [139, None]
    with pytest.raises(InputError, match="1 of 2 rows describe test images"):
        hierarcaps.check_no_leakage(read)


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("http://images.cocodataset.org/val2014/COCO_val2014_000000000139.jpg", 139),
        ("COCO_train2014_000000000009.jpg", 9),
        ("https://images.cocodataset.org/val2017/000000000139.jpg?x=1#y", 139),
        ("coco/train2017/000000000009.jpg", 9),
        ("000000000009.jpg", None),
        ("val2017/0000000001391.jpg", None),
        ("COCO_val2014_000000000139.jpg.exe", None),
        ("http://[broken", None),
    ],
)
def test_numbers_of_coco(address, number):
    assert coco_number(address) == number


def test_other_images_are_numbered_beyond_those_of_coco():
    numbers = image_numbers(["b.jpg", "", "a.jpg", "val2017/000000000007.jpg", "b.jpg"])
    assert numbers == {"b.jpg": UNNUMBERED, "a.jpg": UNNUMBERED + 1, "val2017/000000000007.jpg": 7}


@pytest.mark.parametrize("address", ["/etc/passwd.png", "../dog.png", "a/../../dog.png", r"..\dog.png", "C:\\dog.png"])
def test_addresses_that_lead_out_of_the_folder_are_not_opened(tmp_path, address):
    Image.new("RGB", (8, 8)).save(tmp_path / "dog.png")
    assert image_file(address, tmp_path / "set") is None
    inside = built(tmp_path / "set")
    chains.write_train(inside / "train.csv", [DOG, Chain(1, DOG.positive, DOG.negative, address)])
    refused = datasets.load(f"chains:{inside}", "train").images[1]
    assert refused.path is None
    with pytest.raises(InputError, match="outside"):
        refused.open()


def test_without_pictures_captions_are_all_there_is(tmp_path):
    read = datasets.load(f"chains:{built(tmp_path, pictures=False)}")
    assert read.images == ()
    assert read.rows[0].image_id == UNNUMBERED
    expected = datasets.load(f"chains:{tmp_path}", images=tmp_path / "elsewhere")
    assert len(expected.images) == 2
    with pytest.raises(UnavailableError, match=r"dog\.png"):
        expected.images[0].open()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("positive,image_url\na => b,\nc => d => e,\n", "3 tiers instead of 2"),
        ("positive,negative\na => b,c => \n", "tier 1 is empty"),
        ("caption\na => b\n", "missing"),
        ("positive\nlonely\n", "1 tier instead of 2"),
        ("positive,positive\na => b,a => b\n", "there twice"),
        ("positive\n", "no rows"),
        ("", "empty"),
        ('{"captions": ["a", "b"]}', "no list of objects"),
        ('[["a", "b"]]', r"row 0 .* no object"),
        ('[{"captions": ["a", "b"]}, {"captions": ["a"]}]', "data row 1 .*1 tier instead of 2"),
        ('[{"captions": ["a", "b"]}, {"captions": ["a", "c"], "negative": []}]', "row 1 .*'negative'"),
        ('[{"captions": ["a", ', "broken JSON"),
        ("[]", "empty"),
    ],
)
def test_bad_files(tmp_path, content, words):
    bad = tmp_path / ("bad.json" if content.startswith(("[", "{")) else "bad.csv")
    bad.write_text(content)
    with pytest.raises(InputError, match=words):
        datasets.load(f"chains:{bad}")


def test_bad_names(tmp_path):
    with pytest.raises(InputError, match="chains:DIR"):
        datasets.load("chains")
    with pytest.raises(UnavailableError, match="nowhere"):
        datasets.load(f"chains:{tmp_path / 'nowhere'}")
    with pytest.raises(UnavailableError, match="hiergeo chains build"):
        datasets.load(f"chains:{tmp_path}")
    with pytest.raises(InputError, match="address"):
        datasets.load(f"scenes:{tmp_path}")
    with pytest.raises(InputError, match="chains:"):
        datasets.load("own/train.csv")


@pytest.mark.parametrize("text", ["a => b", "a\nb", "a\rb", " a", "", "a\0b", "\ud800"])
def test_texts_that_no_tier_can_be(tmp_path, text):
    assert chains.writable(text)
    with pytest.raises(InputError, match="chain 7"):
        chains.write_train(tmp_path / "train.csv", [Chain(7, ("a", text))])
    assert not list(tmp_path.iterdir())


def test_chains_of_different_lengths_are_not_written(tmp_path):
    for wrong in (Chain(7, ("a",)), Chain(7, ("a", "b"), ("c",))):
        with pytest.raises(InputError, match="chain 7"):
            chains.write_train(tmp_path / "train.csv", [wrong])
    with pytest.raises(InputError, match="chain 7"):
        chains.write_train(tmp_path / "train.csv", [DOG, Chain(7, ("a", "b"), None, "a\nb")])


TEXTS = st.text(min_size=1).filter(lambda text: not chains.writable(text))


@given(st.data(), st.integers(2, 6))
def test_what_is_written_is_read_back(tmp_path_factory, data, tiers):
    texts = st.tuples(*[TEXTS] * tiers)
    made = data.draw(
        st.lists(st.tuples(texts, texts | st.none(), st.just("") | TEXTS), min_size=1, max_size=4), label="chains"
    )
    rows = [Chain(row, *fields) for row, fields in enumerate(made)]
    folder = tmp_path_factory.mktemp("round")
    assert chains.write_train(folder / "train.csv", rows) == len(rows)
    assert chains.read(folder / "train.csv") == rows
    ids = [Chain(row.row + 10, row.positive, None, row.image) for row in rows]
    write_test(folder / "test.csv", ids)
    assert chains.read(folder / "test.csv") == ids
    objects = [{"positive": row.positive, "negative": row.negative, "image": row.image or None} for row in rows]
    (folder / "train.json").write_text(json.dumps(objects), "utf-8-sig")
    (folder / "train.json.gz").write_bytes(gzip.compress(json.dumps(objects).encode()))
    (folder / "train.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in objects), "utf-8")
    assert all(chains.read(folder / f"train.{kind}") == rows for kind in ("json", "json.gz", "jsonl"))


def test_own_chains_are_checked(tmp_path, run):
    assert run("data", "check", built(tmp_path))[0] == 0
    (tmp_path / "images" / "bus.png").write_bytes(b"broken")
    code, _, said = run("data", "check", f"chains:{tmp_path}")
    assert (code, "bus.png" in said) == (2, True)
    assert run("data", "check", tmp_path, "--no-images")[0] == 0
    chains.write_train(tmp_path / "test_expanded.csv", [DOG])
    assert "differ from data row 1" in run("data", "check", tmp_path, "--no-images")[2]
    (tmp_path / "test.csv").write_text("captions\na => b\nc\n")
    assert "1 tier instead of 2" in run("data", "check", f"chains:{tmp_path / 'test.csv'}")[2]


def test_a_split_without_rows_is_no_defect_of_a_folder(tmp_path, run):
    chains.write_train(tmp_path / "train.csv", [])
    write_test(tmp_path / "test.csv", [Chain(0, ("animal", "dog"))])
    assert run("data", "check", tmp_path)[0] == 0
    assert "no rows" in run("data", "check", tmp_path / "train.csv")[2]


@pytest.mark.parametrize("column", ["sku", "image_id", "image"])
def test_images_are_called_as_their_table_does(tmp_path, column):
    rows = "a thing,a shoe,SKU001\na thing,a coat,sets/SKU002.png\n"
    (tmp_path / "own.csv").write_text(f"level0,level1,{column}\n{rows}")
    read = chains.load(address=str(tmp_path / "own.csv"))
    assert [image.name for image in read.absent] == ["SKU001", "SKU002.png"]
    assert "2 images" in repr(read)
