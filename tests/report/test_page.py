"""The HTML page: it parses, stands alone, shows every figure, and survives whatever captions and images bring."""

import base64
import io
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

import hiergeo
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.evaluation import Comparison
from hiergeo.report import write_page
from hiergeo.report.ladders import Exhibit, cards, exhibits
from tests.report.page_common import Page, read, scripts

GEOMETRIES = ["euclidean", "lorentz:-0.7", "poincare:-0.7", "sphere:0.3"]
HOSTILE = "<script>alert('x')</script> & \"quotes\""


class Handmade(Model):
    """Captions of more words lie farther out; directions come from the words themselves."""

    name = "handmade"
    preprocessing = "none"

    def __init__(self, has_images: bool = True) -> None:
        self.has_images = has_images

    def fingerprint(self) -> str:
        return "handmade"

    def check_texts(self, texts):
        pass

    def check_images(self, images):
        pass

    def text_rows(self, texts):
        return torch.stack([_row(text) for text in texts])

    def image_rows(self, images):
        return torch.stack([_row(f"picture {image.image_id} of a thing") for image in images])


def _row(text: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    reach = 0.05 * (1 + len(text)) ** 0.5 * (0.3 + torch.rand(1, generator=generator))
    return torch.eye(12)[0] + reach * torch.randn(12, generator=generator)


def hierarchy(count: int = 9, *, images: bool = True, negatives: bool = False) -> Hierarchy:
    rows, refs = [], []
    for i in range(count):
        chain = ("thing", f"thing {i % 3}", f"small thing {i}", f"a small thing {i} {HOSTILE}")
        wrong = ("idea", f"idea {i % 3}", f"big idea {i}", f"a big idea {i} of no use")
        rows.append(Row(i, chain, wrong if negatives else None, image_id=i if images else None))
        refs.append(ImageRef(i, partial(Image.new, "RGB", (300, 200), (20 * i, 90, 160))))
    return Hierarchy("toys", "test", tuple(rows), tuple(refs) if images else ())


def shown_of(comparison: Comparison, count: int, seed: int) -> list[Exhibit]:
    by_geometry = {result.geometry: result for result in comparison.results}
    return exhibits(comparison.embedded, by_geometry, count, seed)


def compared(protocol: str = "re", model: Model | None = None, data: Hierarchy | None = None) -> Comparison:
    return hiergeo.compare(
        model or Handmade(), data or hierarchy(), GEOMETRIES, protocol=protocol, steps=10, samples=60, seed=3
    )


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared()


@pytest.fixture
def written(comparison, tmp_path) -> Path:
    return write_page(comparison, tmp_path / "page.html", images=4, seed=1)


@pytest.fixture
def page(written) -> Page:
    return read(written)


def test_page_escapes_captions_and_writes_them_out(page, written):
    assert HOSTILE in page.text
    assert len(scripts(written)) == len(page.having("script")) == 2


def test_table_shows_every_figure_with_its_interval(comparison, page):
    for result in comparison.results:
        assert result.geometry in page.text
        for metric in ("precision", "recall"):
            low, high = result.intervals[metric]
            assert f"{result.metrics[metric]:.3f}" in page.text
            assert f"[{low:.3f}, {high:.3f}]" in page.text


def test_ladders_show_thumbnails_and_mark_true_captions(comparison, page):
    images = [image for image in page.having("img") if image.get("loading") == "lazy"]
    assert len(images) == 4
    for image in images:
        assert HOSTILE in image["alt"]
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition("base64,")[2])))
        assert picture.size == (192, 128)
    shown = shown_of(comparison, 4, seed=1)
    rungs = [rung for exhibit in shown for ladder in exhibit.ladders for rung in ladder.rungs]
    items = [item for item in page.having("li") if "data-true" in item]
    marked = [item for item in items if "true" in item.get("class", "").split()]
    assert 0 < sum(rung.true for rung in rungs) < len(rungs)
    assert len(marked) == sum(rung.true for rung in rungs)


