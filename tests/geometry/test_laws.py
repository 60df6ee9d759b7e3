"""Spaces of a law of pairs: every verb against the whole matrix of its formula in float64, and its gradients."""

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hiergeo
from hiergeo import Space, training
from hiergeo.errors import InputError, UnavailableError
from hiergeo.evaluation import embed
from hiergeo.geometry import PairLaw, parse
from hiergeo.geometry.space import By, Side
from hiergeo.geometry.spec import GEOMETRIES, recorded
from hiergeo.pairwise import laws
from hiergeo.pairwise.reference import admitted
from hiergeo.training import check_objective

DIM, N, M = 6, 37, 53


class L1(PairLaw):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().sum(-1)


class Inside(PairLaw):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return y.norm(dim=-1) - x.norm(dim=-1)


LEARNT = """
import torch
from hiergeo.geometry import PairLaw

class Weighted(PairLaw):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(64))

    def distance(self, x, y):
        return ((x - y).abs() * self.weight.to(x)).sum(-1)

    def margin(self, x, y):
        return -((x - y).clamp_min(0) * self.weight.to(x)).sum(-1)
"""


class Learnt(PairLaw):
    """A metric of learnt weights, and an entailment by a learnt slack."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 2, DIM, dtype=torch.float64))
        self.slack = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return ((x - y).square() * self.weight.to(x)).sum(-1).add(1e-3).sqrt()

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return self.slack.to(x) - (x - y).clamp_min(0).sum(-1)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "ROWS", 16)
    monkeypatch.setattr(laws, "NUMBERS", 16 * DIM * 8)


@pytest.fixture(params=[Learnt, lambda: parse("order")])
def space(request: pytest.FixtureRequest) -> Space:
    return Space(request.param(), rows(1, 9)[0] / 3)


def rows(n: int, seed: int) -> Tensor:
    return torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whole(space: Space, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Distances and margins of all pairs, by the formulas on broadcast rows."""
    law = space.geometry
    assert isinstance(law, PairLaw)
    assert space.root is not None
    a, b = law.rows(x - space.root)[..., :, None, :], law.rows(y - space.root)[..., None, :, :]
    return law.distance(a, b), law.margin(a, b)


def test_order_is_the_formula_of_the_paper() -> None:
    x, y = rows(N, 0), rows(M, 1)
    penalty = torch.maximum(torch.zeros(()), x.abs()[:, None] - y.abs()).square().sum(-1)
    space = Space("order", "none")
    torch.testing.assert_close(space.pairwise_margin(x, y).square(), penalty, rtol=1e-12, atol=1e-12)
    close = space.pairwise_margin(x.float(), y.float())
    torch.testing.assert_close(close.double(), -penalty.sqrt(), rtol=1e-5, atol=1e-6)
    assert bool(space.entails(torch.zeros(DIM, dtype=torch.float64), x).all()), "the root entails everything"
    assert bool(space.entails(x, 1.5 * x).all())
    assert not bool(space.entails(1.5 * x, x).any())
    whole = torch.randint(0, 3, (40, DIM), generator=torch.Generator().manual_seed(2))
    for dtype in (torch.float32, torch.float64):
        z = whole.to(dtype).requires_grad_()
        assert torch.equal(space.pairwise_margin(z, z) >= 0, (whole[:, None] <= whole).all(-1)), "ties are ties"


def test_scores_and_sums(space: Space) -> None:
    x, y = rows(N, 0), rows(M, 1)
    distance, margin = whole(space, x, y)
    energy, hinge = (-margin).clamp_min(0), (0.4 - (-margin).clamp_min(0)).clamp_min(0)
    for a, b in ((x, y), (space.points(x), space.points(y))):
        torch.testing.assert_close(space.pairwise_distance(a, b), distance)
        torch.testing.assert_close(space.pairwise_margin(a, b), margin)
        torch.testing.assert_close(space.energy_sum(a, b), energy.sum(-1))
        torch.testing.assert_close(space.hinge_sum(a, b, 0.4), hinge.sum(-1))
        torch.testing.assert_close(space.hinge_total(a, b, 0.4), hinge.sum())
        values, indices = space.energy_min(a, b)
        torch.testing.assert_close(values, energy.amin(-1))
        torch.testing.assert_close(energy.gather(1, indices[:, None])[:, 0], values)
    torch.testing.assert_close(space.distance(x[:, None], y), distance)
    torch.testing.assert_close(space.margin(x[:, None], y), margin)
    torch.testing.assert_close(space.energy(x[:, None], y), energy)


