"""Contrast of every pair against stored matrices in float64, and 50 digits at the ends of the range."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Product, Space, pairwise
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.geometry import Euclidean, Lorentz
from hiergeo.pairwise import contrast_ops, portable, tiles
from hiergeo.pairwise.logits import Contrast
from tests.pairwise.native_problems import MISSING, at, levels

GEOMETRIES = ("euclidean", "lorentz:-4", "lorentz:-1", "lorentz:-0.25", "lorentz:-0.04", "sphere:0.25", "l2", "l1")
SCALE, BIAS = 14.3, 0.7


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "CHUNK", 200)
    monkeypatch.setattr(tiles, "TILE_ROWS", 7)


def space_of(name: str) -> Space:
    if name in ("l1", "l2"):
        return Space(Product([(Lorentz(-1, learnable=True), 20), (Euclidean(), 28)], "l1" if name == "l1" else "l2"))
    return Space(name)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stored(space: Space, x: Tensor, y: Tensor, scale: Tensor, bias: Tensor, **options: Any) -> Contrast:
    """The same from the stored matrix, by torch's own functions."""
    distance = space.pairwise_distance(x, y)
    z = bias - scale * (distance.square() / 2 if options.get("squared") else distance)
    labels = options.get("labels")
    match = torch.zeros_like(z) if labels is None else labels[0][:, None] == labels[1]
    if options.get("reduction") == "softplus":
        rows, columns = (torch.nn.functional.softplus(z).sum(dim) for dim in (1, 0))
    else:
        rows, columns = (z.logsumexp(dim) for dim in (1, 0))
    return Contrast(rows, columns, (z * match).sum(1), (z * match).sum(0))


def backends() -> list[str]:
    return ["reference", *(levels() if MISSING is None else ())]


def on(name: str) -> AbstractContextManager[object]:
    return pairwise.backend(native=False) if name == "reference" else at("" if name == "own" else name)


def weighed(found: Contrast) -> Tensor:
    parts = [(part * normal(len(part), seed=seed).to(part.device)).sum() for seed, part in enumerate(found)]
    return torch.stack(parts).sum()


def assert_values_and_gradients(
    geometry: str, reduction: str, sizes: tuple[int, int], kinds: tuple[int, int], device: str, name: str = "own"
) -> None:
    """Sums of labelled points of two sides, and gradients by these, by scale, bias and curvatures that are learnt."""
    space, sides = space_of(geometry).to(device), [0.2 * normal(size, 48, seed=seed) for seed, size in enumerate(sizes)]
    labels = tuple(torch.arange(size, device=device) % kind for size, kind in zip(sizes, kinds, strict=True))
    options: dict[str, Any] = {"labels": labels, "reduction": reduction, "squared": geometry == "euclidean"}
    results = []
    for measure, dtype in ((Space.contrastive, torch.float32), (stored, torch.float64)):
        leaves = [side.float().to(device, dtype).requires_grad_() for side in sides]
        leaves += [torch.tensor(n, dtype=torch.float64, device=device, requires_grad=True) for n in (SCALE, BIAS)]
        with on("reference" if measure is stored else name):
            sums = measure(space, *leaves, **options)
            results.append((sums, torch.autograd.grad(weighed(sums), [*leaves, *space.parameters()])))
    (sums, gradients), (wanted, true) = results
    reach = 2e-6 * max(1.0, SCALE * float(space.pairwise_distance(*(x.to(device) for x in sides)).detach().max()))
    for part, other in zip(sums, wanted, strict=True):
        assert part.dtype == torch.float64
        torch.testing.assert_close(part, other, rtol=2e-6, atol=reach)
    for gradient, other in zip(gradients, true, strict=True):
        largest = other.abs().amax(-1, keepdim=True) if other.ndim else other.abs()
        assert bool(((gradient.double() - other).abs() <= 1e-4 * largest + 1e-12).all())


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("reduction", ["logsumexp", "softplus"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_values_and_gradients(geometry: str, reduction: str, backend: str) -> None:
    assert_values_and_gradients(geometry, reduction, (37, 53), (20, 25), "cpu", backend)


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("reduction", ["logsumexp", "softplus"])
def test_more_than_a_tile(reduction: str, backend: str) -> None:
    """More rows than are reduced together, and more columns than are weighed together; logits that rise in steps."""
    x = normal(301, 5).requires_grad_()
    y = torch.linspace(40, 1, 1003).unsqueeze(-1).double() * normal(1003, 5, seed=1)
    options: dict[str, Any] = {"labels": (torch.arange(301) % 90, torch.arange(1003) % 100), "reduction": reduction}
    numbers, results = [torch.tensor(number, dtype=torch.float64) for number in (9, 3)], []
    for measure in (Space.contrastive, stored):
        with on(backend):
            found = measure(Space("lorentz:-0.25"), x, y, *numbers, **options)
            results.append((*found, *torch.autograd.grad(weighed(found), x)))
    for part, other in zip(*results, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 4), st.floats(0.1, 100), st.integers(0, 99))
def test_any_sizes_and_labels(n: int, m: int, kinds: int, scale: float, seed: int) -> None:
    space, x, y = Space("lorentz:-1"), normal(n, 3, seed=seed), normal(m, 3, seed=seed + 1)
    labels = None if not kinds else tuple((normal(size, seed=seed).abs() * kinds).long() for size in (n, m))
    options: dict[str, Any] = {"labels": labels}
    found, wanted = (
        measure(space, x, y, torch.tensor(scale).double(), torch.tensor(0.0).double(), **options)
        for measure in (Space.contrastive, stored)
    )
    for part, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-12, atol=1e-10)


