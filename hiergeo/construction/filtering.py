"""The last check of whole chains: texts that are distinct, grow, and are no longer than the plan allows."""

from collections.abc import Sequence
from itertools import pairwise

from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.drafts import Draft, normalised

VERSION = 2
"""Raised whenever the same plan may keep other chains."""


def fault(draft: Draft, plan: BuildPlan) -> tuple[str, str] | None:
    """Reason and detail of the drop of a chain that a plan does not want; None for one that is kept."""
    positive = [text or "" for text in draft.positive]
    negative = [text or "" for text in draft.negative]
    texts = [*positive, *negative]
    if not all(texts):
        return "incomplete", " => ".join(text or "?" for text in texts)
    longest = max(texts, key=len)
    if len(longest) > plan.most_characters:
        return "too long", f"{len(longest):,} characters, and most_characters is {plan.most_characters:,}"
    plain = list(map(normalised, positive))
    if len(set(plain)) < len(plain):
        repeated = next(text for tier, text in enumerate(positive) if plain[tier] in plain[:tier])
        return "repeated tier", f"'{repeated}' is there twice"
    for text, other in zip(plain, negative, strict=True):
        if text == normalised(other):
            return "negative equals positive", f"'{other}'"
    for before, text in pairwise(negative):
        if normalised(before) == normalised(text):
            return "repeated tier", f"'{text}' is there twice"
    return _shrinking(positive, {"strict": 1, "weak": 0}.get(plan.growth))


def _shrinking(chain: Sequence[str], least: int | None) -> tuple[str, str] | None:
    for general, specific in pairwise(chain):
        before, after = len(general.split()), len(specific.split())
        if least is not None and after < before + least:
            return "does not grow", f"'{specific}' has {after} words, and '{general}' has {before}"
    return None