def test_searches(space: Space) -> None:
    x, y = rows(N, 0), rows(M, 1)
    distance, margin = whole(space, x, y)
    upwards = whole(space, y, x)[1].T
    orders: dict[tuple[By, Side], Tensor] = {
        ("distance", "children"): distance,
        ("margin", "children"): -margin,
        ("margin", "parents"): -upwards,
    }
    for (by, side), scores in orders.items():
        values, indices = space.topk(x, y, 5, by=by, side=side)
        expected, columns = scores.sort(dim=1, stable=True)
        torch.testing.assert_close(values, -expected[:, :5] if by == "margin" else expected[:, :5])
        assert torch.equal(indices, columns[:, :5])
        rank = space.rank(x, y, indices[:, 3], by=by, side=side)
        assert torch.equal(rank, torch.full_like(rank, 3))
    assert torch.equal(space.count(x, y), (margin >= 0).sum(1))
    assert torch.equal(space.count_within(x, y, 2.0), (distance <= 2).sum(1))
    crow, col = space.members(x, y)
    assert torch.equal(crow.diff(), (margin >= 0).sum(1))
    assert torch.equal(col, (margin >= 0).nonzero()[:, 1])
    radius, thresholds = space.radius(y), torch.linspace(1, 3, 7, dtype=torch.float64)
    within = torch.where(radius[None, None] <= thresholds[None, :, None], distance[:, None], torch.inf)
    expected = torch.where(within.amin(-1).isinf(), -1, within.argmin(-1))
    assert torch.equal(space.ladder(x, y, thresholds), expected)
    assert len(admitted(radius, thresholds, None)[1]) == 7


def test_contrast(space: Space) -> None:
    x, y, labels = rows(N, 0), rows(M, 1), torch.arange(M) % 7
    z = 0.3 - 2.0 * whole(space, x, y)[0]
    found = space.contrastive(x, y, 2.0, 0.3, labels=(labels[:N], labels))
    match = labels[:N, None] == labels
    torch.testing.assert_close(found.rows, z.logsumexp(1))
    torch.testing.assert_close(found.columns, z.logsumexp(0))
    torch.testing.assert_close(found.matched_rows, (z * match).sum(1))
    soft = space.contrastive(x, y, 2.0, 0.3, reduction="softplus")
    torch.testing.assert_close(soft.columns, torch.nn.functional.softplus(z).sum(0))


SCALE = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
LABELS = torch.arange(N) % 7, torch.arange(M) % 7


def matched(space: Space, x: Tensor, y: Tensor) -> Tensor:
    reduced = space.contrastive(x, y, SCALE, labels=LABELS, squared=True, reduction="softplus")
    return reduced.rows.sin().sum() + reduced.matched_rows.sin().sum() + 2 * reduced.matched_columns.sum()


def matched_whole(distance: Tensor, _: Tensor) -> Tensor:
    z = -SCALE * distance.square() / 2
    own = z * (LABELS[0][:, None] == LABELS[1])
    return torch.nn.functional.softplus(z).sum(-1).sin().sum() + own.sum(-1).sin().sum() + 2 * own.sum()