def assert_ends(dtype: torch.dtype, device: str) -> None:
    """Logits down to -1e4, equal rows, a row alone: against 50 digits."""
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], dtype=dtype, device=device)
    y = torch.tensor([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]], dtype=dtype, device=device)
    distances = [[5, 0, 10], [0, 5, 5], [0, 5, 5]]
    leaf = x.clone().requires_grad_()
    sums = Space("euclidean").contrastive(leaf, y, 1e3)
    (gradient,) = torch.autograd.grad(sums.rows.sum() + sums.columns.sum(), leaf)
    alone = Space("euclidean").contrastive(x[:1], y[:1], 1e3)
    with mpmath.workdps(50):
        rows, columns = (
            [float(mpmath.log(sum(mpmath.exp(-1000 * d) for d in line))) for line in lines]
            for lines in (distances, zip(*distances, strict=True))
        )
    for part, wanted in ((sums.rows, rows), (sums.columns, columns), (alone.rows, [-5000.0])):
        torch.testing.assert_close(part.cpu(), torch.tensor(wanted, dtype=torch.float64), rtol=2e-6, atol=1e-9)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_of_the_range(dtype: torch.dtype, backend: str) -> None:
    with on(backend):
        assert_ends(dtype, "cpu")


def assert_nothing(reduction: str, device: str) -> None:
    x = normal(3, 4).to(device, torch.float32).requires_grad_()
    nothing = -torch.inf if reduction == "logsumexp" else 0.0
    sums = Space("euclidean").contrastive(x, x.detach()[:0], 1.0, reduction=reduction)
    assert sums.rows.tolist() == [nothing] * 3
    assert sums.columns.shape == (0,)
    assert torch.autograd.grad(sums.rows.sum(), x)[0].tolist() == torch.zeros_like(x).tolist()
    none = Space("euclidean").contrastive(x[:0], x.detach(), 1.0, reduction=reduction)
    assert none.columns.tolist() == [nothing] * 3


@pytest.mark.parametrize("reduction", ["logsumexp", "softplus"])
def test_nothing_on_the_other_side(reduction: str) -> None:
    assert_nothing(reduction, "cpu")


