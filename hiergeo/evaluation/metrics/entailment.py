"""Entailment of pairs as published evaluations score it."""

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked

ROUNDING = 1e-6
"""Radians by which float32 may exceed the ends of a range."""


def pep_scores(angle: ArrayLike) -> np.ndarray:
    """Probability that the general point entails the specific one: max(1 - 2 phi / pi, 0), in [0, 1].

    It is 1 on the axis of the cone and 0 from a right angle on, where all pairs tie.

    Args:
        angle: phi, the exterior angle at the general point, radians, in [0, pi]; of any shape.

    Raises:
        InputError: no angles, NaN, or an angle outside [0, pi].

    Source: Huynh et al., ARGENT (arXiv 2603.23311), the probabilistic entailment protocol.
    """
    angles = checked("angle", angle)
    if angles.min() < 0 or angles.max() > np.pi + ROUNDING:
        raise InputError("exterior angles must be in [0, pi] radians.")
    return np.maximum(1 - 2 * angles / np.pi, 0)