DIFFERENTIABLE: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "distance": (lambda s, x, y: s.pairwise_distance(x, y).sin().sum(), lambda d, m: d.sin().sum()),
    "margin": (lambda s, x, y: s.pairwise_margin(x, y).sin().sum(), lambda d, m: m.sin().sum()),
    "energy": (lambda s, x, y: s.energy_sum(x, y).sin().sum(), lambda d, m: (-m).clamp_min(0).sum(-1).sin().sum()),
    "hinge": (
        lambda s, x, y: s.hinge_total(x, y, 0.4).sum(),
        lambda d, m: (0.4 - (-m).clamp_min(0)).clamp_min(0).sum(),
    ),
    "least": (lambda s, x, y: s.energy_min(x, y)[0].sum(), lambda d, m: (-m).clamp_min(0).amin(-1).sum()),
    "matched": (matched, matched_whole),
    "contrast": (
        lambda s, x, y: s.contrastive(x, y, SCALE).rows.sin().sum() + s.contrastive(x, y, SCALE).columns.sum(),
        lambda d, m: (-SCALE * d).logsumexp(-1).sin().sum() + (-SCALE * d).logsumexp(-2).sum(),
    ),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_gradients_are_those_of_the_whole_matrix(space: Space, name: str, batch: tuple[int, ...]) -> None:
    x, y = (rows(n * 2, seed).view(2, n, DIM)[: (len(batch) and 2) or 1] for n, seed in ((N, 0), (M, 1)))
    x, y = ((of if batch else of[0]).clone().requires_grad_() for of in (x, y))
    tiled, formula = DIFFERENTIABLE[name]
    inputs = x, y, *space.geometry.parameters(), SCALE
    value, expected = tiled(space, x, y), formula(*whole(space, x, y))
    torch.testing.assert_close(value, expected)
    found, wanted = (torch.autograd.grad(v, inputs, allow_unused=True) for v in (value, expected))
    for of, *gradients in zip(inputs, found, wanted, strict=True):
        a, b = (torch.zeros_like(of) if gradient is None else gradient for gradient in gradients)
        torch.testing.assert_close(a, b)


def test_gradients_keep_no_pairs() -> None:
    """What a reduction of all pairs saves for its backward pass is of the size of the rows."""
    space = Space(Learnt(), "none")
    x, y = rows(60, 0).requires_grad_(), rows(90, 1).requires_grad_()
    saved: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        total = space.energy_sum(x, y).sum() + space.contrastive(x, y, 1.0).rows.sum()
    total.backward()
    assert x.grad is not None
    assert max(saved) <= 90 * DIM


def test_rows_with_nan_are_never_counted_and_harm_no_other(space: Space) -> None:
    x, y = rows(N, 0), rows(M, 1)
    y[3, 2] = torch.nan
    x[1, 0] = torch.inf
    x.requires_grad_()
    assert bool(space.pairwise_distance(x, y)[:, 3].isnan().all())
    assert bool(space.pairwise_margin(x, y)[1].isnan().all())
    assert 3 not in space.topk(x, y, M, by="margin")[1]
    (gradient,) = torch.autograd.grad(space.pairwise_distance(x, y).nan_to_num().sum(), x)
    assert bool(gradient[[0, *range(2, N)]].isfinite().all())


class Quick(L1):
    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, p=1)


class Flat(L1):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


class Whole(L1):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x > y).sum(-1)


class Raising(L1):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        raise ValueError("boom")


class Empty(L1):
    def rows(self, v: Tensor) -> Tensor:
        return v[..., :0]


