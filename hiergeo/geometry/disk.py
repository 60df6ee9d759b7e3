"""Points around the root drawn in a plane: exact radii in a chart, directions by the plane in which they vary most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FARTHEST = 0.47 * np.pi
"""Half of the largest angle from the root that is drawn stereographically; beyond it the drawing would explode."""

NO_SHADOW = 1e-9
"""Length of the projection of a unit direction below which rounding decides where it points."""

SAME = 1e-6
"""Root mean square deviation from the mean direction, in radians, below which directions do not vary."""


@dataclass(frozen=True)
class Plane:
    """Two orthonormal axes (D, 2), their share of the variance of directions, and the length of the mean direction."""

    axes: Floats
    share: float
    mean: float

    def shadows(self, tangents: Floats) -> Floats:
        """Unit vectors (n, 2) along the projections of tangent vectors (n, D).

        The first axis where there is no projection: for the zero vector and for vectors perpendicular to the plane.
        """
        cast = tangents @ self.axes
        length, whole = np.linalg.norm(cast, axis=1), np.linalg.norm(tangents, axis=1)
        plain = length <= NO_SHADOW * whole
        cast[plain] = 1.0, 0.0
        return np.asarray(cast / np.where(plain, 1.0, length)[:, None])


def plane(tangents: Floats) -> Plane:
    """The plane in which the directions of tangent vectors (n, D) vary most, orthogonal to their mean direction.

    The mean direction is projected out of the unit vectors, which then have mean zero, so that their principal axes
    pass through the root, which stays at the centre. Lengths of the vectors do not matter; zero vectors have no
    direction. The share is 0 where directions do not vary.
    """
    length = np.linalg.norm(tangents, axis=1, keepdims=True)
    units = tangents / np.where(length > 0, length, 1)
    mean = units.mean(0)
    size = float(np.linalg.norm(mean))
    common = mean / size if size > 1e-12 else np.zeros_like(mean)
    apart = units - np.outer(units @ common, common)
    last = (1.0 + len(apart)) * np.outer(common, common)  # where nothing varies, the mean direction is still no axis
    values, vectors = np.linalg.eigh(apart.T @ apart - last)
    axes = np.zeros((2, apart.shape[1]))
    axes[: len(values)] = vectors.T[::-1][:2]
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])
    variance = float((apart**2).sum())
    share = min(1.0, float(values[-2:].clip(min=0).sum()) / variance) if variance > SAME**2 * len(apart) else 0.0
    return Plane((axes * signs[:, None]).T, share, size)


def placed_at(radius: Floats | NDArray[np.float32], curvature: float) -> Floats:
    """Distance from the centre of a disk at which a radius is drawn, before any magnification.

    K < 0: tanh(s r / 2), the Poincare disk of radius 1. K > 0: tan(s r / 2), stereographic from the antipode, with the
    equator at 1; points closer to the antipode are drawn at `FARTHEST`. K = 0: r itself.
    """
    if curvature == 0:
        return np.asarray(radius, dtype=np.float64)
    half = np.sqrt(abs(curvature)) * np.asarray(radius, dtype=np.float64) / 2
    return np.asarray(np.tanh(half) if curvature < 0 else np.tan(np.minimum(half, FARTHEST)))
