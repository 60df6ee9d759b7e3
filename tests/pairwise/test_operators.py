"""The operators of `torch.ops.hiergeo`: schemas, shapes, gradients, compilation, autocast, batches."""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.pairwise import operands as of_operators
from hiergeo.pairwise import ops, rows, search_ops, widening
from hiergeo.pairwise.transforms import Operator
from tests.pairwise.operators_common import DIFFERENTIABLE, NONE, SEARCHES, Measure, operands, points

CASES: dict[str, tuple[Any, Callable[[], tuple[object, ...]]]] = {
    "pair_store of angles": (
        ops.pair_store,
        lambda: (*operands(2)[:5], None, *NONE, "exterior_angle", None),
    ),
    "pair_store of margins": (ops.pair_store, lambda: (*operands(), *NONE, "cone_margin", torch.float32)),
    "pair_store of energies": (ops.pair_store, lambda: (*operands(2, 3), *NONE, "energy", None)),
    "pair_store_out": (ops.pair_store_out, lambda: (*operands(2), *NONE, "energy", torch.empty(2, 5, 6))),
    "pair_backward": (ops.pair_backward, lambda: (*operands(2), *NONE, torch.rand(2, 5, 6).double(), "energy", True)),
    "row_law": (rows.row_law, lambda: (*row_operands(), *NONE, "exterior_angle")),
    "row_backward": (rows.row_backward, lambda: (*row_operands(), *NONE, ROW, "exterior_angle", None, None)),
    "row_backward of what was found": (
        rows.row_backward,
        lambda: (*row_operands(), *NONE, ROW, "distance", ROW, 2 - ROW),
    ),
    "cone_members": (search_ops.cone_members, lambda: (*operands(), *NONE)),
    "product_store of distances": (ops.product_store, lambda: (*factors(2)[:5], [], [], "distance_l1", None)),
    "product_store of margins": (ops.product_store, lambda: (*factors(2), [], "cone_margin", torch.float16)),
    "product_store_out": (ops.product_store_out, lambda: (*factors(2), [], "cone_margin", torch.empty(2, 5, 6))),
    "pair_count in cones": (search_ops.pair_count, lambda: (*factors(2), [], "cone_margin", None)),
    "pair_count within reach": (search_ops.pair_count, lambda: (*factors(2)[:5], [], [], "distance", torch.ones(2, 5))),
    "pair_smallest": (search_ops.pair_smallest, lambda: (*factors(2)[:5], [], [], "distance", 3, False)),
    "pair_rank": (
        search_ops.pair_rank,
        lambda: (*factors(2), [], "cone_margin", torch.arange(10).view(2, 5) // 2, False),
    ),
    "pair_ladder": (search_ops.pair_ladder, lambda: (*factors()[:5], [], [], "distance", *STEPS, None)),
    "energy_sum": (ops.energy_sum, lambda: (*operands(2), *NONE)),
    "energy_total": (ops.energy_total, lambda: (*operands(2), *NONE, None, False)),
    "energy_total with gradients": (ops.energy_total, lambda: (*operands(2), *NONE, 0.4, True)),
    "energy_total_backward": (
        ops.energy_total_backward,
        lambda: (*operands(2), *NONE, 0.4, torch.rand(2).double(), []),
    ),
    "energy_total_backward of what was found": (ops.energy_total_backward, lambda: total_operands()),
    "energy_min": (ops.energy_min, lambda: (*operands(2), *NONE)),
    "pair_store of near points": (ops.pair_store, lambda: (*near(), "cone_margin", None)),
    "pair_backward of near points": (
        ops.pair_backward,
        lambda: (*near(), torch.rand(2, 5, 6).double(), "energy", True),
    ),
    "energy_sum of near points": (ops.energy_sum, lambda: tuple(near())),
    "energy_min of near points": (ops.energy_min, lambda: tuple(near())),
    "energy_total of near points": (ops.energy_total, lambda: (*near(), 0.4, True)),
    "row_law of near points": (rows.row_law, lambda: (*near_rows(), "distance")),
    "pair_smallest of near points": (search_ops.pair_smallest, lambda: (*near_factors(), "distance", 3, False)),
    "widened_half": (widening.widened_half, lambda: (torch.rand(3, 4).half(), torch.float64)),
    "ladder": (search_ops.ladder, lambda: (torch.rand(3, 4), torch.rand(6, 4), *STEPS, None, None)),
    "ladder that is prepared": (
        search_ops.ladder,
        lambda: (torch.rand(3, 4), torch.rand(6, 4), *STEPS, STEPS[0].argsort(), torch.rand(6).double()),
    ),
}
STEPS: tuple[Tensor, Tensor] = (torch.tensor([0.3, 0.2, 0.9, 0.1, 0.6, 0.4]), torch.linspace(0.1, 1, 5))
"""Radii of six candidates, and thresholds."""


def factors(*batch: int) -> list[list[Tensor]]:
    """The operands of two factors."""
    return [list(pair) for pair in zip(operands(*batch), operands(*batch), strict=True)]


def near() -> list[Any]:
    """Operands with what the directions were rounded from: vectors around an origin."""
    ux, rx, uy, ry, k, aperture = (part.float() for part in operands(2))
    origin = torch.linspace(-0.2, 0.3, 4, dtype=torch.float64)
    vectors = [(u * r.unsqueeze(-1) / u.norm(dim=-1, keepdim=True) + origin).float() for u, r in ((ux, rx), (uy, ry))]
    parts = [part.detach().clone() for part in (ux, rx, uy, ry, k, aperture)]
    return [*parts, *vectors, origin]


def near_rows() -> list[object]:
    ux, rx, uy, ry, k, _, vx, vy, origin = near()
    return [ux[0], rx[0], uy[0, :5], ry[0, :5], k, vx[0], vy[0, :5], origin]


def near_factors() -> list[list[Tensor]]:
    ux, rx, uy, ry, k, _, *exact = near()
    return [*([part] for part in (ux, rx, uy, ry, k)), [], exact]


ROW: Tensor = torch.linspace(0.1, 1, 5, dtype=torch.float64)


def row_operands() -> list[Tensor]:
    parts = (*points(5, seed=0), *points(5, seed=1), torch.tensor(-0.3, dtype=torch.float64))
    return [part.clone() for part in parts]


def total_operands() -> tuple[object, ...]:
    parts = operands(2)
    _, *found = ops.energy_total(*parts, *NONE, 0.4, True)
    return (*parts, *NONE, 0.4, torch.rand(2).double(), found)


@pytest.mark.parametrize("name", CASES)
def test_opcheck(name: str) -> None:
    operator, make = CASES[name]
    torch.library.opcheck(operator.base, make())


def test_every_operator_is_checked() -> None:
    modules = {**vars(ops), **vars(search_ops), **vars(rows), **vars(widening)}  # `test_contrast` has its own
    offered = {name for name, value in modules.items() if isinstance(value, Operator)}
    assert {name.split()[0] for name in CASES} == offered


CURVED = [-2.3, 0.0, 0.7]


@pytest.mark.parametrize("reduce", [pairwise.energy_sum, lambda *parts: pairwise.energy_min(*parts)[0]])
def test_no_gradient_from_within_a_cone(reduce: Measure) -> None:
    u = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.05]], dtype=torch.float64), dim=-1)
    x = Polar(u[:1].clone().requires_grad_(), torch.tensor([0.4], dtype=torch.float64, requires_grad=True))
    value = reduce(x, Polar(u[1:], torch.tensor([1.0], dtype=torch.float64)), -0.3)
    assert float(value.detach()) == 0
    assert not any(bool(gradient.any()) for gradient in torch.autograd.grad(value.sum(), x))