def test_a_law_may_measure_blocks_its_own_way() -> None:
    space, own = Space(L1(), "none"), Space(Quick(), "none")
    x, y = rows(40, 0).requires_grad_(), rows(50, 1)
    values = [of.pairwise_distance(x, y) for of in (space, own)]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value.square().sum(), x) for value in values))
    assert torch.equal(space.topk(x, y, 3)[1], own.topk(x, y, 3)[1])
    for wrong, words in ((Flat(), r"flat.*shape"), (Whole(), r"whole.*int64"), (Raising(), r"raising.*boom")):
        with pytest.raises(InputError, match=words):
            Space(wrong, "none").pairwise_distance(x, y)
    with pytest.raises(InputError, match="empty"):
        Space(Empty(), "none").pairwise_distance(x, y)
    (first,) = torch.autograd.grad(own.pairwise_distance(x, y).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentia"):
        torch.autograd.grad(first.sum(), x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_a_formula_may_be_compiled() -> None:
    law, x, y = L1(), rows(40, 0).requires_grad_(), rows(50, 1)
    law.distance = torch.compile(law.distance, dynamic=True, backend="aot_eager")  # type: ignore[method-assign]
    values = [Space(of, "none").pairwise_distance(x, y) for of in (law, L1())]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value.square().sum(), x) for value in values))


def test_what_a_law_lacks_is_refused() -> None:
    space, x = Space(L1(), "none"), rows(4, 0)
    assert space.geometry.measures == {"distance"}
    torch.testing.assert_close(space.pairwise_distance(x, x), torch.cdist(x, x, p=1))
    for refused in (
        lambda: space.pairwise_margin(x, x),
        lambda: space.entails(x, x),
        lambda: space.topk(x, x, 1, by="margin"),
        lambda: space.topk(x, x, 1, by="angle"),
        lambda: Space("order", "none").topk(x, x, 1, by="angle"),
        lambda: space.exterior_angle(x, x),
        lambda: space.half_aperture(x),
        lambda: space.to_ambient(x),
        lambda: Space("order", "none").margin(x, x, min_radius=0.5),
        lambda: Space("order", "none").margin(x, x, aperture_scale=0.5),
    ):
        with pytest.raises(InputError, match=r"l1|order"):
            refused()


class Untouched(hiergeo.adapters.Model):
    """A model that must not be asked for an embedding."""

    name, dim = "untouched", 6

    def fingerprint(self) -> str:
        return "0"

    def text_rows(self, texts: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("formulas", "learnt", "named"),
    [
        ({"distance": lambda _, x, y: (x - y).abs().sum()}, False, r"distance .* gives \(\)"),
        ({"distance": lambda _, x, y: (x - y).abs()}, False, "distance"),
        ({"distance": lambda _, x, y: float((x - y).abs().sum())}, False, "float"),
        ({"distance": lambda _, x, y: -(x - y).abs().sum(-1)}, False, ">= 0"),
        ({"distance": lambda _, x, y: (x @ y).sum(-1)}, False, "distance fails"),
        ({"margin": lambda _, x, y: (x - y).sum(-1).log()}, False, "margin gives NaN"),
        ({"margin": lambda _, x, y: (x - y).sum(-1), "rows": lambda _, v: v.sum(-1)}, False, "rows"),
        ({"margin": lambda _, x, y: (x - y).sum(-1), "radius": lambda _, x: x}, False, "radius"),
        ({"margin": lambda _, x, y: (x - y).sum(-1).detach()}, True, "margin has no gradient"),
        ({"distance": lambda _, x, y: (x - y).abs().sum(-1) + 0 * (x[..., 0] * 0).sqrt()}, True, "not finite"),
    ],
)
def test_a_law_that_fails_is_named_before_anything_is_embedded(formulas: Any, learnt: bool, named: str) -> None:
    law = type("Mine", (PairLaw,), formulas)()
    with pytest.raises(InputError, match=named):
        law.try_out(6, learnt=learnt)
    if not learnt:
        with pytest.raises(InputError, match=named):
            hiergeo.evaluate(Untouched(), hiergeo.datasets.load("scenes", count=4), law)
    else:
        law.try_out(6)
        with pytest.raises(InputError, match=named):
            check_objective({"order": 1.0}, [law], 6, [6])


def test_laws_of_hiergeo_pass_their_trial() -> None:
    named = ("order", "box", "gaussian", "shadow", "penumbral")
    for law in map(parse, named):
        assert isinstance(law, PairLaw)
        law.try_out(8, learnt=True)
    made = (GEOMETRIES.get(name) for name in GEOMETRIES.own)
    assert sum(isinstance(one, type) and issubclass(one, PairLaw) for one in made) == len(named)