def test_exhibits_put_disagreement_first_and_know_what_is_true(comparison):
    euclidean, lorentz, *_ = comparison.results
    climbs = [("thing", "thing 1"), ("thing",), ("nothing", "thing 2")] + [("thing",)] * 6
    others = [("thing", "thing 1"), ("thing", "idea"), ("small thing 2",)] + [("thing",)] * 6
    told = (replace(euclidean, ladders=tuple(climbs)), replace(lorentz, ladders=tuple(others)))
    shown = shown_of(replace(comparison, results=told), 9, seed=0)
    assert [each.name for each in shown] == [f"image {number}" for number in (2, 1, 0, 3, 4, 5, 6, 7, 8)]
    rungs = [[(rung.caption, rung.true, rung.common) for rung in ladder.rungs] for ladder in shown[0].ladders]
    assert rungs == [[("nothing", False, False), ("thing 2", True, False)], [("small thing 2", True, False)]]
    assert [ladder.precision for ladder in shown[0].ladders] == [0.5, 1.0]
    assert [ladder.recall for ladder in shown[1].ladders] == [0.25, 0.25]
    assert [rung.common for rung in shown[1].ladders[1].rungs] == [True, False]


class Numbered:
    """A caption is true of the picture whose number it ends with, and "thing" of all."""

    def entails(self, specific, general):
        raise NotImplementedError

    def is_true(self, caption, image):
        return caption == "thing" or caption.endswith(str(image.image_id))


def test_cards_show_different_kinds_in_the_space_where_most_steps_are_true(comparison):
    data = hierarchy(4)
    rows = tuple(replace(row, positive=(f"kind {i // 2}", *row.positive[1:])) for i, row in enumerate(data.rows))
    embedded = replace(comparison.embedded, hierarchy=replace(data, rows=rows, truth=Numbered()))
    euclidean, lorentz, *_ = comparison.results
    climbs = [("thing", "toy 0"), ("thing", "big thing", "toy 1"), ("toy 9",), ("thing", "red 3", "toy 3")]
    told = {"a": replace(euclidean, ladders=(("toy 9",),) * 4), "b": replace(lorentz, ladders=tuple(climbs))}
    shown = cards(embedded, told)
    assert (shown.title, shown.share) == ("b", pytest.approx((1 + 2 / 3 + 0 + 1) / 4))
    marks = [[(step.caption, step.true) for step in card.steps] for card in shown.cards]
    assert marks == [[(text, True) for text in climbs[3]], [(text, True) for text in climbs[0]]]
    assert [card.caption for card in shown.cards] == [rows[3].positive[-1], rows[0].positive[-1]]
    assert cards(embedded, {"a": replace(euclidean, ladders=())}) is None


def test_an_unreadable_image_leaves_a_sentence_in_its_place(tmp_path):
    def fail():
        raise UnavailableError("image <7> is not there.")

    rows = hierarchy(3)
    broken = Hierarchy("toys", "test", rows.rows, (ImageRef(0, fail), *rows.images[1:]))
    page = read(write_page(compared(data=broken), tmp_path / "page.html"))
    assert len([image for image in page.having("img") if image.get("loading") == "lazy"]) == 2
    assert "No picture: image <7> is not there." in page.text


def test_page_needs_at_least_one_image_and_writes_nothing_otherwise(comparison, tmp_path):
    with pytest.raises(InputError, match="at least 1 image"):
        write_page(comparison, tmp_path / "page.html", images=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_real_comparison(data_home, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(data_home))
    npz = data_home / "embeddings" / "hierarcaps_minilm_lit.npz"
    spaces = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]
    comparison = hiergeo.compare(f"npz:{npz}", "hierarcaps", spaces, samples=200)
    path = write_page(comparison, tmp_path / "page.html")
    page = read(path)
    assert comparison.conclusion.headline in page.text
    assert "0.718" in page.text
    assert "words alone 0.890" in page.text
    assert "words alone 0.407" in page.text  # of precision: counting words is ahead of every space
    assert "0.159" in page.text
    assert "0.403" in page.text
    assert len([image for image in page.having("img") if image.get("loading") == "lazy"]) == 12
    assert str(npz.parent) not in page.text
    assert path.stat().st_size < 1_000_000
