"""What a training minimises: losses of a batch by name, in a space whose curvature and temperature are learnt along."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hiergeo.geometry import Geometry, Space
from hiergeo.losses import (
    CompositionalLoss,
    clamp_curvature,
    compositional_entailment_loss,
    contrastive_loss,
    entailment_loss,
    hycoclip_loss,
    siglip_loss,
    uncha_loss,
)
from hiergeo.losses.contrastive import By
from hiergeo.losses.curvature import ROUNDING
from hiergeo.losses.published import UNCHA_TEMPERATURES, hycoclip_relations

LARGEST_SCALE = 100.0
"""Largest inverse temperature, that of CLIP and MERU."""

CONTRASTS = {"contrastive", "siglip", "hycoclip", "uncha"}
"""Losses that hold pairs together; a training needs one of them."""

OF_COSINES = {"contrastive", "siglip"}
"""Losses that need no space."""

OF_BOXES = {"hycoclip", "uncha", "compositional_entailment"}
"""Losses of pairs and their boxes."""


class PairBatch(NamedTuple):
    """The pairs of this process as the trained towers embed them.

    Attributes:
        image: (b, D).
        text: (b, D).
        labels: (b,) int64, equal for equal captions, which match each other's pictures.
        box_image: (m, D), boxes of the pictures.
        box_text: (m, D), the phrase of each.
        whole: (m,) int64, the pair each box is of.
    """

    image: Tensor
    text: Tensor
    labels: Tensor
    box_image: Tensor
    box_text: Tensor
    whole: Tensor

    @property
    def boxes(self) -> tuple[Tensor, Tensor]:
        """Those of the pictures, and their phrases."""
        return self.box_image, self.box_text


class ClipObjective(nn.Module):
    """A weighted sum of losses, with the parameters that it learns: curvature, temperature and bias.

    Losses are taken around the origin of a geometry; None compares cosines.
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
        of_boxes = -torch.tensor(UNCHA_TEMPERATURES[1:]).log()
        self.log_box_scales = nn.Parameter(of_boxes, requires_grad="uncha" in weights)

    @property
    def temperature(self) -> Tensor:
        """0-dim, with gradient."""
        return (-self.log_scale).exp()

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """Every loss by its name, with its own terms, not weighted, and `total`, the weighted sum; 0-dim each."""
        terms: dict[str, Tensor] = {}
        for name in self.weights:
            loss = LOSSES[name](self, batch)
            if isinstance(loss, CompositionalLoss):
                terms |= {f"{name}: {term}": value.detach() for term, value in loss.terms.items()}
                loss = loss.total
            terms[name] = loss
        total = torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()
        return terms | {"total": total}

    @torch.no_grad()
    def clamp(self, curvature: tuple[float, float]) -> list[str]:
        """Project what is learnt into its bounds; returns the names of what stays at one."""
        scales = {"temperature": self.log_scale, "temperature of boxes": self.log_box_scales}
        held = [name for name, scale in scales.items() if float(scale.max()) >= math.log(LARGEST_SCALE)]
        for scale in scales.values():
            scale.clamp_(max=math.log(LARGEST_SCALE))
        learnt = clamp_curvature(self.space, *curvature)
        return held + (
            ["K"] if any(math.isclose(abs(k), b, rel_tol=ROUNDING) for k in learnt for b in curvature) else []
        )


def _siglip(objective: ClipObjective, batch: PairBatch) -> Tensor:
    scale = objective.temperature, objective.bias
    return siglip_loss(objective.space, *batch[:2], *scale, batch.labels, by=objective.by)


def _compositional(objective: ClipObjective, batch: PairBatch) -> CompositionalLoss:
    return compositional_entailment_loss(objective.space, hycoclip_relations(*batch[:2], *batch.boxes, batch.whole))


def _uncha(objective: ClipObjective, batch: PairBatch) -> CompositionalLoss:
    temperatures = objective.temperature, *(-objective.log_box_scales).exp()
    return uncha_loss(objective.space, *batch[:2], *batch.boxes, batch.whole, temperatures)


LOSSES: dict[str, Callable[[ClipObjective, PairBatch], Tensor | CompositionalLoss]] = {
    "contrastive": lambda own, batch: contrastive_loss(own.space, *batch[:2], own.temperature, batch.labels, by=own.by),
    "siglip": _siglip,
    "entailment": lambda own, batch: entailment_loss(own.space, batch.text, batch.image),
    "compositional_entailment": _compositional,
    "hycoclip": lambda own, batch: hycoclip_loss(own.space, *batch[:2], *batch.boxes, own.temperature),
    "uncha": _uncha,
}
"""Every loss by its name; entailment is that of a text over its picture, compositional that of HyCoCLIP's relations."""
