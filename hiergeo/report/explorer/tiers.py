"""The tiers of captions, from general to specific, as a dataset has them."""

from collections import Counter, defaultdict
from typing import final

from hiergeo.datasets import Hierarchy

UNKNOWN = -1
"""The tier of an item that the dataset does not know."""


@final
class Tiers:
    """Which tier of a dataset the caption of an item is from.

    A caption that is of several tiers belongs to the one that it is of most often, and of equally frequent ones to the
    most general.

    Args:
        hierarchy: chains of captions; contradicting ones count too.

    Attributes:
        names: of the tiers, from general to specific.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.names = tuple(f"tier {place + 1} of {hierarchy.tiers}" for place in range(hierarchy.tiers))
        counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for row in hierarchy.rows:
            for chain in (row.positive, row.negative or ()):
                for tier, caption in enumerate(chain):
                    counts[caption][tier] += 1
        self._tiers = {caption: _commonest(found) for caption, found in counts.items()}

    def tier(self, caption: str | None) -> int:
        """The tier of a caption, from 0 on; -1 for one that the dataset does not know."""
        return UNKNOWN if caption is None else self._tiers.get(caption.strip(), UNKNOWN)


def _commonest(counts: Counter[int]) -> int:
    """The tier that was counted most often; of several the most general."""
    return min(counts, key=lambda tier: (-counts[tier], tier))
