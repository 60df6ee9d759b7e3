"""Before and after: a frozen model and the same one behind its head, over the same rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy, Labelled
from hiergeo.errors import InputError
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded, embed
from hiergeo.evaluation.evaluate import Settings, check, check_fit, measure, wanted
from hiergeo.evaluation.zero_shot import check_labels, embed_labels
from hiergeo.geometry import Space
from hiergeo.metrics import (
    Interval,
    paired_difference,
    percentile_interval,
    retrieval_hits,
    similarity_drift,
    tau_d_rows,
    zero_shot_hits,
)

KS = (1, 5, 10)
"""The k of the recalls that are reported."""

DRIFT_TEXTS = 2000
"""Texts, the first of the dataset, whose similarities are compared before and after: two million pairs."""


@dataclass(frozen=True)
class Change:
    """One number before and after.

    Attributes:
        before: of the frozen model.
        after: behind the head.
        difference: paired 95 % bootstrap interval of after - before, over rows, images or captions.
    """

    before: float
    after: float
    difference: Interval


@dataclass(frozen=True)
class Summary:
    """What a head changed.

    Attributes:
        before: the whole result of the frozen model.
        after: the whole result behind the head.
        changes: metric -> its change: those of the protocol, `tau_d_unseen` where training texts are known, and the
            retrievals `image_to_text_rK` and `text_to_image_rK` where there are images, and `zero_shot_accuracy` where
            labelled images are given.
        drift: `similarity_change` and `similarity_correlation` of the cosines of texts.
    """

    before: Result
    after: Result
    changes: dict[str, Change]
    drift: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """Flat numbers: NAME of the head, NAME_before of the frozen model, and the drift."""
        flat = {name: change.after for name, change in self.changes.items()}
        return flat | {f"{name}_before": change.before for name, change in self.changes.items()} | self.drift

    def intervals(self) -> dict[str, list[float]]:
        """Metric -> low and high end of the interval of after - before."""
        return {name: list(change.difference) for name, change in self.changes.items()}


def summarise(
    model: HeadModel,
    hierarchy: Hierarchy,
    space: Space,
    protocol: str = "re",
    *,
    steps: int = 50,
    unseen: np.ndarray | None = None,
    held_out: Iterable[int] | None = None,
    zero_shot: Labelled | None = None,
    samples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> Summary:
    """Measure a model behind its head, and without it, on the same data, each around its own root.

    Args:
        model: the head on its frozen model, which embeds everything once.
        hierarchy: what both are measured on.
        space: its geometry serves both.
        protocol: as for `hiergeo.evaluate`.
        steps: as for `hiergeo.evaluate`.
        unseen: (rows,) booleans, rows that share no text with the training data (`rows_without`); they get a tau_d of
            their own.
        held_out: ids of the images that retrieval is measured on, among their own most specific captions; None is all
            of them.
        zero_shot: labelled images to classify, each by its nearest class.
        samples: bootstrap resamples.
        seed: of the bootstrap.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: as `hiergeo.evaluate`, and where `unseen` or `held_out` leaves nothing.
    """
    check(protocol, steps, seed, samples)
    check_fit(model, hierarchy, space, protocol)
    check_fit(model.base, hierarchy, space, protocol)
    if zero_shot is not None:
        check_labels(model.base, zero_shot)
    if unseen is not None and (unseen.shape != (len(hierarchy.rows),) or not unseen.any()):
        raise InputError(f"unseen must mark at least one of the {len(hierarchy.rows)} rows.")
    frozen = embed(model.base, hierarchy, **wanted(protocol), progress=progress)
    sharpened = behind(frozen, model)
    settings = Settings(protocol, steps, seed, samples)
    before, after = (measure(embedded, space, settings, progress=progress) for embedded in (frozen, sharpened))
    changes = {name: _of_draws(before, after, name) for name in before.draws if name in after.draws}
    if unseen is not None:
        was, now = (tau_d_rows(result.radii[unseen]) for result in (before, after))
        changes["tau_d_unseen"] = _of_rows(was, now, samples, seed)
    if frozen.image is not None:
        old, new = (retrieval(embedded, space, held_out) for embedded in (frozen, sharpened))
        changes |= {name: _of_rows(old[name], new[name], samples, seed) for name in old}
    if zero_shot is not None:
        known = embed_labels(model.base, zero_shot, progress=progress)
        was, now = (zero_shot_hits(x.distances(space).numpy(), x.labels) for x in (known, known.behind(model)))
        changes["zero_shot_accuracy"] = _of_rows(was, now, samples, seed)
    drift = similarity_drift(frozen.text[:DRIFT_TEXTS].numpy(), sharpened.text[:DRIFT_TEXTS].numpy())
    numbers = {"similarity_change": drift.change, "similarity_correlation": drift.correlation}
    return Summary(before, after, changes, numbers)


@torch.no_grad()
def retrieval(embedded: Embedded, space: Space, held_out: Iterable[int] | None = None) -> dict[str, np.ndarray]:
    """Hits of images among their most specific captions and the other way round, one per query: see `retrieval_hits`.

    Candidates are ordered by the geodesic distance of the space around the model's root. Equal captions match every
    image that one of them describes.

    Args:
        embedded: a hierarchy with images.
        space: where distances are taken.
        held_out: ids of the images to keep to; None is all.

    Raises:
        InputError: there are no images, or none of those in `held_out`.
    """
    hierarchy = embedded.hierarchy
    wanted = {image.image_id for image in hierarchy.images} if embedded.image is not None else set()
    wanted &= wanted if held_out is None else set(held_out)
    places = [place for place, image in enumerate(hierarchy.images) if image.image_id in wanted]
    if embedded.image is None or not places:
        raise InputError(f"none of the held-out images is in the {hierarchy.split} split of {hierarchy.name}.")
    described = {(row.image_id, row.positive[-1]) for row in hierarchy.rows if row.image_id in wanted}
    specific = {text for _, text in described}
    captions = [place for place, text in enumerate(embedded.texts) if text in specific]
    relevant = np.array(
        [[(hierarchy.images[i].image_id, embedded.texts[j]) in described for j in captions] for i in places]
    )
    rooted = space.rooted(embedded.root)
    near = -rooted.pairwise_distance(embedded.image[places], embedded.text[captions]).numpy()
    found = {f"image_to_text_r{k}": retrieval_hits(near, relevant, k) for k in KS}
    return found | {f"text_to_image_r{k}": retrieval_hits(near.T, relevant.T, k) for k in KS}


def behind(frozen: Embedded, model: HeadModel) -> Embedded:
    """A hierarchy embedded by the frozen model, as the model behind its head embeds it."""
    negative = frozen.negative
    return replace(
        frozen,
        model=model.name,
        text=model.through(frozen.text),
        negative=None if negative is None else model.through(negative.flatten(0, 1)).unflatten(0, negative.shape[:2]),
        image=None if frozen.image is None else model.through(frozen.image),
        root=model.through(frozen.root[None])[0],
    )


def _of_draws(before: Result, after: Result, name: str) -> Change:
    draws = after.draws[name] - before.draws[name]
    return Change(before.metrics[name], after.metrics[name], percentile_interval(draws))


def _of_rows(before: np.ndarray, after: np.ndarray, samples: int, seed: int) -> Change:
    difference = paired_difference(after, before, samples=samples, seed=seed)
    return Change(float(before.mean()), float(after.mean()), difference)