def compiled(measure: Callable[..., Any], backend: str = "aot_eager", **options: Any) -> Callable[..., Tensor]:
    torch.compiler.reset()
    return torch.compile(measure, fullgraph=True, backend=backend, **options)


def test_members_and_ladders_compile_without_breaks() -> None:
    """One has a result whose size only the data tell, the other thresholds that only the data can refuse."""
    x, y = points(5, seed=0), points(6, seed=1)
    crow, columns = compiled(lambda x, y: pairwise.cone_members(x, y, -0.3))(x, y)
    assert torch.equal(crow, pairwise.cone_members(x, y, -0.3)[0])
    assert torch.equal(columns, pairwise.cone_members(x, y, -0.3)[1])
    climb = (x.direction, y.direction, y.radius, torch.linspace(0, 1, 4))
    assert torch.equal(compiled(pairwise.ladder)(*climb), pairwise.ladder(*climb))
    with pytest.raises(InputError, match="thresholds must be one ascending list"):
        compiled(pairwise.ladder)(*climb[:3], -climb[3])


@pytest.mark.slow
def test_compiles_for_any_size_and_refuses_values() -> None:
    y = points(6, seed=1)
    measure = compiled(lambda x: pairwise.cone_margin(x, y, -0.3), dynamic=True)
    for n in (3, 4, 9):
        x = points(n, seed=n)
        assert torch.equal(measure(x), pairwise.cone_margin(x, y, -0.3))
    with pytest.raises(InputError, match=r"^x\.radius must not be negative"):
        measure(Polar(x.direction, -x.radius))


