"""Traversal under controls: the walk to the root against walks that know nothing of it."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.numerics import wide
from hiergeo._core.progress import track
from hiergeo.evaluation.auditing.subject import Subject
from hiergeo.evaluation.metrics import ladder, ladder_metrics
from hiergeo.geometry import Euclidean
from hiergeo.geometry.lines import LineSearch

WALKS_AT_ONCE = 256
"""Walks whose points are held at a time."""

MOST = 1000
"""Images or rows that are walked from; more are sampled."""

DRAWS = 4
"""Random roots of each start at most, over which its walk is averaged; of `MOST` starts each has one."""

UNIT = 1e-3
"""Largest deviation of a norm from 1 at which embeddings count as normalised."""


def walks(subject: Subject, steps: int, seed: int, *, progress: bool = False) -> dict[str, dict[str, np.ndarray]]:
    """Metrics of the walk to the root, ``root``, and of those of the controls, as `ladder_metrics` by image or row.

    A walk goes from an embedding e straight to a target t in `steps` points t + (1 - i / steps) (e - t), i = 0, 1, ...,
    and meets the caption nearest to each point. With the root as target that is the radial geodesic of the space. In
    Euclidean space points are renormalised first where the embeddings are, as the protocol ``traversal`` does. With
    images, walks start at the caption nearest to each, and the truth is the chains of the image. Without, they start at
    the most specific caption of each row, and the truth is the other captions of the rows that end in it; the start
    does not count as met.

    Targets: ``root``; ``random_root``, for each start random points as far from the origin of the embeddings as the
    root is (scores are means over them; left out where the root is the origin); ``data_mean``, the mean of the
    captions; ``random_direction``, e + |e - root| w with a random unit w for each start. Of more than `MOST` images or
    rows that many are drawn.
    """
    starts, walk_of, truths = _starts(subject, seed)
    text, texts = subject.embedded.text, subject.embedded.texts
    root = subject.space.root if subject.space.root is not None else torch.zeros_like(text[0])
    origins = text[starts]
    is_unit = bool(((text.norm(dim=-1) - 1).abs() < UNIT).all())
    search = LineSearch(subject.space, text, renormalised=is_unit and isinstance(subject.space.geometry, Euclidean))

    targets = [(name, ends.expand_as(origins)) for name, each in _targets(origins, text, root, seed) for ends in each]
    met: list[list[list[int]]] = [[] for _ in targets]
    for start in track(range(0, len(origins), WALKS_AT_ONCE), "walking", enabled=progress):
        some = slice(start, start + WALKS_AT_ONCE)
        begins = origins[some]
        for found, (_, ends) in zip(met, targets, strict=True):
            found += search.nearest(begins, ends[some], steps).indices.tolist()

    drawn: dict[str, list[dict[str, np.ndarray]]] = {}
    for (name, _), walked in zip(targets, met, strict=True):
        if subject.image is None:
            walked = [[place for place in walk if place != walk[0]] for walk in walked]
        drawn.setdefault(name, []).append(ladder_metrics([ladder(walked[walk], texts) for walk in walk_of], truths))
    return {name: {key: np.mean([one[key] for one in each], axis=0) for key in each[0]} for name, each in drawn.items()}


def _starts(subject: Subject, seed: int) -> tuple[Tensor, list[int], list[list[tuple[str, ...]]]]:
    """Positions of distinct starts, the start of each walk, and the truth of each; at most `MOST` walks."""
    embedded = subject.embedded
    if embedded.image is not None and len(embedded.image):
        kept = _drawn(len(embedded.image), seed)
        _, begins = subject.space.nearest(embedded.image[kept.to(embedded.image.device)], embedded.text)
        truths = [embedded.truths[place] for place in kept.tolist()]
    else:
        ends = embedded.chains[:, -1].tolist()
        ancestors: dict[int, list[tuple[str, ...]]] = {}
        for end, row in zip(ends, embedded.hierarchy.rows, strict=True):
            ancestors.setdefault(end, []).append(row.positive[:-1])
        kept = _drawn(len(ends), seed)
        begins = embedded.chains[kept.to(embedded.chains.device), -1]
        truths = [ancestors[ends[place]] for place in kept.tolist()]
    starts, walk_of = torch.unique(begins, return_inverse=True)
    return starts, walk_of.tolist(), truths


def _drawn(count: int, seed: int) -> Tensor:
    """All of `count` places, or `MOST` of them drawn at random, ascending."""
    if count <= MOST:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MOST].sort().values


def _targets(origins: Tensor, text: Tensor, root: Tensor, seed: int) -> Iterator[tuple[str, list[Tensor]]]:
    generator = torch.Generator().manual_seed(seed)

    def rays(count: int) -> Tensor:
        drawn = torch.randn(count, text.shape[1], generator=generator, dtype=torch.float64)
        return normalize(drawn, dim=-1).to(text.dtype).to(text.device)

    yield "root", [root]
    if bool(root.any()):
        draws = min(DRAWS, max(1, MOST // len(origins)))
        yield "random_root", [root.norm() * rays(len(origins)) for _ in range(draws)]
    yield "data_mean", [wide(text).mean(0).to(text.dtype)]
    yield "random_direction", [origins + (origins - root).norm(dim=-1, keepdim=True) * rays(len(origins))]
