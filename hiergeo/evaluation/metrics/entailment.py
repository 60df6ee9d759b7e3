"""Entailment of pairs as published evaluations score it: from the exterior angle and the aperture of a cone."""

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked


def pep_scores(angle: ArrayLike) -> np.ndarray:
    """Probability that the general point entails the specific one: max(1 - 2 phi / pi, 0), in [0, 1].

    It is 1 on the axis of the cone and 0 from a right angle on, where all pairs tie.

    Args:
        angle: phi, the exterior angle at the general point, radians, in [0, pi]; of any shape.

    Raises:
        InputError: no angles, NaN, or an angle outside [0, pi].

    Source: Huynh et al., ARGENT (arXiv 2603.23311), the probabilistic entailment protocol.
    """
    return np.maximum(1 - 2 * _angles(angle) / np.pi, 0)


def cone_scores(half_aperture: ArrayLike, angle: ArrayLike) -> np.ndarray:
    """Signed cone margin: half aperture minus exterior angle at the general point, radians; >= 0 inside the cone.

    Args:
        half_aperture: in [0, pi/2] radians, broadcast against `angle`.
        angle: in [0, pi] radians.

    Raises:
        InputError: nothing given, NaN, a value out of range, or shapes that do not broadcast.

    Source: the score behind the published HierarCaps figures of hyper3-clip.
    """
    aperture = checked("half_aperture", half_aperture)
    if aperture.min() < 0 or aperture.max() > np.pi / 2 + ROUNDING:
        raise InputError("half apertures must be in [0, pi/2] radians.")
    angles = _angles(angle)
    try:
        return aperture - angles
    except ValueError:
        raise InputError(
            f"half_aperture of shape {aperture.shape} and angle of shape {angles.shape} do not fit each other."
        ) from None


ROUNDING = 1e-6
"""Radians by which float32 may exceed the ends of a range."""


def _angles(angle: ArrayLike) -> np.ndarray:
    angles = checked("angle", angle)
    if angles.min() < 0 or angles.max() > np.pi + ROUNDING:
        raise InputError("exterior angles must be in [0, pi] radians.")
    return angles
