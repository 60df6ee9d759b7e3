"""What training minimises: losses by name, each with its weight."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from hiergeo.errors import InputError, unknown_name
from hiergeo.geometry import Space
from hiergeo.losses import (
    adaptive_entailment_loss,
    batch_hard,
    entailment_loss,
    max_margin_loss,
    radius_order_loss,
    re_loss,
    transitivity_loss,
)


class Batch(NamedTuple):
    """A batch of chains as the trained network embeds them, with what the frozen model gave.

    Attributes:
        positive: (b, T, D).
        negative: (b, T, D).
        frozen: positive and negative chains of the frozen model, (b, T, inputs) each.
        space: the space around the trained root, with gradient.
    """

    positive: Tensor
    negative: Tensor
    frozen: tuple[Tensor, Tensor]
    space: Space


RE = {"prior": 10.0, "mean": 1.0, "hard": 1.0}
"""The terms of the RE loss with the weights of the paper."""


def _by_tier(chain: Tensor) -> tuple[Tensor, Tensor]:
    """Parents and children of consecutive tiers, (T - 1, b, D) each, so that negatives are children of one tier."""
    return chain[:, :-1].transpose(0, 1), chain[:, 1:].transpose(0, 1)


OTHERS: dict[str, Callable[[Batch], Tensor]] = {
    "order": lambda batch: radius_order_loss(batch.positive, batch.space),
    "entailment": lambda batch: entailment_loss(batch.positive[:, :-1], batch.positive[:, 1:], batch.space),
    "adaptive": lambda batch: adaptive_entailment_loss(batch.positive[:, :-1], batch.positive[:, 1:], batch.space),
    "max_margin": lambda batch: max_margin_loss(*_by_tier(batch.positive), batch.space),
    "transitivity": lambda batch: transitivity_loss(batch.positive, batch.space),
}
"""Losses that are no part of RE, on consecutive tiers of the positive chains."""

UNBENT = frozenset({"prior", "order"})
"""Losses that see no curvature: of cosines with the frozen embeddings, and of radii."""

LOSSES = (*RE, *OTHERS)
"""Every loss by its name."""


@final
@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses.

    Attributes:
        weights: loss name -> weight > 0; names are the keys of `LOSSES`.

    Raises:
        InputError: no losses, an unknown name (the nearest is suggested), a weight that is not a positive number.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.weights:
            raise InputError(f"there is no loss to minimise: name at least one of {', '.join(LOSSES)}.")
        for name, weight in self.weights.items():
            if name not in LOSSES:
                raise unknown_name("loss", name, LOSSES)
            if not 0 < weight < float("inf"):
                raise InputError(f"the weight of loss '{name}' must be a number > 0, not {weight:g}.")

    def terms(self, batch: Batch, mine: Callable[[Tensor, Tensor], Tensor] = batch_hard) -> dict[str, Tensor]:
        """Every loss by its name, not weighted, 0-dim; the terms of RE come from one evaluation of it.

        Args:
            batch: the chains.
            mine: as for `re_loss`; over processes `batch_hard_over_ranks`.
        """
        others = {name: OTHERS[name](batch) for name in self.weights if name in OTHERS}
        asked = [float(name in self.weights) for name in RE]
        if not any(asked):
            return others
        assert batch.space.root is not None
        frozen = batch.frozen if "prior" in self.weights else None
        re = re_loss(batch.positive, batch.negative, batch.space.root, frozen, asked, batch.space.geometry, mine=mine)
        return {name: getattr(re, name) for name in RE if name in self.weights} | others

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum, 0-dim."""
        return torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()


def parse_losses(words: Iterable[str]) -> dict[str, float]:
    """Loss names with weights, from ``NAME=WEIGHT`` or ``NAME`` (weight 1); ``re`` is `RE`, all terms at once.

    Raises:
        InputError: a weight that is no number, or a loss named twice.
    """
    weights: dict[str, float] = {}
    for word in words:
        name, equals, number = word.partition("=")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            raise InputError(f"'{number}' in loss '{word}' is not a number: write it like order=0.5.") from None
        named = {part: weight * share for part, share in RE.items()} if name == "re" else {name: weight}
        if twice := named.keys() & weights.keys():
            raise InputError(f"the loss '{min(twice)}' is named twice: give each once.")
        weights |= named
    return weights
