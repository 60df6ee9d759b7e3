"""One call of every CUDA kernel on small, awkward shapes: what compute-sanitizer watches."""

import torch

from hiergeo import Polar, pairwise
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES, Quantity
from hiergeo.pairwise.resolver import NATIVE

CURVATURES = (-0.7, 0.0, 0.4)
SIZES = ((1, 1, 1), (3, 131, 7), (130, 257, 33), (65, 129, 64))
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NARROWER = {torch.float32: torch.float16}  # the dtypes of candidates beside wider queries


def main() -> None:
    for dtype in DTYPES:
        for n, m, dim in SIZES:
            x, y = points(n, dim, 0, dtype), points(m, dim, 1, dtype)
            for curvature in CURVATURES:
                tour(x, y, curvature)
    torch.cuda.synchronize()
    print("every kernel ran")


def points(count: int, dim: int, seed: int, dtype: torch.dtype) -> Polar:
    """Two batches of points whose rows are not aligned; some rays are nearly equal, some opposite, one is zero."""
    generator = torch.Generator().manual_seed(seed)
    direction = 0.5 + torch.randn(2, count, dim + 1, generator=generator)
    direction[:, 1::3] = direction[:, :1] + 1e-3 * direction[:, 1::3]
    direction[:, 2::3] *= -1
    radius = 0.2 + torch.rand(2, count, generator=generator, dtype=torch.float64)
    direction[:, -1], radius[:, -1] = 0, 0
    return Polar(direction.to("cuda", dtype)[..., 1:], radius.cuda())


def tour(x: Polar, y: Polar, curvature: float) -> None:
    """Calls every operation."""
    psi = pairwise.half_aperture(x.radius, curvature)
    shape = (*x.radius.shape, y.radius.shape[-1])
    upstream = torch.ones((), device="cuda").expand(shape)
    for quantity in QUANTITIES.values():
        cone = psi if quantity.cone else None
        NATIVE.store([Factor(x, y, curvature, cone)], quantity, torch.empty(shape, device="cuda"))
        NATIVE.backward(upstream, x, y, curvature, quantity, cone)
        search(x, y, curvature, quantity)
    NATIVE.count([Factor(x, y, curvature, psi)], QUANTITIES["cone_margin"], None)
    NATIVE.energy_sum(x, y, curvature, psi)
    NATIVE.energy_min(x, y, curvature, psi)
    for margin, gradients in ((None, True), (0.3, True), (0.3, False)):
        NATIVE.energy_total(x, y, curvature, psi, margin, gradients)
    contrast(x, y, curvature)
    first = Polar(x.direction[:1], x.radius[:1]), Polar(y.direction[:1], y.radius[:1])
    NATIVE.members(*first, curvature, psi[:1])
    order, ends = torch.arange(shape[-1], device="cuda").flip(0), torch.tensor([0, 1, shape[-1]], device="cuda")
    for norms in (None, torch.linalg.vector_norm(y.direction[0].double(), dim=-1)):
        NATIVE.ladder(x.direction[0], y.direction[0], norms, order, ends)
    two = [Factor(*first, k) for k in (curvature, -0.2)]
    NATIVE.nearest_ladder(two, QUANTITIES["distance"], order, ends)


def contrast(x: Polar, y: Polar, curvature: float) -> None:
    """Logits reduced both ways, of one space with their gradients and of a product, with labels and without."""
    one = torch.ones(len(x.radius), dtype=torch.float64, device="cuda")
    labels = tuple(torch.arange(side.radius.shape[-1], device="cuda").expand(side.radius.shape) % 3 for side in (x, y))
    for matching, squared, reduction in (((labels[0], labels[1]), False, "logsumexp"), (None, True, "softplus")):
        terms = LogitTerms(5 * one, one, matching, squared, reduction)
        NATIVE.contrast([Factor(x, y, k) for k in (curvature, -0.2)], QUANTITIES["distance_l1"], terms)
        found = NATIVE.contrast([Factor(x, y, curvature)], QUANTITIES["distance"], terms)
        NATIVE.contrast_backward([Factor(x, y, curvature)], QUANTITIES["distance"], terms, found[:2], found)


def search(x: Polar, y: Polar, curvature: float, quantity: Quantity) -> None:
    """Searches of one space, and, where the quantity has a value in products, of a product with narrower candidates."""
    k, shape = min(40, y.radius.shape[-1]), (*x.radius.shape, y.radius.shape[-1])
    dtype = NARROWER.get(y.direction.dtype, y.direction.dtype)
    narrow = Polar(y.direction.to(dtype), y.radius)
    target = torch.zeros_like(x.radius, dtype=torch.int64)
    for swap in (False, True):
        psi = pairwise.half_aperture((y if swap else x).radius, curvature) if quantity.cone else None
        one = [Factor(x, y, curvature, psi)]
        for factors in (one, [*one, Factor(x, narrow, -0.2, psi)] if quantity.combine else one):
            NATIVE.smallest(factors, quantity, k, swap)
            NATIVE.rank(factors, quantity, target, swap)
            if quantity.combine and not swap:
                NATIVE.store(factors, quantity, torch.empty(shape, device="cuda"))
                NATIVE.count(factors, quantity, None if quantity.cone else x.radius + 1)


if __name__ == "__main__":
    main()