@pytest.mark.parametrize("curvature", [-0.3, 0.0, 0.7])
def test_apertures_compile_without_breaks(curvature: float) -> None:
    radius = points(9, seed=0).radius
    for k in (curvature, torch.tensor(curvature, dtype=torch.float64)):
        assert torch.equal(compiled(pairwise.half_aperture)(radius, k), pairwise.half_aperture(radius, curvature))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile's own code needs a C++ compiler")
def test_inductor() -> None:
    x, y = points(5, seed=0), points(6, seed=1)

    def step(ux: Tensor) -> Tensor:
        return pairwise.energy_mean(Polar(ux, x.radius), y, -0.3).square().sum()

    gradients: list[Tensor] = []
    for run in (step, compiled(step, "inductor")):
        ux = x.direction.clone().requires_grad_()
        gradients.append(*torch.autograd.grad(run(ux), ux))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, *SEARCHES])
def test_autocast_changes_nothing(name: str) -> None:
    """Half-precision directions, as autocast gives them, meet float32 radii; the scores are those outside of it."""
    measure = {**DIFFERENTIABLE, **SEARCHES}[name]
    x, y = (points(n, seed=n, dtype=torch.float32) for n in (5, 6))
    x = Polar(x.direction.bfloat16(), x.radius)
    outside = measure(x, y, -0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(measure(x, y, -0.3), outside)
    if name in DIFFERENTIABLE:
        ux = x.direction.requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = measure(Polar(ux, x.radius), y, -0.3)
        (gradient,) = torch.autograd.grad(value.sum(), ux)
        assert gradient.dtype == torch.bfloat16
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, *SEARCHES])
def test_leading_dimensions_equal_loops(name: str) -> None:
    measure = {**DIFFERENTIABLE, **SEARCHES}[name]
    x, y = points(2, 1, 5, seed=0), points(3, 6, seed=1)
    result = measure(x, y, -0.3)
    stacked = name.startswith("cone_topk")
    for i in range(2):
        for j in range(3):
            one = measure(Polar(x.direction[i, 0], x.radius[i, 0]), Polar(y.direction[j], y.radius[j]), -0.3)
            assert torch.equal(result[:, i, j] if stacked else result[i, j], one)
    none = measure(Polar(x.direction[:0], x.radius[:0]), y, -0.3)
    assert none.shape == torch.Size((*result.shape[:stacked], 0, *result.shape[stacked + 1 :]))


def test_a_refusal_counts_along_the_points_it_was_given() -> None:
    x, y = points(5, seed=0), points(2, 6, seed=1)
    x.radius[3] = -1
    with pytest.raises(InputError, match=r"^x\.radius must not be negative: entry 3 is -1\.$"):
        pairwise.distance(x, y, -0.3)


def test_operators_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"^unknown quantity 'energies': did you mean 'energy'\?$"):
        ops.pair_store(*operands(), *NONE, "energies", None)
    x, y = points(2, 5, seed=0), points(6, seed=1)
    with pytest.raises(InputError, match=r"^an operator needs equal leading dimensions, not \(2,\) of x and \(\) of y"):
        ops.pair_store(*x, *y, torch.tensor(-0.3), None, *NONE, "distance", None)


