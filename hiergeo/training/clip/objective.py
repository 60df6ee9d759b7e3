"""What a training minimises: losses of a batch by name, in a space whose curvature and temperature are learnt along."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hiergeo.geometry import Geometry, Space
from hiergeo.losses import clamp_curvature, contrastive_loss, entailment_loss, siglip_loss
from hiergeo.losses.contrastive import By
from hiergeo.losses.curvature import ROUNDING

LARGEST_SCALE = 100.0
"""Largest inverse temperature, that of CLIP and MERU."""

CONTRASTS = {"contrastive", "siglip"}
"""Losses that hold pairs together; a training needs one of them."""


class PairBatch(NamedTuple):
    """The pairs of this process as the trained towers embed them.

    Attributes:
        image: (b, D).
        text: (b, D).
        labels: (b,) int64, equal for equal captions, which match each other's pictures.
    """

    image: Tensor
    text: Tensor
    labels: Tensor


class ClipObjective(nn.Module):
    """A weighted sum of losses, with the parameters that it learns: curvature, temperature and bias.

    Args:
        geometry: where losses are taken, around the origin; None compares cosines.
        min_radius: of cones.
        weights: name -> weight, names of `LOSSES`.
        temperature: the first one.
        dim: of embeddings.
    """

    def __init__(
        self, geometry: Geometry | None, min_radius: float, weights: Mapping[str, float], temperature: float, dim: int
    ) -> None:
        super().__init__()
        self.by: By = "cosine" if geometry is None else "distance"
        self.space = Space(geometry or "euclidean", torch.zeros(dim), min_radius=min_radius)
        self.weights = dict(weights)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        bias = -10.0 if geometry is None else 0.0
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad="siglip" in weights)

    @property
    def temperature(self) -> Tensor:
        """0-dim, with gradient."""
        return (-self.log_scale).exp()

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """Every loss by its name, not weighted, and `total`, the weighted sum; 0-dim each."""
        terms = {name: LOSSES[name](self, batch) for name in self.weights}
        total = torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()
        return terms | {"total": total}

    @torch.no_grad()
    def clamp(self, curvature: tuple[float, float]) -> list[str]:
        """Project what is learnt into its bounds; returns the names of what stays at one."""
        held = ["temperature"] if float(self.log_scale) >= math.log(LARGEST_SCALE) else []
        self.log_scale.clamp_(max=math.log(LARGEST_SCALE))
        learnt = clamp_curvature(self.space, *curvature)
        return held + (
            ["K"] if any(math.isclose(abs(k), b, rel_tol=ROUNDING) for k in learnt for b in curvature) else []
        )


def _contrastive(objective: ClipObjective, batch: PairBatch) -> Tensor:
    return contrastive_loss(objective.space, *batch[:2], objective.temperature, batch.labels, by=objective.by)


def _siglip(objective: ClipObjective, batch: PairBatch) -> Tensor:
    scale = objective.temperature, objective.bias
    return siglip_loss(objective.space, *batch[:2], *scale, batch.labels, by=objective.by)


def _entailment(objective: ClipObjective, batch: PairBatch) -> Tensor:
    return entailment_loss(objective.space, batch.text, batch.image)


LOSSES: dict[str, Callable[[ClipObjective, PairBatch], Tensor]] = {
    "contrastive": _contrastive,
    "siglip": _siglip,
    "entailment": _entailment,
}
"""Every loss by its name; entailment is that of a text over its picture."""
