"""Which of two texts entails or contradicts the other: the interface of judges."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)
"""Columns of what a judge answers."""


class Judge(ABC):
    """Interface of natural-language inference."""

    name: ClassVar[str]
    """What plans call it, before a colon."""

    certainty: float = 1.0
    """The largest probability that it gives; a threshold above it, which nothing can pass, is refused."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """JSON values that answers depend on, such as the model and its hash; goes into keys and cards."""

    @abstractmethod
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Probabilities of entailment, neutrality and contradiction.

        Args:
            pairs: n pairs (premise, hypothesis).

        Returns:
            (n, 3) float64, columns `ENTAILMENT`, `NEUTRAL`, `CONTRADICTION`; rows sum to 1.

        Raises:
            UnavailableError: the model cannot be run.
        """

    def close(self) -> None:  # noqa: B027
        """Release what it holds."""
