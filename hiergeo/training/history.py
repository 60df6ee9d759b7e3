"""What was seen on the way: plain numbers at every look at the validation rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hiergeo import _limits
from hiergeo.storage.documents import ListOf, Number, Record, Whole

NUMBERS = Record(rest=Number(finite=False))

SCHEMA = Record(
    {
        "step": Whole(0, _limits.TRAINING_STEPS),
        "training": NUMBERS,
        "validation": Record({"total": Number(finite=False)}, rest=Number(finite=False)),
        "tau_d": Number(finite=False),
        "radius": ListOf(Number(finite=False)),
        "curvature": ListOf(Number(finite=False)),
    }
)
"""What `Look.of_dict` takes."""


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        step: steps taken before it.
        training: the losses of the last batch by name, not weighted, and their weighted sum `total`; empty at step 0.
        validation: the same on the validation rows, means over batches.
        tau_d: of the validation rows, in [-1, 1].
        radius: mean radius of each tier of the validation rows, geodesic units.
        curvature: signed K of every factor.
    """

    step: int
    training: dict[str, float]
    validation: dict[str, float]
    tau_d: float
    radius: tuple[float, ...]
    curvature: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values by name."""
        return asdict(self)

    @classmethod
    def of_dict(cls, values: Mapping[str, Any]) -> "Look":
        """The look that `as_dict` told."""
        pairs = {name: tuple(values[name]) for name in ("radius", "curvature")}
        return cls(**{**values, **pairs})
