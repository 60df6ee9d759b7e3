"""SugarCrepe: the published rule on random rows, categories of unequal size, and files that are missing or damaged."""

import json
from pathlib import Path

import numpy as np
import pytest

from hiergeo import Space
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets.sugarcrepe import CATEGORIES, load_sugarcrepe
from hiergeo.evaluation import benchmarks
from tests.evaluation.benchmarks.pictures_common import Given


def written(folder: Path, sizes: dict[str, int]) -> dict[str, list[tuple[int, str, str]]]:
    """Files of made items, whose images are shared; the number of the image, the caption and the foil of each."""
    random = np.random.default_rng(0)
    made: dict[str, list[tuple[int, str, str]]] = {}
    numbers: dict[int, int] = {}
    for category in CATEGORIES:
        items = {}
        made[category] = []
        for place in range(sizes.get(category, 3)):
            file = int(random.integers(9))
            caption, foil = f"{category} {place}", f"{category} {place} not" if random.random() < 0.5 else f"no {place}"
            items[str(place)] = {"filename": f"{file}.jpg", "caption": caption, "negative_caption": foil}
            made[category].append((numbers.setdefault(file, len(numbers)), caption, foil))
        (folder / f"{category}.json").write_text(json.dumps(items))
    return made


def is_nearer(model: Given, geometry: str, image: int, caption: str, foil: str) -> bool:
    """The rule of the published script, or the distance on the hyperboloid of K = -1, in float64."""
    picture, true, false = (model.vector(what) for what in (f"image {image}", caption, foil))
    if geometry == "euclidean":
        return bool(true @ picture > false @ picture)

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        lifted = [(np.cosh(np.linalg.norm(v)), np.sinh(np.linalg.norm(v)) * v / np.linalg.norm(v)) for v in (x, y)]
        (time, space), (other_time, other_space) = lifted
        return float(np.arccosh(time * other_time - space @ other_space))

    return distance(picture, true) < distance(picture, false)


@pytest.mark.parametrize(("geometry", "reach"), [("euclidean", 0), ("lorentz:-1", 1.5)])
def test_scores_are_those_of_the_published_rule(tmp_path: Path, geometry: str, reach: float):
    made = written(tmp_path, {"add_att": 40, "swap_obj": 7})
    model = Given(dim=4, reach=reach)
    result = benchmarks.measure(model, "sugarcrepe", Space(geometry, "none"), data=str(tmp_path), samples=3)
    shares = {}
    longer = []
    for category, items in made.items():
        right = [is_nearer(model, geometry, *item) for item in items]
        shares[category] = np.mean(right)
        longer += [hit for hit, (_, caption, foil) in zip(right, items, strict=True) if len(caption) > len(foil)]
        by_length = np.mean([(1 + np.sign(len(foil) - len(caption))) / 2 for _, caption, foil in items])
        assert result.metrics[f"sugarcrepe_{category}"] == pytest.approx(shares[category], abs=1e-12)
        assert result.baselines[f"sugarcrepe_{category}"]["length"] == pytest.approx(by_length, abs=1e-12)
    assert 0 < shares["add_att"] < 1
    assert result.metrics["sugarcrepe"] == pytest.approx(np.mean(list(shares.values())), abs=1e-12)
    assert result.metrics["sugarcrepe_longer"] == pytest.approx(np.mean(longer), abs=1e-12)
    low, high = result.intervals["sugarcrepe"]
    assert 0 <= low < result.metrics["sugarcrepe"] < high <= 1
    assert (result.settings["texts"], result.settings["images"]) == (124, 9)


def test_a_tie_is_wrong(tmp_path: Path):
    written(tmp_path, {})
    item = {"filename": "0.jpg", "caption": "the same", "negative_caption": "the same"}
    (tmp_path / "add_obj.json").write_text(json.dumps({"0": item}))
    result = benchmarks.measure(Given(), "sugarcrepe", data=str(tmp_path), samples=3)
    assert result.metrics["sugarcrepe_add_obj"] == 0
    assert result.baselines["sugarcrepe_add_obj"]["length"] == 0.5


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path):
    written(tmp_path, {})
    assert len(load_sugarcrepe(tmp_path, take=2)) == 14
    (tmp_path / "add_att.json").write_text('{"0": {"filename": "../x.jpg", "caption": "a", "negative_caption": "b"}}')
    with pytest.raises(InputError, match=r"add_att\.json.*filename"):
        load_sugarcrepe(tmp_path)
    (tmp_path / "add_att.json").write_text("{}")
    with pytest.raises(InputError, match=r"add_att\.json"):
        load_sugarcrepe(tmp_path)
    (tmp_path / "add_att.json").unlink()
    with pytest.raises(UnavailableError, match=r"add_att\.json"):
        load_sugarcrepe(tmp_path)
