"""Sets of captioned images: the layouts that are read, and what is refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.datasets import scenes
from hiergeo.datasets.captioned import load_captioned, scene_parts
from tests.evaluation.benchmarks.pictures_common import coco, listed, said

PICTURES = [listed(7), listed(5)]
SAID = [said(7, " a dog "), said(5, "a cat"), said(7, "a wet dog")]


def karpathy(path: Path, dataset: str = "coco", **changes: Any) -> Path:
    sentence = {"raw": "A dog .", "tokens": ["a", "dog"]}
    image = {"filepath": "val2014", "filename": "a.jpg", "cocoid": 9, "split": "test", "sentences": [sentence]}
    other = {**image, "filename": "b.jpg", "cocoid": 3, "split": "train"}
    path.write_text(json.dumps({"images": [image, {**other, **changes}], "dataset": dataset}))
    return path


def test_a_coco_folder(tmp_path: Path):
    data = load_captioned(coco(tmp_path, PICTURES, SAID))
    assert [image.image_id for image in data.images] == [7, 5]
    assert data.images[0].path == tmp_path / "val2017" / "000000000007.jpg"
    assert data.captions == (("a dog", "a wet dog"), ("a cat",))
    assert (data.convention, data.counts, data.owner) == ("COCO val2017", "1 to 2", (0, 0, 1))
    moved = load_captioned(tmp_path, images=tmp_path / "elsewhere").images[1].path
    assert moved == tmp_path / "elsewhere" / "000000000005.jpg"


def test_captions_of_scenes_have_a_part_for_each_thing_and_one_for_the_background():
    data = scene_parts()
    for row, image, parts in zip(scenes.load().rows, data.images, data.captions, strict=True):
        assert " ".join(parts) == row.positive[-1]
        assert len(parts) == len(image.open.scene.things) + 1


def test_a_split_of_karpathy(tmp_path: Path):
    path = karpathy(tmp_path / "dataset_coco.json")
    data = load_captioned(path)
    assert (data.images[0].image_id, data.images[0].path) == (9, tmp_path / "val2014" / "a.jpg")
    assert (data.captions, data.convention) == ((("A dog .",),), "Karpathy coco test, 1 images")
    assert load_captioned(path, "train").images[0].image_id == 3
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "flat" / "a.jpg")
    assert load_captioned(path, images=tmp_path / "flat").images[0].path == tmp_path / "flat" / "a.jpg"
    with pytest.raises(InputError, match="did you mean 'test'"):
        load_captioned(path, "tests")


@pytest.mark.parametrize("name", ["own.csv", "own.jsonl"])
def test_tables_of_ones_own(tmp_path: Path, name: str):
    rows = [("b.png", "a dog, wet"), ("a.png", "a cat"), ("b.png", 'a "dog"')]
    path = tmp_path / name
    if path.suffix == ".csv":
        cells = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
        path.write_text("\n".join(["file,text", *cells, ""]))
    else:
        lines = [{"file": "b.png", "text": ["a dog, wet", 'a "dog"']}, {"file": "a.png", "text": "a cat", "x": 1}]
        path.write_text("\n".join(map(json.dumps, lines)))
    data = load_captioned(path, image_column="file", caption_column="text")
    assert data.captions == (("a dog, wet", 'a "dog"'), ("a cat",))
    assert [image.path for image in data.images] == [tmp_path / "b.png", tmp_path / "a.png"]
    with pytest.raises(InputError, match="column"):
        load_captioned(path)


def change(**changes: Any) -> Callable[[Path], Path]:
    return lambda folder: coco(folder, **{"images": PICTURES, "annotations": SAID, **changes})


def text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no captions file": (lambda folder: folder, "no inputs"),
    "captions without an image": (change(annotations=[*SAID, said(8, "a bird")]), "annotation 3 .* image 8"),
    "an image without captions": (change(images=[*PICTURES, listed(8)]), "000000000008.jpg .* no captions"),
    "an id twice": (change(images=[*PICTURES, listed(7)]), "image 7 twice"),
    "an empty caption": (change(annotations=[*SAID, said(7, "  ")]), "000000000007.jpg .* empty caption"),
    "no images": (change(images=[], annotations=[]), "at least one image"),
    "an id that is no number": (change(images=[{"id": "7", "file_name": "a.jpg"}]), r"images\[0\].id"),
    "a file in another folder": (change(images=[{"id": 7, "file_name": "../../a.jpg"}]), "file_name"),
    "no caption": (change(annotations=[{"image_id": 7}]), r"annotations\[0\].caption"),
    "no json": (text("a.json", "{"), "a.json"),
    "another json": (text("a.json", "[]"), "object"),
    "a file of karpathy with an id twice": (lambda f: karpathy(f / "a.json", cocoid=9, split="test"), "id 9 .* two"),
    "a file of karpathy without sentences": (
        lambda f: karpathy(f / "a.json", sentences=[], split="test"),
        "b.jpg .* no captions",
    ),
    "an unknown ending": (text("a.md", "x"), "cannot be read"),
    "an unknown name": (lambda folder: Path("scene"), "did you mean 'scenes'"),
    "a missing table": (lambda folder: folder / "a.csv", "is not there"),
    "an empty table": (text("a.csv", ""), "no images and captions"),
    "a table without rows": (text("a.csv", "image,caption\n"), "no images and captions"),
    "a column that is missing": (text("a.csv", "image,words\na,b\n"), "no column named caption"),
    "a row that is too short": (text("a.csv", "image,caption\na\n"), "row 0 "),
    "a row without an image": (text("a.csv", "image,caption\na,b\n ,c\n"), "row 1 .*no image"),
    "a row without a caption": (text("a.csv", "image,caption\na, \n"), "row 0 .*empty"),
    "a quote that never ends": (text("a.csv", 'image,caption\na,"b\n'), "not CSV"),
    "bytes that are no text": (text("a.csv", b"image,caption\na,\xff\xfe\n"), "UTF-8"),
    "a line that is no json": (text("a.jsonl", '{"image": "a", "caption": "b"}\n{\n'), "row 1 "),
    "a line that is no object": (text("a.jsonl", "3\n"), "row 0 "),
    "captions that are numbers": (text("a.jsonl", '{"image": "a", "caption": [3]}\n'), "row 0 .*int"),
    "a list without captions": (text("a.jsonl", '{"image": "a", "caption": []}\n'), "row 0 .*no caption"),
    "missing embeddings": (lambda folder: folder / "a.npz", "is not there"),
    "broken embeddings": (text("a.npz", "x"), "a.npz"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_data_is_refused_in_one_sentence(tmp_path: Path, case: str):
    make, complaint = REFUSED[case]
    with pytest.raises((InputError, UnavailableError), match=complaint):
        load_captioned(make(tmp_path))


def test_stored_captions_need_a_place_for_each(tmp_path: Path):
    arrays: dict[str, Any] = {"caption": np.array(["a", "b"]), "image_id": np.array([4, 5])}
    arrays["text_image"] = np.array([0, 2])
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match="text_image"):
        load_captioned(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", **{**arrays, "text_image": np.array([1, 1])})
    with pytest.raises(InputError, match="no captions"):
        load_captioned(tmp_path / "a.npz")


FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(path: Path) -> None:
    try:
        load_captioned(path)
    except HiergeoError:
        return


WHOLE = json.dumps({"images": PICTURES, "annotations": SAID}).encode()


@FUZZ
@given(st.sampled_from(["csv", "jsonl", "json", "npz"]), st.binary(max_size=60), st.integers(0, len(WHOLE)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, kind: str, noise: bytes, cut: int):
    path = tmp_path / f"a.{kind}"
    for content in (noise, b"image,caption\n" + noise, WHOLE[:cut] + noise, b'{"image": "a", "caption": "' + noise):
        path.write_bytes(content)
        survives(path)


SEPARATORS = "\u2028\u2029\u0085\x0b\x0c\x1c"


@pytest.mark.parametrize("mark", SEPARATORS)
@pytest.mark.parametrize("cell", ["a{}b", '"a{}b"'])
def test_separators_of_unicode_end_no_line(tmp_path: Path, mark: str, cell: str):
    path = text("a.csv", f"image,caption\nx.png,{cell.format(mark)}\r\ny.png,c\n")(tmp_path)
    assert load_captioned(path).captions == ((f"a{mark}b",), ("c",))


def test_names_of_one_file_are_one_image(tmp_path: Path):
    path = text("a.csv", "image,caption\na.jpg,x\n./a.jpg,y\nb//c.jpg,z\nb/c.jpg,w\n")(tmp_path)
    assert load_captioned(path).captions == (("x", "y"), ("z", "w"))


def test_columns_must_be_two_and_each_there_once(tmp_path: Path):
    path = text("a.csv", "image,caption,image\na,b,c\n")(tmp_path)
    with pytest.raises(InputError, match="'image' twice"):
        load_captioned(path)
    path = text("b.csv", "image,caption\na,b\n")(tmp_path)
    with pytest.raises(InputError, match="two columns"):
        load_captioned(path, image_column="caption", caption_column="caption")
