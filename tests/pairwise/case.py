"""Problems that a backend and the reference are compared on, with what the reference gives for them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._core.numerics import compute_dtype
from hiergeo._core.polar import Polar
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.quantity import QUANTITIES, unchecked_aperture
from hiergeo.pairwise.reference import REFERENCE

MIN_RADIUS = 0.1
CPU = torch.device("cpu")
GAP = 1e-6
"""How much further out than x its nearest y on its ray is: less than float32 tells apart well."""

DISTANCES = ("distance", "distance_l1")


class Case:
    """Two batches of points in a product of spaces, on the CPU, with the results of the reference.

    Args:
        seed: of the numbers drawn.
        shape: how many problems, x and y.
        spaces: dimension and curvature of each factor.
        dtypes: those of the directions of x and of y.
    """

    def __init__(
        self,
        seed: int,
        shape: tuple[int, int, int],
        spaces: Sequence[tuple[int, float]],
        dtypes: tuple[torch.dtype, torch.dtype],
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.shape, self.dtypes, (batch, *sizes) = shape, dtypes, shape
        self._sides: list[tuple[Polar, Polar, float]] = []
        for dim, curvature in spaces:
            centre = self.normal(dim)
            x, y = (self._points(batch, size, centre, curvature) for size in sizes)
            same = min(3, *sizes)
            y.direction[:, :same] = 2 * x.direction[:, :same]  # coinciding rays are computed by a path of their own
            y.radius[:, :same] = x.radius[:, :same] * (1 + GAP)
            x, y = (Polar(p.direction.to(dtype), p.radius) for p, dtype in zip((x, y), dtypes, strict=True))
            self._sides.append((x, y, curvature))
        self._laws: dict[tuple[str, bool], list[Tensor]] = {}

    def __len__(self) -> int:
        """How many factors the space has."""
        return len(self._sides)

    @property
    def single(self) -> bool:
        """Whether the space is not a product."""
        return len(self) == 1

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that values are computed in."""
        return compute_dtype(torch.promote_types(*self.dtypes))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float64."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64, device="cpu")

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), float64."""
        return torch.rand(shape, generator=self.generator, dtype=torch.float64, device="cpu")

    def integers(self, bound: int, *shape: int) -> Tensor:
        """Numbers below `bound`, int64."""
        return torch.randint(bound, shape, generator=self.generator, device="cpu")

    def factors(self, quantity: str, device: torch.device, swap: bool = False, first: bool = False) -> list[Factor]:
        """The factors on a device as a quantity needs them: in its cones half apertures of x or, with `swap`, of y.

        With `first` those of the first problem alone.
        """
        entries = slice(1 if first else None)
        found = []
        for *sides, k in self._sides:
            x, y = (Polar(*(field[entries].to(device) for field in point)) for point in sides)
            psi = unchecked_aperture((y if swap else x).radius, k, MIN_RADIUS) if QUANTITIES[quantity].cone else None
            found.append(Factor(x, y, k, psi))
        return found

    def cone(self, device: torch.device, first: bool = False) -> tuple[Polar, Polar, float, Tensor]:
        """Points, curvature and half apertures of a case in one space."""
        ((x, y, k, psi),) = self.factors("energy", device, first=first)
        assert psi is not None
        return x, y, k, psi

    def scores(self, quantity: str, swap: bool = False) -> Tensor:
        """The quantity of every pair by the reference, (B, N, M) float64; with `swap` that of (y_j, x_i)."""
        of = QUANTITIES[quantity]
        law = "distance" if of.cone is None and quantity != "exterior_angle" else "exterior_angle"
        values = self._law(law, swap)
        if of.cone is not None:
            cones = [factor.aperture for factor in self.factors(quantity, CPU, swap)]
            values = [
                of.cone.value(value, psi.unsqueeze(-2 if swap else -1))
                for value, psi in zip(values, cones, strict=True)
                if psi is not None
            ]
        return of.of_product(values)

    def _law(self, law: str, swap: bool) -> list[Tensor]:
        """An angle or the distance of every pair in each factor."""
        if (law, swap) not in self._laws:
            self._laws[law, swap] = []
            for x, y, curvature in self._sides:
                factor = Factor(y, x, curvature) if swap else Factor(x, y, curvature)
                out = torch.empty(*factor.x.radius.shape, factor.y.radius.shape[1], dtype=torch.float64, device="cpu")
                REFERENCE.store([factor], QUANTITIES[law], out)
                self._laws[law, swap].append(out.mT if swap else out)
        return self._laws[law, swap]

    def _points(self, batch: int, size: int, centre: Tensor, curvature: float) -> Polar:
        """Points that lie in many of each other's cones."""
        scale = math.sqrt(abs(curvature)) or 1.0
        direction = centre + self.normal(batch, size, len(centre))
        return Polar(direction, (0.2 + 1.2 * self.uniform(batch, size)) / scale)
