"""Before and after training: a frozen and a trained model measured on the same rows."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo.adapters import Model
from hiergeo.adapters.head import Head, HeadModel, through
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import AUTOMATIC, Compute, Embedded
from hiergeo.evaluation.length import LENGTH
from hiergeo.evaluation.matching import KS, retrieve
from hiergeo.evaluation.measuring import ProtocolSettings, check_fit, embed_for, measure
from hiergeo.evaluation.metrics import (
    Interval,
    find_metric,
    percentile_interval,
    similarity_drift,
    tau_d,
    tau_d_rows,
)
from hiergeo.evaluation.metrics.length import chain_lengths
from hiergeo.evaluation.metrics.registry import Metric, correlation, declare
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space

FALLING = ("precision", "recall", "image_to_text_r1", "text_to_image_r1")
"""Metrics whose fall is said with the order of the tiers."""

DRIFT_TEXTS = 2000
"""Texts, the first of the dataset, whose similarities are compared before and after: two million pairs."""

declare(
    correlation("tau_d_unseen", "tau_d, unseen texts", depends_on_curvature=False, discrete=True),
    Metric("similarity_change", "change of cosines", None, False, "none", bounds=(0.0, 2.0)),
    correlation("similarity_correlation", "correlation of cosines", None, False, "none", measures="correlation"),
)


@dataclass(frozen=True)
class Change:
    """One number before and after training, and the paired 95 % bootstrap interval of after - before over items."""

    before: float
    after: float
    difference: Interval


@dataclass(frozen=True)
class Summary:
    """What training changed.

    Attributes:
        before: the result of the frozen model.
        after: that of the trained one.
        changes: metric -> its change: those of the protocol, `tau_d_unseen` where training texts are known, and the
            retrievals `image_to_text_rK` and `text_to_image_rK` where there are images.
        drift: `similarity_change` and `similarity_correlation` of the cosines of texts.
    """

    before: Result
    after: Result
    changes: dict[str, Change]
    drift: dict[str, float]

    @property
    def headline(self) -> str:
        """What became of the order of the tiers, and of ladders and retrieval where they fell, in one sentence."""
        tau = self.changes["tau_d"]
        fallen = [
            f"{find_metric(name).label} from {change.before:.2f} to {change.after:.2f}"
            for name, change in self.changes.items()
            if name in FALLING and change.difference.high < 0
        ]
        order = f"tau_d went from {tau.before:.2f} to {tau.after:.2f}".replace("-", "−")
        return f"{order}, but these fell: {', '.join(fallen)}." if fallen else f"{order}."

    def metrics(self) -> dict[str, float]:
        """Flat numbers: NAME of the head, NAME_before of the frozen model, and the drift."""
        flat = {name: change.after for name, change in self.changes.items()}
        return flat | {f"{name}_before": change.before for name, change in self.changes.items()} | self.drift

    def intervals(self) -> dict[str, list[float]]:
        """Metric -> low and high end of the interval of after - before."""
        return {name: list(change.difference) for name, change in self.changes.items()}


@torch_defaults()
def summarise(
    model: Model,
    hierarchy: Hierarchy,
    space: Space,
    protocol: str = "re",
    *,
    before: Model | None = None,
    steps: int = 50,
    unseen: np.ndarray | None = None,
    held_out: Collection[int] | None = None,
    samples: int = 1000,
    seed: int = 0,
    compute: Compute = AUTOMATIC,
    progress: bool = False,
) -> Summary:
    """Measure a trained model and its frozen version on the same data, each around its own root.

    Args:
        model: the trained model.
        hierarchy: what both are measured on.
        space: its geometry serves both.
        protocol: as for `hiergeo.evaluate`.
        before: the frozen model; None is the one that a head stands on, which then embeds everything once.
        steps: as for `hiergeo.evaluate`.
        unseen: (rows,) booleans, rows that share no text with the training data (`unseen_rows`); they get a tau_d of
            their own.
        held_out: ids of the images that retrieval is measured on, among their own most specific captions; None is all
            of them.
        samples: bootstrap resamples.
        seed: of the bootstrap.
        compute: where embeddings are made and measured, their dtype and the batch size.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: as `hiergeo.evaluate`, where `unseen` or `held_out` leaves nothing, and without a model to compare
            with.
    """
    settings = ProtocolSettings(protocol, steps, seed, samples)
    base = model.base if before is None and isinstance(model, HeadModel) else before
    if base is None:
        raise InputError(f"there is nothing to compare {model.name} with: give the model that it was, before=MODEL.")
    for compared in (model, base):
        check_fit(compared, hierarchy, space, protocol)
    if unseen is not None and (unseen.shape != (len(hierarchy.rows),) or not unseen.any()):
        raise InputError(f"unseen must mark at least one of the {len(hierarchy.rows)} rows.")
    head = model if isinstance(model, HeadModel) and model.base is base else None
    frozen = embed_for(protocol, base, hierarchy, compute, progress=progress)
    if head is not None:
        sharpened = behind_head(frozen, head.head, head.name)
    else:
        sharpened = embed_for(protocol, model, hierarchy, compute, progress=progress)
    old, new = (
        measured(embedded, space, settings, unseen=unseen, held_out=held_out, progress=progress)
        for embedded in (frozen, sharpened)
    )
    return between(old, new, frozen, sharpened)


def measured(
    embedded: Embedded,
    space: Space,
    settings: ProtocolSettings,
    *,
    unseen: np.ndarray | None = None,
    held_out: Collection[int] | None = None,
    progress: bool = False,
) -> Result:
    """A protocol's result with `tau_d_unseen` and the retrievals among its metrics; arguments as for `summarise`."""
    result = measure(embedded, space, settings, progress=progress)
    rows: dict[str, np.ndarray] = {}
    sharing: dict[str, Sharing] = {}
    baselines: dict[str, dict[str, float]] = {}
    if unseen is not None:
        rows["tau_d_unseen"] = tau_d_rows(result.radii[unseen])
        sharing["tau_d_unseen"] = Sharing(embedded.chains.cpu().numpy()[unseen])
        words = chain_lengths(row.positive for row in embedded.hierarchy.rows)
        baselines["tau_d_unseen"] = {LENGTH: tau_d(words[unseen])}
    if embedded.image is not None:
        match = retrieve(embedded, space, held_out)
        rows |= {f"{way}_r{k}": (at < k).astype(np.float64) for way, at in match._asdict().items() for k in KS}
    means = {name: mean_of(values, sharing.get(name), signed=name in sharing) for name, values in rows.items()}
    return extended(result, Outcome(means, baselines=baselines), settings)