def test_specs_of_files_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch\nfrom hiergeo.geometry import PairLaw\nclass Power(PairLaw):\n"
    code += "    def __init__(self, p=2.0):\n        super().__init__()\n        self.p = p\n"
    code += "    def distance(self, x, y):\n        return torch.linalg.vector_norm(x - y, ord=self.p, dim=-1)\n"
    (tmp_path / "my_power.py").write_text(code)
    spec, x = f"{tmp_path}/my_power.py:Power:3", rows(4, 0)
    with pytest.raises(InputError, match="my_power"):
        recorded(spec)  # which a file of others says
    space = Space(spec, "none")
    torch.testing.assert_close(space.pairwise_distance(x, x), torch.cdist(x, x, p=3))
    assert parse(space.geometry.spec).spec == recorded(spec).spec == spec
    monkeypatch.syspath_prepend(tmp_path)
    torch.testing.assert_close(Space("my_power:Power", "none").pairwise_distance(x, x), torch.cdist(x, x))
    (tmp_path / "broken.py").write_text("raise SystemExit('no')\n")
    for wrong in ("my_power.py:Power", f"{tmp_path}/my_power.py:Other", "my_power:torch", "my_power:Power:x"):
        with pytest.raises(InputError):
            parse(wrong)
    with pytest.raises(UnavailableError, match="no"):
        parse(f"{tmp_path}/broken.py:Law")
    assert not [name for name in sys.modules if name.startswith("hiergeo_file_") and "broken" in name]


@pytest.mark.slow
def test_a_law_is_compared_and_its_metrics_need_what_they_ask_for() -> None:
    model, data = hiergeo.adapters.load("tiny"), hiergeo.datasets.load("scenes", split="test", count=40)
    result = hiergeo.evaluate(model, data, "order", samples=20)
    assert result.settings["geometry"] == "order"
    assert "in_cone" in result.diagnostics
    assert "curvature" not in result.diagnostics
    assert result.answers["curvature"].word == "inapplicable"
    pairs = hiergeo.evaluate(model, data, "order", "pairs", samples=20)
    assert "auroc_margin" in pairs.metrics
    assert "auroc" not in pairs.metrics
    hiergeo.evaluate(model, data, "order", "traversal", samples=20)
    with pytest.raises(InputError, match="margin"):
        hiergeo.evaluate(model, data, Space(L1()), "pairs")


@pytest.mark.slow
def test_an_audit_of_a_law_asks_what_the_law_has() -> None:
    model, data = hiergeo.adapters.load("tiny"), hiergeo.datasets.load("scenes", split="test", count=40)
    audit = hiergeo.audit(model, data, "order")
    texts = list(dict.fromkeys(caption for row in data.rows for caption in row.positive))
    text = model.encode_text(texts).double() - model.root().double()
    chains = [(texts.index(a), texts.index(b)) for row in data.rows for a, b in pairwise(row.positive)]
    apart = torch.cdist(text.abs(), text.abs()).fill_diagonal_(torch.inf)
    reciprocal = [1 / (1 + float((apart[child] < apart[child, parent]).sum())) for parent, child in chains]
    assert audit.numbers["parent_mrr"] == pytest.approx(sum(reciprocal) / len(reciprocal), abs=1e-9)
    assert {"angle_only", "radius_only", "auroc_radius_only", "cone_true"} <= audit.numbers.keys()
    assert not {"flat", "u_median", "cone_saturated"} & audit.numbers.keys()
    assert audit.answers["curvature"].word == "inapplicable" != audit.answers["radii"].word
    box = hiergeo.audit(embed(model, data), space="box")
    assert box.answers["radii"].word == "inapplicable" != box.answers["cones"].word
    assert "angle_only" in box.left_out
    plain = hiergeo.audit(model, data, L1())
    assert plain.answers["cones"].word == "inapplicable" != plain.answers["radii"].word
    with pytest.raises(InputError, match="distance"):
        hiergeo.audit(model, data, Space(Inside()))
    with pytest.raises(InputError, match="head"):
        hiergeo.audit(model, data, "box")


