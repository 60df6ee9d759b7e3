"""Traversal under controls: the walk to the root beside walks that ignore it."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.numerics import wide
from hiergeo._core.progress import track
from hiergeo.evaluation.auditing.subject import Subject
from hiergeo.evaluation.metrics import ladder, ladder_metrics
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Statistic, mean_of
from hiergeo.geometry import Euclidean, Space
from hiergeo.geometry.lines import LineSearch

WALKS_AT_ONCE = 256
"""Walks whose points are held at a time."""

MOST = 1000
"""Images or rows that are walked from; more are sampled."""

DRAWS = 4
"""Random roots of each start at most, over which its walk is averaged; of `MOST` starts each has one."""

REACH = 0.999
"""Targets on a sphere lie within this share of the distance to the antipode."""

UNIT = 1e-3
"""Largest deviation of a norm from 1 at which embeddings count as normalised."""


def walks(subject: Subject, steps: int, seed: int, *, progress: bool = False) -> dict[str, dict[str, Statistic]]:
    """Metrics of the walk to the root, ``root``, and of those of the controls: means over images or rows.

    A walk goes from an embedding e straight to a target t in `steps` points t + (1 - i / steps) (e - t), i = 0, 1, ...,
    and meets the caption nearest to each point. With the root as target that is the radial geodesic of the space. In
    Euclidean space points are renormalised first where the embeddings are, as the protocol ``traversal`` does. With
    images, walks start at the caption nearest to each, and the truth is the chains of the image. Without, they start at
    the most specific caption of each row, and the truth is the other captions of the rows that end in it; the start
    does not count as met.

    Targets: ``root``; ``random_root``, for each start random points as far from the origin of the embeddings as the
    root is (scores are means over them; left out where the root is the origin); ``data_mean``, the mean of the
    captions; ``random_target``, for each start a random point whose mean square distance from the captions of its truth
    is that of the root: c + |c - root| w, with their mean c and a random unit w. On a sphere targets are brought to
    within its reach. Of more than `MOST` images or rows that many are drawn.
    """
    starts, walk_of, truths, sharing = _starts(subject, seed)
    text, texts = subject.embedded.text, subject.embedded.texts
    root = subject.space.root if subject.space.root is not None else torch.zeros_like(text[0])
    origins = text[starts]
    is_unit = bool(((text.norm(dim=-1) - 1).abs() < UNIT).all())
    search = LineSearch(subject.space, text, renormalised=is_unit and isinstance(subject.space.geometry, Euclidean))

    centres = _centres(subject, starts, walk_of, truths)
    targets = [
        (name, _within_reach(subject.space, ends, root).expand_as(origins))
        for name, drawn in _targets(origins, centres, text, root, seed)
        for ends in drawn
    ]
    met: list[list[list[int]]] = [[] for _ in targets]
    for start in track(range(0, len(origins), WALKS_AT_ONCE), "walking", enabled=progress):
        some = slice(start, start + WALKS_AT_ONCE)
        begins = origins[some]
        for walked, (_, ends) in zip(met, targets, strict=True):
            walked += search.nearest(begins, ends[some], steps).indices.tolist()

    scores: dict[str, list[dict[str, np.ndarray]]] = {}
    for (name, _), walked in zip(targets, met, strict=True):
        if subject.image is None:
            walked = [[place for place in walk if place != walk[0]] for walk in walked]
        scores.setdefault(name, []).append(ladder_metrics([ladder(walked[walk], texts) for walk in walk_of], truths))
    return {
        name: {key: mean_of(np.mean([one[key] for one in drawn], axis=0), sharing) for key in drawn[0]}
        for name, drawn in scores.items()
    }


def _starts(subject: Subject, seed: int) -> tuple[Tensor, list[int], list[list[tuple[str, ...]]], Sharing]:
    """Positions of distinct starts; the start and the truth of each walk and what walks share, of at most `MOST`."""
    embedded = subject.embedded
    if embedded.image is not None and len(embedded.image):
        drawn = _drawn(len(embedded.image), seed)
        _, begins = subject.space.nearest(embedded.image[drawn.to(embedded.image.device)], embedded.text)
        truths = [embedded.truths[place] for place in drawn.tolist()]
        sharing = Sharing(embedded.image_captions[drawn.numpy()])
    else:
        ends = embedded.chains[:, -1].tolist()
        ancestors: dict[int, list[tuple[str, ...]]] = {}
        for end, row in zip(ends, embedded.hierarchy.rows, strict=True):
            ancestors.setdefault(end, []).append(row.positive[:-1])
        drawn = _drawn(len(ends), seed)
        chains = embedded.chains[drawn.to(embedded.chains.device)]
        begins, sharing = chains[:, -1], Sharing(chains.cpu().numpy())
        truths = [ancestors[ends[place]] for place in drawn.tolist()]
    starts, walk_of = torch.unique(begins, return_inverse=True)
    return starts, walk_of.tolist(), truths, sharing


def _drawn(count: int, seed: int) -> Tensor:
    """All of `count` places, or `MOST` of them drawn at random, ascending."""
    if count <= MOST:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MOST].sort().values


def _centres(subject: Subject, starts: Tensor, walk_of: list[int], truths: list[list[tuple[str, ...]]]) -> Tensor:
    """For each start the mean embedding of the other captions of its truth, (n, D); its own where there are none."""
    text = subject.embedded.text
    index = {caption: position for position, caption in enumerate(subject.embedded.texts)}
    centres = list(text[starts])
    for start, truth in dict(zip(reversed(walk_of), reversed(truths), strict=True)).items():
        others = {index[caption] for chain in truth for caption in chain} - {int(starts[start])}
        if others:
            centres[start] = wide(text[torch.tensor(list(others)).to(text.device)]).mean(0).to(text.dtype)
    return torch.stack(centres)


def _within_reach(space: Space, targets: Tensor, root: Tensor) -> Tensor:
    """Targets brought towards the root where they lie beyond the antipode of a sphere."""
    steps = (targets - root).clone()
    for factor, part in space.geometry.parts(steps.shape[-1]):
        if factor.value > 0:
            length = steps[..., part].norm(dim=-1, keepdim=True)
            steps[..., part] *= (REACH * math.pi / math.sqrt(factor.value) / length).clamp(max=1).nan_to_num(nan=1.0)
    return root + steps


def _targets(
    origins: Tensor, centres: Tensor, text: Tensor, root: Tensor, seed: int
) -> Iterator[tuple[str, list[Tensor]]]:
    generator = torch.Generator().manual_seed(seed)

    def rays(count: int) -> Tensor:
        drawn = torch.randn(count, text.shape[1], generator=generator, dtype=torch.float64)
        return normalize(drawn, dim=-1).to(text.dtype).to(text.device)

    yield "root", [root]
    if bool(root.any()):
        draws = min(DRAWS, max(1, MOST // len(origins)))
        yield "random_root", [root.norm() * rays(len(origins)) for _ in range(draws)]
    yield "data_mean", [wide(text).mean(0).to(text.dtype)]
    yield "random_target", [centres + (centres - root).norm(dim=-1, keepdim=True) * rays(len(origins))]
