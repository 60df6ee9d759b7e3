"""The result of one evaluation: numbers, their intervals, and every setting that made them."""

import json
from dataclasses import dataclass, field

import numpy as np

from hiergeo.findings import Entry, SpaceVerdict
from hiergeo.metrics import Interval, Roc, percentile_interval


@dataclass(frozen=True, repr=False)
class Result:
    """Numbers measured in one space.

    Attributes:
        metrics: name -> value, flat; what `to_json` writes first.
        settings: model, dataset, split, geometry, root, protocol, steps, seed, counts and versions.
        diagnostics: radius spread, cone occupancy, curvature.
        draws: metric -> (samples,) its bootstrap values; those of two results over the same rows are paired.
        ladders: for each image the captions met, general to specific; not part of the JSON.
        radii: (n, T) radii of the chains; not part of the JSON.
        rows: metric -> (rows,) its value for each row, where it is their mean; not part of the JSON.
        items: metric -> number of rows, images or captions that were resampled; not part of the JSON.
        rocs: name of an AUROC -> its ROC curve, from the same pairs; not part of the JSON.
    """

    metrics: dict[str, float]
    settings: dict[str, str | int | float]
    diagnostics: dict[str, float]
    draws: dict[str, np.ndarray]
    ladders: tuple[tuple[str, ...], ...]
    radii: np.ndarray
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    rocs: dict[str, Roc] = field(default_factory=dict)

    def __repr__(self) -> str:
        about = (str(self.settings.get(name, "?")) for name in ("model", "dataset", "split", "geometry"))
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        return f"<Result {' '.join(about)}: {numbers}>"

    @property
    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals of the metrics that are statistics of rows."""
        return {name: percentile_interval(draws) for name, draws in self.draws.items()}

    @property
    def geometry(self) -> str:
        """The spec of the geometry it was measured in."""
        return str(self.settings["geometry"])

    @property
    def space_verdict(self) -> SpaceVerdict:
        """What the diagnostics say about hierarchy, curvature and cones."""
        return SpaceVerdict.of(self.diagnostics)

    @property
    def verdict(self) -> str:
        """The same in words."""
        return str(self.space_verdict)

    def entry(self, dim: int, seed: int | None = None) -> Entry:
        """The result as an entry of a cube, for embeddings of `dim` dimensions and the seed of the training, if any."""
        model = str(self.settings["model"])
        return Entry(model, self.geometry, dim, seed, self.metrics, self.draws, self.rows, self.items)

    def as_dict(self) -> dict[str, object]:
        """What `to_json` writes, `metrics` first."""
        return {
            "metrics": self.metrics,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "diagnostics": self.diagnostics,
            "verdict": self.verdict,
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The result as a JSON object whose first key, ``metrics``, is a flat object name -> number."""
        return json.dumps(self.as_dict(), indent=2)