def extended(result: Result, outcome: Outcome, settings: ProtocolSettings) -> Result:
    """A result with the measurements of another outcome on the same data among its own."""
    statistics = outcome.statistics
    values = {name: mean.value for name, mean in statistics.items()} | outcome.numbers
    return replace(
        result,
        metrics=result.metrics | values,
        draws=result.draws | {name: mean.draws(settings.samples, settings.seed) for name, mean in statistics.items()},
        rows=result.rows | outcome.rows,
        items=result.items | {name: mean.rows for name, mean in statistics.items()},
        bounds=result.bounds | outcome.bounds,
        effective=result.effective | outcome.effective,
        rocs=result.rocs | outcome.rocs,
        baselines=result.baselines | outcome.baselines,
    )


def between(before: Result, after: Result, frozen: Embedded, sharpened: Embedded) -> Summary:
    """What changed between two results over the same rows, and between the embeddings that they are of."""
    changes = {
        name: Change(before.metrics[name], after.metrics[name], percentile_interval(after.draws[name] - draws))
        for name, draws in before.draws.items()
        if name in after.draws
    }
    drift = similarity_drift(*(of.text[:DRIFT_TEXTS].float().cpu().numpy() for of in (frozen, sharpened)))
    numbers = {"similarity_change": drift.change, "similarity_correlation": drift.correlation}
    return Summary(before, after, changes, numbers)


def behind_head(frozen: Embedded, head: Head, name: str) -> Embedded:
    """Apply a head to a hierarchy embedded by a frozen model; `name` is that of the combined model."""
    return replace(
        frozen,
        model=name,
        captions=through(head, frozen.captions, name),
        image=None if frozen.image is None else through(head, frozen.image, name),
        root=through(head, frozen.root[None], name)[0],
    )
