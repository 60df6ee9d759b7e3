"""The last check of whole chains: texts that are distinct, grow, and are no longer than the plan allows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, final

from hiergeo.construction.drafts import Draft, normalised
from hiergeo.construction.plan import BuildPlan

NAME = "filter"

VERSION = 2
"""Raised whenever the same plan may keep other chains."""


@final
class Filter:
    """Drops chains that a plan does not want.

    Args:
        plan: how texts grow and how long they may be.

    Attributes:
        depends: JSON values that results depend on.
    """

    def __init__(self, plan: BuildPlan) -> None:
        self.plan = plan
        self.depends: dict[str, Any] = {
            "version": VERSION,
            "growth": plan.growth,
            "most_characters": plan.most_characters,
        }

    def run(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts, those dropped that have a fault."""
        found = ((draft, self._fault(draft)) for draft in drafts)
        return [draft if fault is None else draft.drop(NAME, *fault) for draft, fault in found]

    def _fault(self, draft: Draft) -> tuple[str, str] | None:
        """Reason and detail of a drop; None for a chain that is kept."""
        positive = [text or "" for text in draft.positive]
        negative = [text or "" for text in draft.negative]
        texts = [*positive, *negative]
        if not all(texts):
            return "incomplete", " => ".join(text or "?" for text in texts)
        longest = max(texts, key=len)
        if len(longest) > self.plan.most_characters:
            return "too long", f"{len(longest):,} characters, and most_characters is {self.plan.most_characters:,}"
        told = list(map(normalised, positive))
        if len(set(told)) < len(told):
            repeated = next(text for place, text in enumerate(positive) if told[place] in told[:place])
            return "repeated tier", f"'{repeated}' is there twice"
        for text, other in zip(told, negative, strict=True):
            if text == normalised(other):
                return "negative equals positive", f"'{other}'"
        for before, text in pairwise(negative):
            if normalised(before) == normalised(text):
                return "repeated tier", f"'{text}' is there twice"
        return self._shrinking(positive)

    def _shrinking(self, chain: Sequence[str]) -> tuple[str, str] | None:
        least = {"strict": 1, "weak": 0}.get(self.plan.growth)
        if least is None:
            return None
        for general, specific in pairwise(chain):
            before, after = len(general.split()), len(specific.split())
            if after < before + least:
                return "does not grow", f"'{specific}' has {after} words, and '{general}' has {before}"
        return None
