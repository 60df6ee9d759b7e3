"""Maps of indexes: positions against ranks by scipy, payloads, and collections of every special kind."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from hiergeo import Space, search
from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing.population import IMAGE
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.mapping import REACH, Map, build_map
from hiergeo.search import Index

pytestmark = pytest.mark.filterwarnings("ignore:this space has no root")

DIM = 8
SPACES = ("euclidean", "lorentz:-1", "poincare:-0.25", "sphere:0.3")


def lens(index: Index, spec: str | None = None) -> Lens:
    return Lens("0", "test", "test", index, index.chosen(spec))


def built(folder: Path, rows: torch.Tensor, space: Space | str = "euclidean", **settings: Any) -> Index:
    return search.build(folder / "index", None, embeddings=rows, space=space, **settings)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(500, DIM) + 0.5, dim=1) * torch.rand(500, 1) * 4
    rows[7] = 0
    return built(tmp_path_factory.mktemp("map"), rows, dtype="float32", captions=[f"word {i}" for i in range(500)])


def places_of(made: Map, ids: np.ndarray) -> np.ndarray:
    """Coordinates (n, 2) of items."""
    rows = made.ids.argsort()[np.searchsorted(np.sort(made.ids), ids)]
    return np.stack([made.x[rows], made.y[rows]], axis=1).astype(np.float64)


@pytest.mark.parametrize("spec", SPACES)
def test_areas_and_angles_hold_equally_many_items(index, spec):
    made = build_map(lens(index, spec))
    radii = index.store.fetch(torch.arange(500)).radii[:, 0].numpy()
    places = places_of(made, np.arange(500))
    share = (rankdata(radii) - 0.5) / 500
    assert np.linalg.norm(places, axis=1) == pytest.approx(REACH * np.sqrt(share), rel=1e-6)
    turns = np.sort(np.arctan2(*places.T[::-1]) % (2 * math.pi)) / (2 * math.pi)
    assert turns == pytest.approx((np.arange(500) + 0.5) / 500, abs=2 / 500)
    facts = made.facts()
    assert (facts["reach"], facts["low"], facts["high"]) == (REACH, 0, pytest.approx(float(radii.max())))
    for ring in facts["circles"]:
        inside = np.linalg.norm(places, axis=1) < ring["z"]
        assert inside.mean() == pytest.approx((ring["z"] / REACH) ** 2, abs=0.002)
        assert np.array_equal(inside, radii <= np.float32(ring["radius"]))
    assert facts["version"] == build_map(lens(index, "euclidean")).version, "radii and directions are the same"


def test_what_is_alike_lies_side_by_side_and_queries_lie_among_it(tmp_path):
    torch.manual_seed(3)
    kinds = torch.arange(400) % 8
    rows = torch.eye(8)[kinds] + 0.1 * torch.randn(400, 8)
    made = build_map(lens(built(tmp_path, rows * torch.rand(400, 1), dtype="float32")))
    around = kinds.numpy()[np.arctan2(*places_of(made, np.arange(400)).T[::-1]).argsort()]
    assert (around != np.roll(around, 1)).sum() == 8
    asked = made.disc.places(Space("euclidean").points(torch.eye(8)))
    angles, theirs = (np.arctan2(*at.T[::-1]) for at in (places_of(made, np.arange(400)), asked))
    beside = np.abs(np.angle(np.exp(1j * (angles[:, None] - theirs)))).argmin(0)
    assert kinds.numpy()[beside].tolist() == list(range(8))


def read(payload: bytes) -> dict[str, np.ndarray]:
    """A tile as a reader of its description takes it apart."""
    count, nothing = struct.unpack_from("<II", payload)
    assert nothing == 0
    at, columns = 8, {}
    for name, kind in (("id", "<u8"), ("x", "<f4"), ("y", "<f4"), ("radius", "<f4"), ("tier", "i1"), ("kind", "u1")):
        columns[name] = np.frombuffer(payload, kind, count, at)
        at += count * np.dtype(kind).itemsize
    assert at == len(payload)
    return columns


def test_tiles_hold_every_item_once(tmp_path):
    torch.manual_seed(1)
    rows = torch.randn(9000, 4)
    ids = torch.randperm(1 << 20)[:9000] + (1 << 60)
    index = built(tmp_path, rows, ids=ids)
    made = build_map(lens(index, "lorentz:-1"))
    listed = made.facts()["tiles"]
    assert listed[0] == [0, 0, 0, 4096]
    assert sum(count for *_, count in listed) == 9000
    held = [read(made.tile(*tile)) for *tile, _ in listed]
    assert [len(tile["id"]) for tile in held] == [count for *_, count in listed]
    seen = np.concatenate([tile["id"] for tile in held])
    assert np.array_equal(np.sort(seen), np.sort(ids.numpy()))
    radius = np.concatenate([tile["radius"] for tile in held])
    away = np.hypot(*(np.concatenate([tile[name] for tile in held]) for name in "xy"))
    assert away == pytest.approx(REACH * np.sqrt((rankdata(radius) - 0.5) / 9000), rel=1e-5)
    assert radius[seen.argsort()] == pytest.approx(rows.norm(dim=1).numpy()[ids.argsort().numpy()], rel=1e-3)
    places = places_of(made, seen.astype(np.int64))
    assert [np.concatenate([tile[name] for tile in held]).tolist() for name in "xy"] == places.T.tolist()
    with pytest.raises(InputError, match="no tile"):
        made.tile(0, 1, 0)


SPECIAL = {
    "one item": torch.tensor([[1.0, 0, 0, 0]]),
    "one item at the root": torch.zeros(1, 4),
    "two items": torch.tensor([[1.0, 0, 0, 0], [0, 2.0, 0, 0]]),
    "opposite items": torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]),
    "all at the root": torch.zeros(40, 4),
    "all equal": torch.tensor([[0.3, -0.4, 0.1, 0.9]]).repeat(40, 1),
    "one direction": torch.arange(40.0)[:, None] * torch.tensor([[0.3, -0.4, 0.1, 0.9]]) / 20,
    "far apart": torch.randn(40, 4, generator=torch.Generator().manual_seed(0)) * torch.logspace(-30, 1, 40)[:, None],
    "one dimension": torch.tensor([[1.0], [2.0], [-0.5]]),
}


def sound(made: Map, count: int) -> None:
    facts = made.facts()
    assert facts["count"] == count
    assert np.isfinite([facts[name] for name in ("reach", "low", "high", "extent")]).all()
    places = places_of(made, np.arange(count))
    assert np.isfinite(places).all()
    assert (np.abs(places) <= facts["extent"]).all()
    assert (np.hypot(made.x, made.y) <= REACH + 1e-6).all()


@pytest.mark.parametrize("name", SPECIAL)
def test_special_collections_have_a_map(tmp_path, name):
    index = built(tmp_path, SPECIAL[name])
    for spec in ("euclidean", "lorentz:-1", "sphere:0.01"):
        made = build_map(lens(index, spec))
        sound(made, len(SPECIAL[name]))
    if name == "all equal":
        assert len(np.unique(places_of(made, np.arange(40)), axis=0)) == 1


def test_products_show_their_combined_radius(tmp_path):
    torch.manual_seed(2)
    rows = torch.randn(80, 6)
    index = built(tmp_path, rows, "product:lorentz:-1x4,euclidean:x2,l1")
    made = build_map(lens(index))
    combined = rows[:, :4].norm(dim=1) + rows[:, 4:].norm(dim=1)
    assert np.linalg.norm(places_of(made, np.arange(80)), axis=1).argsort().tolist() == combined.argsort().tolist()
    sound(made, 80)


def test_deleted_items_are_not_on_the_map_and_pictures_are_marked(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    index = built(tmp_path, torch.eye(4)[:2], images=[tmp_path / "a.png"] * 2)
    index.add(captions=["a dog", "a cat"], embeddings=torch.eye(4)[2:])
    made = build_map(lens(index))
    assert made.kind[made.ids.argsort()].tolist() == [IMAGE, IMAGE, 0, 0]
    assert (made.tier == -1).all()
    index.delete([3])
    assert sorted(build_map(lens(index)).ids.tolist()) == [0, 1, 2]
