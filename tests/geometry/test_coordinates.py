"""Coordinates of other libraries against geoopt in float64, and rows of a hyperboloid that nothing names."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import adapters, datasets, search, training
from hiergeo._core.errors import InputError
from hiergeo.geometry.coordinates import COORDINATES, Coordinates, refuse_hyperboloid
from tests.adapters import meru_common as meru

geoopt = pytest.importorskip("geoopt")


def vectors(seed: int, count: int = 40, dim: int = 5, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=1)
    return (directions * 2 * torch.rand(count, 1, generator=generator, dtype=torch.float64)).to(dtype)


def of_geoopt(v: torch.Tensor, name: str, curvature: float) -> torch.Tensor:
    """The coordinates of exp_0(v), by geoopt."""
    c = torch.tensor(-curvature, dtype=torch.float64)
    if name == "ball":
        return geoopt.PoincareBall(c=c).expmap0(v / 2)
    hyperboloid = geoopt.Lorentz(k=1 / c)
    rows = hyperboloid.expmap0(torch.cat((torch.zeros_like(v[:, :1]), v), dim=1))
    if name == "lorentz-space":
        return rows[:, 1:]
    return rows * torch.tensor([-1.0] + [1.0] * v.shape[1]) if name == "negated-time" else rows


@pytest.mark.parametrize("name", COORDINATES)
@given(seed=st.integers(0, 999), curvature=st.floats(-4, -0.05))
def test_coordinates_are_those_of_geoopt_both_ways(name, seed, curvature):
    v, coordinates = vectors(seed), Coordinates(name, curvature)
    expected = of_geoopt(v, name, curvature)
    assert torch.allclose(coordinates.points(v), expected, rtol=1e-10, atol=1e-10)
    assert torch.allclose(coordinates.tangent(expected), v, rtol=1e-8, atol=1e-8)
    assert coordinates.tangent(expected).shape[1] == coordinates.dim(expected.shape[1]) == v.shape[1]


@given(seed=st.integers(0, 999), curvature=st.floats(-4, -0.05))
def test_the_inner_product_with_negated_time_ranks_by_distance(seed, curvature):
    v = vectors(seed, 30)
    stored, queries = (Coordinates(name, curvature).points(v) for name in ("negated-time", "hyperboloid"))
    distance = geoopt.Lorentz(k=torch.tensor(-1 / curvature, dtype=torch.float64)).dist(queries[:, None], queries[None])
    inner = queries @ stored.T
    assert torch.allclose(inner, torch.cosh(math.sqrt(-curvature) * distance) / curvature, rtol=1e-6)
    others = ~torch.eye(len(v), dtype=torch.bool)  # geoopt's distance of a point from itself is not 0
    for mine, far, other in zip(inner, distance, others, strict=True):
        assert torch.equal(mine[other].argsort(descending=True), far[other].argsort())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("curvature", [-0.1, -1.0, -2.7])
def test_rows_on_a_hyperboloid_are_refused_with_what_they_are(dtype, curvature):
    rows = Coordinates("hyperboloid", curvature).points(vectors(0)).to(dtype)
    for given_rows, said in ((rows, "coordinates=hyperboloid"), (rows * torch.tensor([-1] + [1] * 5), "negated-time")):
        with pytest.raises(InputError, match=said) as caught:
            refuse_hyperboloid(given_rows, "the rows", "?{}")
        found = float(str(caught.value).rpartition("curvature=")[2].rstrip("."))
        assert found == pytest.approx(curvature, rel=200 * torch.finfo(dtype).eps)
    with pytest.raises(InputError, match="last"):
        refuse_hyperboloid(rows.roll(-1, dims=1), "the rows", "?{}")


@given(seed=st.integers(0, 999), kind=st.sampled_from(["normal", "unit", "tangent", "ball", "positive", "scaled"]))
def test_other_rows_are_not_taken_for_a_hyperboloid(seed, kind):
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(seed))
    rows = {
        "normal": x,
        "unit": torch.nn.functional.normalize(x, dim=1),
        "tangent": vectors(seed),
        "ball": Coordinates("ball", -1.0).points(vectors(seed)),
        "positive": x.abs(),
        "scaled": torch.cat((torch.ones(20, 1), torch.nn.functional.normalize(x, dim=1) / 2), dim=1),
    }[kind]
    refuse_hyperboloid(rows, "the rows", "{}")


def test_rows_that_were_lists_of_float32_are_points() -> None:
    there = Coordinates("hyperboloid", -1.0)
    vectors = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    listed = torch.tensor(there.points(vectors).float().tolist(), dtype=torch.float64)
    torch.testing.assert_close(there.tangent(listed).double(), vectors, atol=1e-5, rtol=0)
    wrong = listed.float()
    wrong[3, 0] += 1e-4
    with pytest.raises(InputError, match="row 3"):
        there.tangent(wrong.double())


def test_wrong_coordinates_are_refused():
    with pytest.raises(InputError, match="hyperboloid"):
        Coordinates("hyperbolid", -1.0)
    for curvature in (0.0, 1.0, math.nan, -math.inf):
        with pytest.raises(InputError, match="curvature"):
            Coordinates("ball", curvature)
    rows = Coordinates("hyperboloid", -1.0).points(vectors(0))
    for name, broken, named in (
        ("hyperboloid", rows * 1.01, "row 0"),
        ("hyperboloid", rows.roll(1, dims=1), "row 0"),
        ("ball", torch.full((2, 5), 0.6), "outside"),
    ):
        with pytest.raises(InputError, match=named):
            Coordinates(name, -1.0).tangent(broken)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    v = vectors(3, 12, dtype=torch.float32)
    rows = Coordinates("hyperboloid", -0.5).points(v).numpy()
    return {
        "text": rows,
        "caption": np.array([f"text {k}" for k in range(12)]),
        "image": rows[:3],
        "image_id": np.array([1, 2, 3]),
    }


@pytest.mark.parametrize("named", ["in the spec", "in the file"])
def test_a_file_of_points_is_a_model_in_its_space(named, arrays, tmp_path):
    path, v = tmp_path / "points.npz", vectors(3, 12, dtype=torch.float32)
    facts = {"coordinates": "hyperboloid", "curvature": -0.5}
    np.savez(path, **arrays, **(facts if named == "in the file" else {}))
    options = "" if named == "in the file" else "?coordinates=hyperboloid&curvature=-0.5"
    model = adapters.load(f"npz:{path}{options}")
    x = model.encode_text(arrays["caption"])
    assert (x - v).abs().max() < 1e-6
    assert (model.encode_image(["3.jpg"]) - v[2]).abs().max() < 1e-6
    assert not model.root().any()
    space = model.native_space()
    expected = geoopt.Lorentz(k=torch.tensor(2.0, dtype=torch.float64)).dist(
        *(torch.from_numpy(arrays["text"][at]).double() for at in ([0, 1], [2, 3]))
    )
    assert torch.allclose(space.distance(x[:2], x[2:4]).double(), expected, rtol=1e-5)
    assert adapters.load(model.name).fingerprint() == model.fingerprint()


def test_a_file_of_points_is_never_read_as_flat(arrays, tmp_path):
    path = tmp_path / "points.npz"
    for root in ({}, {"root": arrays["text"][0]}):
        np.savez(path, **arrays, **root)
        with pytest.raises(InputError, match=r"coordinates=hyperboloid&curvature=-0\.5"):
            adapters.load(f"npz:{path}")
    for options in ("", "@mean", "?norms=keep"):
        with pytest.raises(InputError, match=r"coordinates=hyperboloid&curvature=-0\.5"):
            adapters.load(f"npz:{path}{options}")
    for options, named in (
        ("?coordinates=hyperboloid", "curvature=-1"),
        ("?coordinates=hyperboloid&curvature=-1", "hyperboloid&curvature=-1.0"),
        ("?coordinates=hyperboloid&curvature=x", "curvature"),
        ("?coordinate=ball&curvature=-1", "did you mean"),
    ):
        with pytest.raises(InputError, match=named):
            adapters.load(f"npz:{path}{options}")


def test_a_file_that_names_coordinates_needs_their_curvature(arrays, tmp_path):
    path = tmp_path / "points.npz"
    space = {"text": arrays["text"][:, 1:], "caption": arrays["caption"], "coordinates": "lorentz-space"}
    np.savez(path, **space)
    for read in (lambda: adapters.load(f"npz:{path}"), lambda: search.build(tmp_path / "ix", None, embeddings=path)):
        with pytest.raises(InputError, match="need a curvature"):
            read()


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_an_index_of_points_searches_their_space(ending, arrays, tmp_path, run):
    path, v = tmp_path / f"points.{ending}", vectors(3, 12, dtype=torch.float32)
    np.savez(path, **arrays) if ending == "npz" else np.save(path, arrays["text"])
    with pytest.raises(InputError, match=r"coordinates=hyperboloid&curvature=-0\.5"):
        search.build(tmp_path / "flat", None, embeddings=path)
    index = search.build(
        tmp_path / "ix", None, embeddings=f"{path}?coordinates=hyperboloid&curvature=-0.5", dtype="float32"
    )
    assert index.space.geometry.spec == "lorentz:-0.5"
    assert not index.space.root.any()
    expected = geoopt.Lorentz(k=torch.tensor(2.0, dtype=torch.float64)).dist(
        torch.from_numpy(arrays["text"][:1]).double(), torch.from_numpy(arrays["text"]).double()
    )
    found = index.neighbours(v[0], 12)
    for item in found.hits:
        assert item.distance == pytest.approx(float(expected[item.id]), abs=2e-4)
    spec = f"{path}?coordinates=hyperboloid&curvature=-0.5"
    for options, geometry in ((["--min-radius", "0.2"], "lorentz:-0.5"), (["-g", "euclidean"], "euclidean")):
        run("index", "build", tmp_path / geometry, "--embeddings", spec, *options)
        assert search.open(tmp_path / geometry).space.geometry.spec == geometry
    with pytest.raises(InputError, match="coordinates"):
        search.build(tmp_path / "tensor", None, embeddings=torch.from_numpy(arrays["text"]))


@pytest.mark.parametrize("name", COORDINATES)
def test_embeddings_of_a_hyperbolic_model_are_written_as_points_and_read_back(name, tmp_path):
    numbers = {"curv": math.log(0.37), "visual_alpha": -0.8, "textual_alpha": -0.4, "logit_scale": 2.0}
    file = meru.write(tmp_path / "meru.pth", meru.state(**numbers))
    model, scenes = adapters.load(f"meru:{file}{meru.OPTIONS}"), datasets.load("scenes", count=2)
    out = adapters.embed(model, scenes, tmp_path / "points.npz", coordinates=name)
    again = adapters.load(f"npz:{out}")
    texts = list(scenes.texts)
    assert again.native_space().geometry.value == pytest.approx(-0.37, rel=1e-6)
    assert torch.allclose(again.encode_text(texts), model.encode_text(texts), atol=1e-5)
    assert torch.allclose(again.root(), model.root(), atol=1e-5)
    with pytest.raises(InputError, match=f"{name} coordinates"):
        training.from_file(out)
    with pytest.raises(InputError, match="free norms"):
        adapters.embed(model, scenes, tmp_path / "unit.npz")
    with pytest.raises(InputError, match="no hyperbolic space"):
        adapters.embed(adapters.load("tiny"), scenes, tmp_path / "tiny.npz", coordinates=name)
