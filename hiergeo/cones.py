"""Entailment cones row by row, as functions of a space: x entails y when y lies in the cone that x spans.

The same as the methods of `Space` of these names.
"""

from torch import Tensor

from hiergeo.geometry import Located, Space


def margin(space: Space, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
    """Cone margin psi(x_i) - Xi(x_i, y_i), radians, (..., D), (..., D) -> (...); >= 0 where x_i entails y_i."""
    return space.margin(x, y, min_radius)


def entails(space: Space, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
    """Whether x_i entails y_i, bool (...)."""
    return space.entails(x, y, min_radius)


def energy(space: Space, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
    """Entailment energy max(0, -margin), radians, (...). Source: Ganea et al. (ICML 2018), eq. 32."""
    return space.energy(x, y, min_radius)
