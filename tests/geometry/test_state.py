"""What a state says it is of, who takes it, and what a space says of itself."""

import copy
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hiergeo import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere, adapters, datasets
from hiergeo.errors import InputError
from hiergeo.evaluation import embed
from hiergeo.evaluation.measuring import ProtocolSettings, measure
from hiergeo.geometry import parse

ROOT = torch.linspace(-1, 1, 4)


def made(spec: str, root: object = None, **options: float) -> Space:
    return Space(parse(spec), root, **options)  # type: ignore[arg-type]  # options of tests are objects


OTHERS = [
    (Sphere(0.5, learnable=True), Lorentz(-0.5, learnable=True)),
    (Lorentz(-1), PoincareBall(-1)),
    (Lorentz(-1), Lorentz(-2)),
    (Lorentz(-1), Lorentz(-1, learnable=True)),
    (Lorentz(-1, learnable=True), Lorentz(-1)),
    (Product([(Lorentz(-1), 2), (Euclidean(), 2)]), Product([(Lorentz(-1), 3), (Euclidean(), 1)])),
    (Product([(Lorentz(-1), 4)]), Product([(Lorentz(-1), 4)], "l1")),
    (made("lorentz:-1", min_radius=0.1), made("lorentz:-3", min_radius=0.3)),
    (made("lorentz:-1", min_radius=0.1), made("lorentz:-1", min_radius=0.3)),
    (made("lorentz:-1", ROOT), made("lorentz:-1", nn.Parameter(ROOT))),
    (made("lorentz:-1", ROOT), made("lorentz:-1", ROOT[:3])),
    (made("lorentz:-1", ROOT), made("lorentz:-1")),
    (made("lorentz:-1", "none"), made("lorentz:-1", "model")),
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("module", "other"), OTHERS)
def test_a_state_is_refused_by_every_other_kind(module: nn.Module, other: nn.Module, strict: bool) -> None:
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(InputError):
        other.load_state_dict(module.state_dict(), strict=strict)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items()), "nothing is changed"


SAME = [
    lambda k, at: Space(Lorentz(-k, learnable=True), at * ROOT),
    lambda k, at: Space(parse(f"product:sphere:{k}?learnablex2,euclidean:x2,l1"), nn.Parameter(at * ROOT)),
]


@pytest.mark.parametrize("make", SAME)
def test_a_state_carries_what_was_learnt(make, tmp_path: Path) -> None:
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    learnt = make(0.7, 0.1)
    torch.save(learnt.state_dict(), tmp_path / "state.pt")
    save_file(learnt.state_dict(), tmp_path / "state.safetensors")
    states = [
        learnt.state_dict(),
        torch.load(tmp_path / "state.pt", weights_only=True),
        load_file(tmp_path / "state.safetensors"),
        {name: value.double() for name, value in learnt.state_dict().items()},
    ]
    for state in states:
        again = make(0.2, 0.3)
        assert not torch.equal(again.distance(x, x.flip(0)), learnt.distance(x, x.flip(0)))
        again.load_state_dict(state)
        assert torch.equal(again.distance(x, x.flip(0)), learnt.distance(x, x.flip(0)))
    for twin in (copy.deepcopy(learnt), pickle.loads(pickle.dumps(learnt))):
        assert twin.kind == learnt.kind
        assert torch.equal(twin.distance(x, x.flip(0)), learnt.distance(x, x.flip(0)))


@pytest.mark.parametrize("strict", [True, False])
def test_a_state_without_the_entry_loads_with_a_warning(strict: bool) -> None:
    space = Space(Lorentz(-1, learnable=True), torch.zeros(4))
    old = {"root": ROOT, "geometry.log_magnitude": torch.tensor(2.0).log()}
    with pytest.warns(UserWarning, match="earlier"):
        space.load_state_dict(old, strict=strict)
    assert torch.equal(space.state_dict()["root"], ROOT)
    assert space.geometry.value == pytest.approx(-2)


