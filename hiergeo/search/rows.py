"""Stored items as rows: ids, directions and radii, and which spaces can measure them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.polar import Polar
from hiergeo._core.storage.documents import STRICT, Positive, Sha256
from hiergeo.geometry import Geometry, PairLaw, Points, Space


@dataclass(frozen=True)
class Frame:
    """What stored directions and radii depend on: the root and the factors of the space, not curvatures.

    Spaces of one frame share an index: every space of constant curvature around one root, and all products with the
    same factors, whose dimensions are `dims` and whose radii combine by `norm`, "l2" or "l1".
    """

    __pydantic_config__ = STRICT

    dims: tuple[Positive, ...]
    norm: Annotated[str, Field(pattern=r"^l[12]$")]
    root_sha256: Sha256 | None

    @property
    def dim(self) -> int:
        """The dimension of embeddings."""
        return sum(self.dims)

    @property
    def single(self) -> bool:
        """Whether the space is not a product."""
        return len(self.dims) == 1

    @classmethod
    def of(cls, space: Space, dim: int) -> "Frame":
        """The frame of a space for embeddings of dimension `dim`."""
        dims = tuple(part.stop - part.start for _, part in space.geometry.parts(dim))
        norm = space.geometry.norm if len(dims) > 1 else "l2"
        return cls(dims, norm, None if space.root is None else root_sha256(space.root))

    def check(self, space: Space) -> None:
        """Raise InputError unless the points of `space` are those of this frame."""
        other = Frame.of(space, self.dim)
        if other.root_sha256 != self.root_sha256:
            raise InputError(
                f"the index was built around {_rooted(self)} and the space has {_rooted(other)}: "
                f"search in the space of the index, or build an index around that root."
            )
        if other != self:
            raise InputError(
                f"the index holds points of factors of dimensions {list(self.dims)} ({self.norm}) and "
                f"{space.geometry.spec} has {list(other.dims)} ({other.norm}): build an index in that space."
            )


def root_sha256(root: Tensor) -> str:
    """SHA-256 of the root's float32 bytes."""
    return sha256(root.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()).hexdigest()


def _rooted(frame: Frame) -> str:
    return "no root" if frame.root_sha256 is None else f"the root {frame.root_sha256[:8]}"


@dataclass(frozen=True, eq=False)
class Rows:
    """n stored items.

    Attributes:
        ids: (n,) int64.
        direction: (n, D) float16 or float32, rays from the root; in a product one ray in each factor's slice.
        radii: (n, F) float32, geodesic units, distance from the root in each factor.
    """

    ids: Tensor
    direction: Tensor
    radii: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def points(self, geometry: Geometry, device: torch.device | str = "cpu") -> Points:
        """The rows as points of a geometry of their frame."""
        direction, radii = self.direction.to(device), self.radii.to(device)
        parts = geometry.parts(direction.shape[1])
        factors = (Polar(direction[:, part], radii[:, f]) for f, (_, part) in enumerate(parts))
        return Points(geometry, tuple(factors))

    def radius(self, geometry: Geometry) -> Tensor:
        """Distance from the root, (n,) float32, geodesic units."""
        if isinstance(geometry, PairLaw) and not geometry.radial:
            return self.points(geometry).radius
        return geometry.combine(list(self.radii.unbind(1)))

    def take(self, which: slice | Tensor) -> "Rows":
        """Some of the rows, by a slice or by (m,) integers or booleans."""
        return Rows(self.ids[which], self.direction[which], self.radii[which])

    @classmethod
    def of(cls, ids: Tensor, embeddings: Tensor, space: Space, dtype: torch.dtype = torch.float16) -> "Rows":
        """The rows of embeddings (n, D), lifted around the root of a space; raises InputError."""
        points = space.points(embeddings)
        direction = torch.cat([factor.direction for factor in points.factors], dim=-1).to("cpu", dtype)
        radii = torch.stack([factor.radius for factor in points.factors], dim=-1).to("cpu", torch.float32)
        if not bool(radii.isfinite().all()):
            raise InputError("an embedding is so large that its norm overflows float32: scale it.")
        return cls(ids, direction.contiguous(), radii.contiguous())

    @classmethod
    def none(cls, frame: Frame, dtype: torch.dtype = torch.float32) -> "Rows":
        """No rows, of a frame."""
        empty = torch.empty(0, frame.dim, dtype=dtype), torch.empty(0, len(frame.dims))
        return cls(torch.empty(0, dtype=torch.int64), *empty)

    @classmethod
    def cat(cls, rows: Sequence["Rows"]) -> "Rows":
        """Several sets of rows as one."""
        return cls(*(torch.cat([getattr(part, name) for part in rows]) for name in ("ids", "direction", "radii")))
