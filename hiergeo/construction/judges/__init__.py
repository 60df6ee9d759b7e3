"""What decides which of two texts entails or contradicts the other: the interface of judges, and all by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from hiergeo._core.plugins import Plugins

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)  # columns of what a judge answers


class Judge(ABC):
    """Interface of natural-language inference; `name` is what plans call it, before a colon."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """JSON values that answers depend on, such as the model and its hash; goes into keys and cards."""

    @abstractmethod
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Probabilities, (n, 3) float64 of columns `ENTAILMENT`, `NEUTRAL` and `CONTRADICTION` whose rows sum to 1.

        Args:
            pairs: n pairs (premise, hypothesis).

        Raises:
            UnavailableError: the model cannot be run.
        """

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds."""


JUDGES: Plugins[Callable[..., Judge]] = Plugins(
    "judge",
    "hiergeo.construction_judges",
    {"transformers": "hiergeo.construction.judges.transformers:TransformersJudge"},
)
"""Name -> what makes a judge: called like the backends of `hiergeo.construction.backends.BACKENDS`."""
