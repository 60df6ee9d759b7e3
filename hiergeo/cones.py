"""Entailment cones over a space, row by row: x entails y when y lies in the cone that x spans away from the root."""

from torch import Tensor

from hiergeo.geometry.space import Space


def margin(space: Space, x: Tensor, y: Tensor, min_radius: float | None = None) -> Tensor:
    """Cone margin psi(x_i) - Xi(x_i, y_i), radians, (..., D), (..., D) -> (...); >= 0 where x_i entails y_i."""
    return space.margin(x, y, min_radius)


def entails(space: Space, x: Tensor, y: Tensor, min_radius: float | None = None) -> Tensor:
    """Whether x_i entails y_i, bool (...)."""
    return margin(space, x, y, min_radius) >= 0


def energy(space: Space, x: Tensor, y: Tensor, min_radius: float | None = None) -> Tensor:
    """Entailment energy max(0, -margin), radians, (...). Source: Ganea et al. (ICML 2018), eq. 32."""
    return (-margin(space, x, y, min_radius)).clamp_min(0)