def numbers(space: Space) -> Callable[..., tuple[Tensor, Tensor]]:
    def measure(x: Tensor, y: Tensor, scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        found = space.contrastive(x, y, scale, bias)
        return found.rows, found.columns

    return measure


def reference(space: Space) -> Callable[..., tuple[Tensor, Tensor]]:
    def measure(x: Tensor, y: Tensor, scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        found = stored(space, x, y, scale, bias)
        return found.rows, found.columns

    return measure


OPERANDS = normal(6, 5), normal(7, 5, seed=1), torch.tensor(3.0).double(), torch.tensor(0.2).double()


@pytest.mark.parametrize("geometry", ["lorentz:-1", "euclidean"])
def test_transforms(geometry: str) -> None:
    space = Space(geometry)
    mine, other = numbers(space), reference(space)
    torch.testing.assert_close(torch.func.jacrev(mine)(*OPERANDS), torch.func.jacrev(other)(*OPERANDS))
    with pytest.raises(UnavailableError, match=r"^forward-mode"):
        torch.func.jvp(mine, OPERANDS, tuple(torch.ones_like(part) for part in OPERANDS))
    sets = normal(3, 6, 5, seed=8)
    for measure in (mine, lambda *parts: torch.func.grad(lambda *p: mine(*p)[1].sum())(*parts)):
        each = [measure(part, *OPERANDS[1:]) for part in sets]
        mapped = torch.vmap(measure, in_dims=(0, None, None, None))(sets, *OPERANDS[1:])
        torch.testing.assert_close(
            mapped, torch.utils._pytree.tree_map(lambda *parts: torch.stack(parts), each[0], *each[1:])
        )


def checked(name: str, reduction: str, labelled: bool) -> tuple[Any, ...]:
    """Operands of an operator for a product of two factors."""
    sides = [space_of("l2").points(0.3 * normal(n, 48, seed=n)).factors for n in (4, 5)]
    rays = [[getattr(point, field) for point in side] for side in sides for field in ("direction", "radius")]
    points = [*rays, [torch.tensor(k, dtype=torch.float64) for k in (-1.0, 0.0)]]
    labels = (torch.arange(4) % 3, torch.arange(5) % 3) if labelled else (None, None)
    tail = (torch.tensor(3.0).double(), torch.tensor(0.2).double(), *labels, False, reduction, "distance")
    if name == "pair_contrast":
        return (*points, [], [], *tail)
    found = contrast_ops.pair_contrast(*points, [], [], *tail)
    return (*points, [], [], *found[:2], [torch.rand_like(part) for part in found], *tail, True)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("reduction", ["logsumexp", "softplus"])
@pytest.mark.parametrize("name", ["pair_contrast", "pair_contrast_backward"])
def test_opcheck(name: str, reduction: str, labelled: bool) -> None:
    torch.library.opcheck(getattr(contrast_ops, name).base, checked(name, reduction, labelled))


@pytest.mark.slow
def test_compiles_without_breaks() -> None:
    space = Space("lorentz:-1")
    compiled = torch.compile(numbers(space), fullgraph=True, backend="aot_eager")
    for found, wanted in zip(compiled(*OPERANDS), numbers(space)(*OPERANDS), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reduction": "mean"}, "reduction"),
        ({"quantity": "cone_margin"}, "quantity"),
        ({"scale": torch.ones(2).double()}, "scale"),
        ({"labels_x": torch.zeros(6, dtype=torch.int64)}, "labels_y"),
        ({"labels_x": torch.zeros(6), "labels_y": torch.zeros(7)}, "labels_x"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    points = Space("euclidean").points(OPERANDS[0]).factors, Space("euclidean").points(OPERANDS[1]).factors
    rays = [[getattr(side[0], field)] for side in points for field in ("direction", "radius")]
    given = {"scale": OPERANDS[2], "bias": OPERANDS[3], "labels_x": None, "labels_y": None, "squared": False}
    given |= {"reduction": "logsumexp", "quantity": "distance"} | change
    with pytest.raises(InputError, match=said):
        contrast_ops.pair_contrast(*rays, [torch.tensor(0.0)], [], [], *given.values())