@pytest.mark.slow
def test_what_a_law_has_learnt_is_stored_with_heads_and_indexes(tmp_path: Path) -> None:
    (tmp_path / "law.py").write_text(LEARNT)
    spec, model = f"{tmp_path}/law.py:Weighted", hiergeo.adapters.load("tiny")
    chains = training.from_hierarchy(hiergeo.datasets.load("scenes", split="train", count=60), model)
    recipe = training.Recipe(losses={"entailment": 1.0, "order": 1.0}, steps=5, every=5, learning_rate=0.05)
    trained = training.train_head(chains, parse(spec), recipe)
    weight = trained.geometry.get_parameter("weight").detach()
    assert float((weight - 1).abs().max()) > 0.01
    head = training.save_head(trained, chains, tmp_path / "head")
    headed = hiergeo.adapters.load(f"head:{head}")
    assert torch.equal(headed.native_space().geometry.get_parameter("weight"), weight)
    data = hiergeo.datasets.load("scenes", split="test", count=100)
    own, named = (hiergeo.evaluate(headed, data, space, "pairs", samples=5) for space in (None, spec))
    assert own.metrics == named.metrics, "who names the law gets what was learnt"
    assert own.metrics != hiergeo.evaluate(headed, data, parse(spec), "pairs", samples=5).metrics
    built = hiergeo.search.build(tmp_path / "ix", headed, captions=list(data.texts), space=spec)
    index = hiergeo.search.open(built.path) if hasattr(built, "path") else built
    assert torch.equal(index.space.geometry.get_parameter("weight"), weight)
    assert index.chosen(spec) is index.space
    config = json.loads((head / "config.json").read_text())
    with pytest.raises(InputError, match="fit"):
        recorded(spec, config["law"] | {"weight": [1.0]})


@pytest.mark.slow
def test_an_index_is_searched_in_laws_and_requests_run_no_code(tmp_path: Path) -> None:
    embeddings = rows(60, 0).float()
    index = hiergeo.search.build(tmp_path / "ix", None, embeddings=embeddings, space="order", dtype="float32")
    query, space = rows(1, 1)[0].float(), Space("order", "none")
    sides: tuple[Side, ...] = ("children", "parents")
    for side in sides:
        answer = getattr(index, side)(query, 5)
        values, ids = space.topk(query[None], embeddings, 5, by="margin", side=side)
        assert {hit.id for hit in answer.hits} == set(ids[0].tolist()), (
            "of those that are entailed the nearer to the root"
        )
        assert [hit.margin for hit in answer.hits] == pytest.approx(values[0].tolist(), abs=1e-5)
        assert all(hit.angle != hit.angle for hit in answer.hits), "no angle"
    boxes = Space("box", "none")
    answer = index.children(query, 5, space="box")
    values, ids = boxes.topk(query[None], embeddings, 5, by="margin")
    assert [hit.margin for hit in answer.hits] == pytest.approx(values[0].tolist(), abs=1e-5)
    assert [hit.radius for hit in answer.hits] == pytest.approx(boxes.radius(embeddings)[ids[0]].tolist(), abs=1e-5)
    for refused in ({"low": 0.5}, {"strict": True}):
        with pytest.raises(InputError, match="radii of its own"):
            index.children(query, 5, space="box", **refused)
    with pytest.raises(InputError, match="radii of its own"):
        index.ladder(query, 5, space="box")
    (tmp_path / "law.py").write_text("raise SystemExit('it ran')\n")
    with pytest.raises(InputError, match=r"law\.py"):
        index.children(query, 5, space=f"{tmp_path}/law.py:Law")
    with pytest.raises(InputError, match="order"):
        index.children(query, 5, space="order", store="milvus:nowhere.db")