def test_a_space_within_a_model_is_told_from_another_one() -> None:
    def model(spec: str) -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 4), Space(parse(spec), torch.zeros(4)))

    state = model("lorentz:-1?learnable").state_dict()
    assert model("lorentz:-0.3?learnable").load_state_dict(state).missing_keys == []
    with pytest.raises(InputError):
        model("poincare:-1?learnable").load_state_dict(state)


@pytest.mark.parametrize("state", [torch.tensor([255, 254]), torch.tensor([]), "sphere:1", None])
def test_an_entry_of_somebody_else_is_refused(state: object) -> None:
    with pytest.raises(InputError):
        Lorentz(-1).load_state_dict({"_extra_state": state})


def test_a_space_says_its_root_scale_and_whether_it_learns() -> None:
    space = repr(Space(Lorentz(-1, learnable=True), nn.Parameter(torch.zeros(7)), min_radius=0.25))
    assert [part in space for part in ("lorentz:-1?learnable", "7", "learnable root", "0.25")] == [True] * 4
    assert "no root" in repr(Space("euclidean", "none"))
    assert "Space(euclidean" in repr(nn.Sequential(Space("euclidean")))


class TestUnitRows:
    rows = nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=-1)

    @pytest.mark.parametrize("spec", ["lorentz:-1", "sphere:0.25", "product:lorentz:-1x2,euclidean:x2"])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    def test_a_space_without_a_root_warns_once(self, spec: str, dtype: torch.dtype) -> None:
        space = Space(spec)
        with pytest.warns(UserWarning, match="root"):
            space.radius(self.rows.to(dtype))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            space.distance(self.rows.to(dtype), self.rows.to(dtype))

    @pytest.mark.parametrize(
        ("root", "rows"),
        [("none", rows), (ROOT, rows), ("model", 1.1 * rows), ("model", rows[:1]), ("model", rows[:0])],
    )
    def test_no_warning_where_it_is_meant_or_radii_differ(self, root: object, rows: torch.Tensor) -> None:
        made("lorentz:-1", root).radius(rows)


@pytest.mark.parametrize(
    "spec",
    [
        "lorentz:-1?learnable",
        "sphere:0.25?learnable",
        "product:lorentz:-1?learnablex2,euclidean:x2",
        "product:lorentz:-1?learnablex2,sphere:1?learnablex2,l1",
    ],
)
def test_learnable_specs_round_trip(spec: str) -> None:
    geometry = parse(spec)
    assert geometry.spec == parse(geometry.spec).spec == spec
    assert sum(parameter.requires_grad for parameter in geometry.parameters()) == spec.count("learnable")
    assert geometry.fixed().spec == spec.replace("?learnable", "")
    assert geometry.fixed().isometry_class == geometry.isometry_class
    assert geometry.learnable().spec == geometry.fixed().learnable().spec


def test_learnable_at_the_end_of_a_product_is_of_all_factors() -> None:
    spec = "product:lorentz:-2x2,euclidean:x1,sphere:3x2?learnable"
    assert parse(spec).spec == "product:lorentz:-2?learnablex2,euclidean:x1,sphere:3?learnablex2"
    assert parse(" lorentz?learnable ").spec == "lorentz:-1?learnable"


@pytest.mark.parametrize("spec", ["euclidean?learnable", "product:euclidean:x4?learnable", "lorentz:-1?learned"])
def test_a_spec_with_nothing_to_learn_is_refused(spec: str) -> None:
    with pytest.raises(InputError):
        parse(spec)


def test_a_result_names_the_curvature_that_it_measured(embedded) -> None:
    learnt = measure(embedded, Space("lorentz:-0.5?learnable"), ProtocolSettings("re", 5, 0, 20), progress=False)
    fixed = measure(embedded, Space("lorentz:-0.5"), ProtocolSettings("re", 5, 0, 20), progress=False)
    assert learnt.geometry == fixed.geometry == "lorentz:-0.5"
    assert learnt.metrics == pytest.approx(fixed.metrics, rel=1e-5)


@pytest.fixture
def embedded():
    return embed(adapters.load("tiny"), datasets.load("scenes").take(24))