@pytest.mark.parametrize(
    ("operator", "rest", "said"),
    [
        (ops.product_store, ("exterior_angle", None), "exterior_angle"),
        (ops.product_store, ("energy", None), "energy"),
        (ops.product_store, ("distance", None), "aperture"),
        (search_ops.pair_smallest, ("angles", 3, False), "angles"),
        (search_ops.pair_count, ("cone_margin", torch.ones(5)), "reach"),
    ],
)
def test_operators_on_factors_refuse_what_does_not_fit(
    operator: Callable[..., object], rest: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        operator(*factors(), [], *rest)
    with pytest.raises(InputError, match="aperture"):
        operator(*factors()[:5], [], [], "cone_margin", *rest[1:])


def test_values_are_not_looked_at_while_a_cuda_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, with what the operators ask of CUDA replaced: the checks would wait for the device."""
    looked: list[object] = []
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(of_operators.checks, "check_values", lambda *_: looked.append(_))
    with pytest.raises(InputError, match=r"^curvature must be a float, not a tensor on the GPU, while a CUDA graph"):
        search_ops.pair_count(*factors(), [], "cone_margin", None)
    monkeypatch.setattr(of_operators.checks, "check_capturable", lambda _: None)
    search_ops.pair_count(*factors(), [], "cone_margin", None)
    assert looked == []


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, *SEARCHES])
def test_vmap(name: str) -> None:
    measure = {**DIFFERENTIABLE, **SEARCHES}[name]
    x, y = points(3, 5, seed=0), points(3, 6, seed=1)
    each = torch.stack([measure(*(Polar(p.direction[i], p.radius[i]) for p in (x, y)), -0.3) for i in range(3)])
    assert torch.equal(torch.vmap(lambda x, y: measure(x, y, -0.3))(x, y), each)
    last = Polar(x.direction.movedim(0, -1), x.radius.movedim(0, -1))
    dims: tuple[Any, Any] = (-1, 0)
    in_dims = tuple(Polar(dim, dim) for dim in dims)
    mapped = torch.vmap(lambda x, y: measure(x, y, -0.3), in_dims=in_dims)(last, y)
    assert torch.equal(mapped, each)
    shared = torch.vmap(lambda radius: measure(Polar(x.direction[0], radius), Polar(y.direction[0], y.radius[0]), -0.3))
    one = Polar(x.direction[:1].expand(3, 5, 4), x.radius), Polar(y.direction[0], y.radius[0])
    expected = torch.stack([measure(Polar(one[0].direction[i], one[0].radius[i]), one[1], -0.3) for i in range(3)])
    assert torch.equal(shared(x.radius), expected)


def test_vmap_of_an_operator_over_any_dimension() -> None:
    ux, rx, uy, ry, k, aperture = operands(3)
    turned = (ux.movedim(0, 2), rx.mT, uy.movedim(0, 1), ry.mT, k, aperture.mT)
    mapped = torch.vmap(lambda *parts: ops.energy_sum(*parts, *NONE), in_dims=(2, 1, 1, 1, None, 1))(*turned)
    assert torch.equal(mapped, ops.energy_sum(ux, rx, uy, ry, k, aperture, *NONE))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_pass_through_vmap(name: str) -> None:
    measure = DIFFERENTIABLE[name]
    y, gradients = points(6, seed=1), []
    for run in (torch.vmap(lambda x: measure(x, y, -0.3)), lambda x: measure(x, y, -0.3)):
        x = Polar(*(part.requires_grad_() for part in points(3, 5, seed=0)))
        gradients.append(torch.autograd.grad(run(x).square().sum(), x))
    for mapped, batched in zip(*gradients, strict=True):
        torch.testing.assert_close(mapped, batched)


def test_vmap_over_jacobian_rows() -> None:
    x, y = points(2, seed=0), points(3, seed=1)

    def measure(ux: Tensor) -> Tensor:
        return pairwise.exterior_angle(Polar(ux, x.radius), y, -0.3)

    rows = torch.autograd.functional.jacobian(measure, x.direction, vectorize=True)
    torch.testing.assert_close(rows, torch.autograd.functional.jacobian(measure, x.direction))


@pytest.mark.parametrize(
    ("mapped", "operator"),
    [
        (lambda x, y: pairwise.cone_members(x, y, -0.3)[0], "hiergeo::cone_members"),
        (lambda x, y: pairwise.ladder(x.direction, y.direction, y.radius, torch.ones(1)), "hiergeo::ladder"),
        (lambda x, y: pairwise.distance(x, y, -0.3, out=torch.empty(5, 6)), "hiergeo::pair_store_out"),
    ],
)
def test_vmap_without_a_meaning_is_refused(mapped: Callable[..., Tensor], operator: str) -> None:
    with pytest.raises(UnavailableError, match=rf"^vmap over {operator} is not available: loop instead\.$"):
        torch.vmap(mapped)(points(3, 5, seed=0), points(3, 6, seed=1))


def test_vmap_over_curvatures_is_refused() -> None:
    x, y = points(5, seed=0), points(6, seed=1)
    for measure in (pairwise.distance, pairwise.cone_margin, pairwise.cone_count):
        with pytest.raises(UnavailableError, match=r"^vmap over curvatures is not available: loop over them\.$"):
            torch.vmap(partial(measure, x, y))(torch.tensor([-0.3, -0.4]))
