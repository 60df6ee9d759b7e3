"""One call of every CUDA kernel on small, awkward shapes: what compute-sanitizer watches."""

import torch

from hiergeo import Polar, pairwise
from hiergeo.pairwise.backend import Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE

CURVATURES = (-0.7, 0.0, 0.4)
SIZES = ((1, 1, 1), (3, 131, 7), (130, 257, 33), (65, 129, 64))
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


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
    shape, wide = (*x.radius.shape, y.radius.shape[-1]), torch.promote_types(x.direction.dtype, torch.float32)
    upstream = torch.ones((), dtype=wide, device="cuda").expand(shape)
    for quantity in QUANTITIES.values():
        cone = psi if quantity.cone else None
        NATIVE.store([Factor(x, y, curvature, cone)], quantity, torch.empty(shape, dtype=wide, device="cuda"))
        NATIVE.backward(upstream, x, y, curvature, quantity, cone)
    NATIVE.count([Factor(x, y, curvature, psi)], QUANTITIES["cone_margin"], None)
    NATIVE.energy_sum(x, y, curvature, psi)
    NATIVE.energy_min(x, y, curvature, psi)
    for swap in (False, True):
        NATIVE.smallest([Factor(x, y, curvature)], QUANTITIES["exterior_angle"], min(40, shape[-1]), swap)
    first = Polar(x.direction[:1], x.radius[:1]), Polar(y.direction[:1], y.radius[:1])
    NATIVE.members(*first, curvature, psi[:1])
    order, ends = torch.arange(shape[-1], device="cuda").flip(0), torch.tensor([0, 1, shape[-1]], device="cuda")
    NATIVE.ladder(x.direction[0], y.direction[0], None, order, ends)


if __name__ == "__main__":
    main()
