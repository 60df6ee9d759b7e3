"""Fine-tuning a text tower: what is refused before work starts, in one sentence."""

import sys

import pytest

from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import Hierarchy, Row
from hiergeo.geometry import Lorentz
from hiergeo.training import TowerRecipe, fine_tune
from tests.training.tower_common import SHORT, scenes, tuned
from tests.training.training_common import stored


def made(rows: list[Row]) -> Hierarchy:
    return Hierarchy("made up", "train", tuple(rows))


GOOD = [Row(i, ("a", f"a {i}", f"a {i} b", f"a {i} b c"), ("b", f"c {i}", f"c {i} b", f"c {i} d c")) for i in range(30)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*GOOD, Row(9, ("a", "b", "c", "d"), ("z", "b", "y", "x"))], "a negative identical to its positive"),
        ([GOOD[0]] * 20, "one and the same row 20 times"),
        ([Row(i, row.positive, None) for i, row in enumerate(GOOD)], "no negative chains to train on"),
        (GOOD[:4], "lower the batch"),
    ],
)
def test_chains_that_teach_nothing_are_refused(rows, said, tmp_path):
    with pytest.raises(InputError, match=said):
        fine_tune(adapters.load("tiny"), made(rows), tmp_path / "a", recipe=TowerRecipe(**SHORT))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 0}, "batch"),
        ({"accumulate": None}, "accumulate"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"amp": "fp8"}, "did you mean 'fp16'"),
        ({"losses": {"ordr": 1.0}}, "did you mean 'order'"),
        ({"amp": "fp16"}, "float16 needs a GPU"),
        ({"validation": 1.5}, "the share of validation rows"),
    ],
)
def test_recipes_out_of_range_are_refused(change, said, tmp_path):
    with pytest.raises(InputError, match=said):
        tuned(tmp_path / "a", **change)
    assert not (tmp_path / "a").exists()


def test_models_and_geometries_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="no text tower"):
        fine_tune(stored(tmp_path / "base.npz"), scenes(), tmp_path / "a")
    with pytest.raises(InputError, match="dimensions"):
        tuned(tmp_path / "a", geometry="product:lorentz:-1x5")


def test_packages_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="wandb needs a package"):
        fine_tune(adapters.load("tiny"), scenes(), tmp_path / "a", log="wandb")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UnavailableError, match=r"training a tower needs accelerate.*hiergeo\[train\]"):
        tuned(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_test_images_are_refused(tmp_path, data_home):
    leaked = datasets.load("hierarcaps", "expanded-test").take(40)
    with pytest.raises(InputError, match="describe test images"):
        fine_tune(adapters.load("tiny"), leaked, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_model_that_came_of_no_training_is_never_replaced(tmp_path):
    precious = tmp_path / "a" / "model" / "weights.bin"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="was not created by hiergeo"):
            tuned(tmp_path / "a", overwrite=overwrite)
    assert precious.read_bytes() == b"precious"


def test_a_curvature_that_would_be_moved_at_once_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must begin within \[0.1, 10\]"):
        tuned(tmp_path / "a", geometry=Lorentz(-20.0, learnable=True))
