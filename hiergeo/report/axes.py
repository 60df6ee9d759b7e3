"""Where numbers fall on paper: round ticks, linear scales and paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high], in data units, to [start, end], in pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> np.ndarray:
        """Pixels of `values`, of any shape."""
        return self.start + (np.asarray(values) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> tuple[tuple[float, str], ...]:
        """Pixels and labels of about `wanted` round numbers."""
        return tuple((float(self(tick)), minus(f"{tick:.10g}")) for tick in ticks(self.low, self.high, wanted))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within [low, high], about `wanted` of them, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough)))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(index * step) + 0.0 for index in np.arange(first, last + 1)]


def minus(text: str) -> str:
    """Digits with a true minus sign."""
    return text.replace("-", "−")


def line(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    """The SVG path through points."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
