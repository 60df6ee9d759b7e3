"""The protocols: what is measured of a hierarchy in a space. Third parties add theirs by subclassing `Protocol`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide, widest
from hiergeo._core.plugins import Plugins
from hiergeo._core.polar import Polar
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.embedded import Embedded, without_images
from hiergeo.evaluation.length import PairLengths, matched_by_length, nearest_within, rankings
from hiergeo.evaluation.metrics import Ranking, ladder, ladder_metrics
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Euclidean, Located, Points, Space
from hiergeo.geometry.points import row_by_row
from hiergeo.geometry.streams import is_whole

LADDERS = declare(
    share("precision", "precision", unit="images", discrete=True),
    share("recall", "recall", unit="images", discrete=True),
    share("any_hit", "any hit", unit="images", discrete=True),
    share("true_of_picture", "true of the picture", unit="images", discrete=True),
)
"""The metrics of ladders; the last one where a dataset knows the truth of every caption."""

declare(
    *rankings(""),
    *rankings("_sibling", "sibling"),
    *rankings("_margin", "margin"),
    *rankings("_margin_sibling", "margin", "sibling"),
)


SAME_RADIUS = 1e-5
"""Relative difference up to which radii in float32 count as equal."""


def levelled(radii: np.ndarray) -> np.ndarray:
    """Radii that all agree up to rounding, as those of unit rows around the origin, made equal; others as they are."""
    return np.full_like(radii, radii.max()) if np.ptp(radii) <= SAME_RADIUS * radii.max() else radii


@dataclass(frozen=True, eq=False)
class View:
    """The embeddings of a hierarchy in one space, around its root.

    Captions are lifted once. Where there are very many, they stay embeddings, and each measurement lifts a part of them
    at a time.
    """

    embedded: Embedded
    space: Space

    @cached_property
    def captions(self) -> Located:
        """All captions, (V, D): see `Embedded.captions`."""
        captions = self.embedded.captions
        return self.space.points(captions) if is_whole(captions) else captions

    @property
    def text(self) -> Located:
        """The captions of the positive chains, (U, D)."""
        return located_rows(self.captions, slice(0, len(self.embedded.texts)))

    @cached_property
    def factor_radii(self) -> Tensor:
        """Radii of `text` in each factor of the space, (U, factors), geodesic units."""
        return torch.stack(self.space.factor_radii(self.text), dim=1)

    @cached_property
    def radii(self) -> np.ndarray:
        """Radii of the positive chains, (n, T) float64, general to specific; equal where they agree up to rounding."""
        radius = self.space.geometry.combine(self.factor_radii.unbind(1))
        return levelled(radius[self.embedded.chains].cpu().double().numpy())

    def ladder_outcome(self, met: np.ndarray, steps: int, metrics: Sequence[str]) -> Outcome:
        """Ladders of captions met (m, steps), negative for none, their metrics, and the baseline that limits words."""
        embedded = self.embedded
        assert embedded.image is not None
        lengths = np.array([word_count(text) for text in embedded.texts])
        outcome = Outcome(ladders=tuple(ladder(row, embedded.texts) for row in met))
        own = ladder_metrics(outcome.ladders, embedded.truths, embedded.is_true)
        words = nearest_within(embedded.image, self.text, lengths, self.space, steps)
        by_words = [ladder(row, embedded.texts) for row in words]
        by_length = ladder_metrics(by_words, embedded.truths, embedded.is_true)
        for name in known(embedded, metrics):
            outcome.add(name, mean_of(own[name], embedded.image_sharing), length=float(by_length[name].mean()))
        return outcome


def known(embedded: Embedded, metrics: Sequence[str]) -> tuple[str, ...]:
    """Metrics of ladders, with that of truth where the dataset knows it."""
    return (*metrics, *LADDERS[3:]) if embedded.hierarchy.truth else tuple(metrics)


def located_rows(located: Located, which: slice | Tensor) -> Located:
    """Some of the points or embeddings."""
    return located.rows(which) if isinstance(located, Points) else located[which]


def pair_scores(score: Callable[[Located, Located], Tensor], captions: Located, x: Tensor, y: Tensor) -> Tensor:
    """Apply `score`, which goes row by row, to captions at positions `x` and `y` of one shape: (*shape, ...)."""

    def of(i: Tensor, j: Tensor) -> Tensor:
        return score(located_rows(captions, i), located_rows(captions, j))

    scores = row_by_row(of, x.flatten(), y.flatten())
    return scores.view(*x.shape, *scores.shape[1:])


class Protocol(ABC):
    """A way to measure a hierarchy.

    Attributes:
        name: what the protocol is called.
        images: whether it measures images where the model and the data have some.
        negatives: whether it needs the contradicting chains.
        asks: what pairs must have in the geometry, "distance" or "margin"; None if it measures none.
    """

    name: ClassVar[str]
    images: ClassVar[bool] = True
    negatives: ClassVar[bool] = False
    asks: ClassVar[str | None] = None

    def check(self, model: Model, hierarchy: Hierarchy, space: Space) -> None:  # noqa: B027 - optional to override
        """Raise InputError where the protocol cannot measure this model, data and space; before any work starts."""

    @abstractmethod
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        """Measure. Gradients are off, and the space has its root.

        Args:
            view: embeddings in a space.
            steps: thresholds or points along the way, where the protocol has any.
            progress: whether to draw a bar for work that outlasts a second.
        """


@final
class RadialLadder(Protocol):
    """The protocol of the paper: ladders of captions under growing radius thresholds.

    Source: Alper and Averbuch-Elor (ECCV 2024), section 4, as their evaluation code computes it.
    """

    name = "re"
    asks = "distance"

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        """Precision and recall of the ladders; nothing for a model without images.

        `steps` thresholds run evenly from the smallest to the largest radius of all captions, both included. Candidates
        are ordered by the geodesic distance, in Euclidean space of unit embeddings the order of the cosine.
        """
        embedded = view.embedded
        if embedded.image is None:
            return Outcome(left_out=dict.fromkeys(known(embedded, LADDERS[:2]), embedded.why_no_images))
        radius = view.space.radius(view.text)
        thresholds: int | Tensor = steps
        if not np.ptp(levelled(radius.cpu().double().numpy())):
            thresholds = radius.amax().expand(steps)
        met = view.space.ladder(embedded.image, view.text, thresholds, progress=progress)
        return view.ladder_outcome(met.cpu().numpy(), steps, LADDERS[:2])


@final
class Traversal(Protocol):
    """ProLIP's protocol: walk from the caption nearest to the image to the root, and read the captions met on the way.

    Source: Chun et al., ProLIP (ICLR 2025), as their HierarCaps evaluation computes it.
    """

    name = "traversal"
    asks = "distance"

    def check(self, model: Model, hierarchy: Hierarchy, space: Space) -> None:
        if space.centre == "none":
            raise InputError("the traversal protocol walks to the root: give the space one.")
        if not (model.has_images and hierarchy.images):
            why = without_images(model.name, not model.has_images, hierarchy)
            raise InputError(f"the traversal protocol starts from images, and {why}: use 're' or 'pairs'.")

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        """Precision, recall and any-hit of the captions met.

        The walk is the radial geodesic r (1 - i / steps), i = 0 .. steps - 1. In Euclidean space everything is brought
        to norm 1, the points of the walk too, so that captions are met by cosine as in the source.
        """
        if isinstance(view.space.geometry, Euclidean):
            view = of_norm_one(view)
        embedded, space = view.embedded, view.space
        assert embedded.image is not None
        _, begins = space.nearest(embedded.image, view.text)
        starts, walk_of = torch.unique(begins, return_inverse=True)
        points = walk(embedded.text[starts], space, steps)
        _, met = space.nearest(points, view.text)
        walks = met.view(len(starts), steps).flip(1).cpu().numpy()
        return view.ladder_outcome(walks[walk_of.tolist()], steps, LADDERS[:3])


def of_norm_one(view: View) -> View:
    """The view with every norm, and that of the root, 1: in flat space the nearest is then that of largest cosine."""
    embedded, root = view.embedded, view.space.root
    assert embedded.image is not None
    assert root is not None
    captions, image = (normalize(rows, dim=-1) for rows in (embedded.captions, embedded.image))
    space = Space(view.space.geometry, normalize(root, dim=-1), min_radius=view.space.min_radius)
    return View(replace(embedded, captions=captions, image=image), space)


def walk(start: Tensor, space: Space, steps: int) -> Points:
    """The points met between the embeddings `start` (n, D) and the root, start included, (n * steps), walk by walk."""
    left = 1 - torch.arange(steps, dtype=widest(start.device), device=start.device) / steps
    if isinstance(space.geometry, Euclidean):
        assert space.root is not None
        line = space.root + left.to(start.dtype)[:, None] * (start - space.root)[:, None, :]
        return space.points(normalize(line, dim=-1).flatten(0, 1))
    factors = []
    for rays in space.points(start).factors:
        radius = (wide(rays.radius)[:, None] * left).to(rays.radius.dtype)
        factors.append(Polar(rays.direction.repeat_interleave(steps, 0), radius.flatten()))
    return Points(space.geometry, tuple(factors))


@final
class EntailmentPairs(Protocol):
    """Entailment as a binary question: does the score tell a caption's child from a contradicting caption.

    Positives are (p_i, p_{i+1}), negatives (p_i, n_i), i = 0 .. T - 2, pooled over tiers, as in the RE loss; with
    sibling negatives they are (p_i, n_{i+1}).
    """

    name = "pairs"
    images = False
    negatives = True
    asks = "margin"

    def check(self, model: Model, hierarchy: Hierarchy, space: Space) -> None:
        if not hierarchy.has_negatives:
            raise InputError(
                f"the pairs protocol needs negative chains, and the {hierarchy.split} split of {hierarchy.name} has "
                "none: use a split with negatives, such as expanded-test, or give your own file a column 'negative'."
            )

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        """AUROC and average precision by -Xi and by the cone margin, for both kinds of negatives.

        A product is scored by the margin alone: the largest angle over its factors says nothing of the others. A law of
        pairs has no angles.
        """
        embedded = view.embedded
        assert embedded.contradicting is not None
        lengths = PairLengths.of(embedded.hierarchy)
        return score_pairs(view.captions, embedded.chains, embedded.contradicting, view.space, lengths)


def score_pairs(
    captions: Located, positive: Tensor, negative: Tensor, space: Space, lengths: PairLengths | None = None
) -> Outcome:
    """The `pairs` protocol on chains: (n, T) positions among captions (V, D), in a space around its root.

    With `lengths`, the metrics matched by length and the baselines by length are measured as well.
    """
    parent, child = positive[:, :-1], positive[:, 1:]
    negatives = {"": negative[:, :-1], "_sibling": negative[:, 1:]}
    has_angle = "single" in space.geometry.measures
    outcome, controls = Outcome(), Outcome()
    sharing = Sharing(positive.cpu().numpy())
    if not has_angle:
        by_angle = ("auroc", "average_precision", "auroc_sibling", "average_precision_sibling")
        outcome.left_out.update(dict.fromkeys(by_angle, f"{space.geometry.spec} has no single angle"))

    def scores(x: Located, y: Located) -> Tensor:
        if not has_angle:
            return space.margin(x, y)[:, None]
        x = space.points(x)
        angle = space.exterior_angle(x, y)
        return torch.stack((-angle, space.half_aperture(x) - angle), -1)

    true = pair_scores(scores, captions, parent, child).cpu().numpy()
    false = {kind: pair_scores(scores, captions, parent, wrong).cpu().numpy() for kind, wrong in negatives.items()}
    for column, name in enumerate(("", "_margin") if has_angle else ("_margin",)):
        for kind, wrong in false.items():
            own, others = true[..., column], wrong[..., column]
            outcome.add_ranking(f"{name}{kind}", Ranking(own, others), len(own), sharing)
            if lengths is not None:
                sibling = kind == "_sibling"
                controls |= matched_by_length(f"{name}{kind}", own, others, lengths, sharing, sibling=sibling)
    return outcome | controls


PROTOCOLS: Plugins[Protocol | type[Protocol]] = Plugins(
    "protocol",
    "hiergeo.protocols",
    {
        **{protocol.name: protocol for protocol in (RadialLadder, Traversal, EntailmentPairs)},
        "hyper3": "hiergeo.evaluation.image_pairs:ImageEntailment",
    },
)
"""Every protocol by its name: a subclass of `Protocol`, or an instance of one."""


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: an unknown name (the nearest one is suggested), or something that is not a protocol.
        UnavailableError: the code of another package cannot be imported.
    """
    registered = PROTOCOLS.get(name)
    with PROTOCOLS.running(name, "could not be made"):
        made = registered() if isinstance(registered, type) else registered
    if not isinstance(made, Protocol):
        raise InputError(f"the protocol '{name}' is a {type(made).__name__}, not a hiergeo.evaluation.Protocol.")
    return made
