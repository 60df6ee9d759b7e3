"""Numbers by name with their intervals, and how sentences state them."""

from dataclasses import dataclass, field
from typing import final

from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.findings.exports import number
from hiergeo.evaluation.metrics import Interval


@final
@dataclass(frozen=True)
class Evidence:
    """Numbers by name, and the 95 % intervals of those that have one."""

    numbers: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def add(self, name: str, measured: Measured) -> None:
        """Add a number with its interval."""
        self.numbers[name], self.intervals[name] = measured.value, measured.interval

    @property
    def flat(self) -> bool:
        """Whether the space, or every factor of it, has K = 0."""
        curvatures = [value for name, value in self.numbers.items() if name.startswith("curvature")]
        return bool(curvatures) and not any(curvatures)

    def stated(self, name: str) -> str:
        """A number with its interval where it has one."""
        value = number(self.numbers[name])
        if name not in self.intervals:
            return value
        low, high = (number(bound) for bound in self.intervals[name])
        return f"{value} [{low}, {high}]"

    def signed(self, name: str) -> str:
        """The same with a plus sign before positive numbers."""
        return ("+" if self.numbers[name] > 0 else "") + self.stated(name)

    def percent(self, name: str) -> str:
        """A share in per cent."""
        return f"{100 * self.numbers[name]:.1f}%"

    def above(self, name: str, least: float = 0.0) -> bool:
        """Whether a number is at least `least` and its interval lies above 0."""
        return self.numbers[name] >= least and self.intervals[name].low > 0

    def below(self, name: str, least: float = 0.0) -> bool:
        """Whether a number is at most -`least` and its interval lies below 0."""
        return self.numbers[name] <= -least and self.intervals[name].high < 0
