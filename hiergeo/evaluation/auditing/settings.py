"""How to audit."""

from dataclasses import dataclass

from hiergeo._core import limits
from hiergeo._core.errors import check_whole

MOST_COPIES = 1000
"""Untrained copies at most."""


@dataclass(frozen=True)
class AuditSettings:
    """How to audit, and how to control the length of captions.

    Attributes:
        steps: points of a walk and thresholds of a ladder.
        seed: of the bootstrap, the random targets of walks, the shuffling of words and the copies.
        samples: bootstrap resamples.
        copies: untrained copies of the network, with the seeds `seed`, `seed` + 1, ...; an audit with copies measures
            captions without content and of shuffled words too. Both need the model, not its embeddings alone.
        filler: words of content-free captions, as for `hiergeo.datasets.content_free`.

    Raises:
        InputError: a number out of range.
    """

    steps: int = 50
    seed: int = 0
    samples: int = 1000
    copies: int = 0
    filler: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, 1, limits.PROTOCOL_STEPS)
        check_whole("seed", self.seed, 0, limits.SEED)
        check_whole("samples", self.samples, 1, limits.COUNT)
        check_whole("copies", self.copies, 0, MOST_COPIES)
