"""What a protocol hands back, before intervals and settings are added to it."""

from dataclasses import dataclass, field

from hiergeo.evaluation.statistic import Statistic


@dataclass(frozen=True)
class Outcome:
    """Statistics to be resampled, plain numbers beside them, and the captions met for each image."""

    statistics: dict[str, Statistic]
    numbers: dict[str, float] = field(default_factory=dict)
    ladders: tuple[tuple[str, ...], ...] = ()
