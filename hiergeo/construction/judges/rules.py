"""Inference by rules over what captions claim: no model, deterministic; the default.

It reads the texts that it is given and knows nothing of how they were made. What it cannot decide is neutral, so a text
that it lets through is rarely wrong, and many a right one written by a person is not let through.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL, Judge
from hiergeo.construction.language.entailment import VERSION, relation

CONFIDENCE = 0.98
"""Probability of the relation that the rules find; the other two share the rest equally."""

COLUMNS = {"entailment": ENTAILMENT, "neutral": NEUTRAL, "contradiction": CONTRADICTION}


@final
class RulesJudge(Judge):
    """Natural logic over captions (see `hiergeo.construction.language.entailment`)."""

    name: ClassVar[str] = "rules"
    certainty = CONFIDENCE

    def __init__(self, spec: str = "") -> None:
        if spec:
            raise InputError(f"judge rules takes no argument, got {spec!r}: write just 'rules'.")

    @property
    def identity(self) -> dict[str, Any]:
        """Version of the rules and the probability that they answer with."""
        return {"judge": self.name, "version": VERSION, "confidence": CONFIDENCE}

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """See `Judge.probabilities`: `CONFIDENCE` for the relation that was found."""
        answers = np.full((len(pairs), len(COLUMNS)), (1 - CONFIDENCE) / 2)
        found = [COLUMNS[relation(premise, hypothesis)] for premise, hypothesis in pairs]
        answers[np.arange(len(pairs)), found] = CONFIDENCE
        return answers
