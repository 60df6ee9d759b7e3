"""What training minimises: losses by name with their weights, in every geometry."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.plugins import Plugins
from hiergeo.geometry import Geometry, PairLaw, Space
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


TRIED, TIERS = 8, 4
"""Chains that a loss is tried out on, and their captions."""

RE = {"prior": 10.0, "mean": 1.0, "hard": 1.0}
"""The terms of the RE loss with the weights of the paper."""


def _by_tier(chain: Tensor) -> tuple[Tensor, Tensor]:
    """Parents and children of consecutive tiers, (T - 1, b, D) each, so that negatives are children of one tier."""
    return chain[:, :-1].transpose(0, 1), chain[:, 1:].transpose(0, 1)


@final
@dataclass(frozen=True)
class ChainLoss:
    """A loss of chains.

    Attributes:
        measure: a batch -> its loss, 0-dim, with gradient.
        sees_curvature: whether it depends on the curvature; one that compares radii or cosines alone does not, and
            cannot tell geometries from each other.
    """

    measure: Callable[[Batch], Tensor]
    sees_curvature: bool = True


def _re_term(name: str, sees_curvature: bool = True) -> ChainLoss:
    return ChainLoss(lambda batch: Objective({name: 1.0}).terms(batch)[name], sees_curvature)


def _of_steps(loss: Callable[[Space, Tensor, Tensor], Tensor]) -> ChainLoss:
    """A loss of parents and children of consecutive tiers."""
    return ChainLoss(lambda batch: loss(batch.space, batch.positive[:, :-1], batch.positive[:, 1:]))


LOSSES: Plugins[ChainLoss | Callable[[Batch], Tensor]] = Plugins(
    "loss",
    "hiergeo.losses",
    {
        "prior": _re_term("prior", sees_curvature=False),
        "mean": _re_term("mean"),
        "hard": _re_term("hard"),
        "order": ChainLoss(lambda batch: radius_order_loss(batch.space, batch.positive), sees_curvature=False),
        "entailment": _of_steps(entailment_loss),
        "adaptive": _of_steps(adaptive_entailment_loss),
        "max_margin": ChainLoss(lambda batch: max_margin_loss(batch.space, *_by_tier(batch.positive))),
        "transitivity": ChainLoss(lambda batch: transitivity_loss(batch.space, batch.positive)),
    },
)
"""Every loss by its name: a `ChainLoss`, or a function of a `Batch`. Those of consecutive tiers are of the positive
chains."""


def chain_loss(name: str) -> ChainLoss:
    """The loss of that name; a plain function of a `Batch` counts as one that sees the curvature.

    Raises:
        InputError: an unknown name; the nearest one is suggested.
        UnavailableError: the code of another package cannot be imported.
    """
    loss = LOSSES.get(name)
    return loss if isinstance(loss, ChainLoss) else ChainLoss(loss)


@final
@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses.

    Attributes:
        weights: loss name -> weight > 0; the names are those of `LOSSES`.

    Raises:
        InputError: no losses, an unknown name (the nearest is suggested), a weight that is not a positive number.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.weights:
            raise InputError(f"there is no loss to minimise: name at least one of {', '.join(LOSSES.names())}.")
        for name, weight in self.weights.items():
            LOSSES.check(name)
            if not 0 < weight < float("inf"):
                raise InputError(f"the weight of loss '{name}' must be a number > 0, not {weight:g}.")

    def terms(self, batch: Batch, mine: Callable[[Tensor, Tensor], Tensor] = batch_hard) -> dict[str, Tensor]:
        """Every loss by its name, not weighted, 0-dim; the terms of RE come from one evaluation of it.

        `mine` is as for `re_loss`; over processes `batch_hard_over_ranks`.
        """
        others = {name: _measured(name, batch) for name in self.weights if name not in RE}
        terms = [name for name in RE if name in self.weights]
        if not terms:
            return others
        assert batch.space.root is not None
        frozen = batch.frozen if "prior" in terms else None
        wanted = [float(name in terms) for name in RE]
        re = re_loss(batch.positive, batch.negative, batch.space.root, frozen, wanted, batch.space.geometry, mine=mine)
        return {name: getattr(re, name) for name in terms} | others

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum, 0-dim."""
        return torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()


def check_objective(
    losses: Mapping[str, float], geometries: Iterable[Geometry], inputs: int, outputs: Sequence[int]
) -> None:
    """Try out what is not hiergeo's own, laws and losses, on a few chains of embeddings of the dimensions `outputs`.

    Raises InputError for what fails or has no gradient, and for a prior with frozen embeddings of another dimension,
    `inputs`.
    """
    other = [dim for dim in outputs if dim != inputs]
    if other and "prior" in losses:
        raise InputError(
            f"the prior compares embeddings of {other[0]} dimensions with frozen ones of {inputs}: name losses without "
            "it, such as mean=1 and order=20."
        )

    for geometry in geometries:
        for dim in outputs:
            if isinstance(geometry, PairLaw):
                geometry.try_out(dim, learnt=True)
            for name in losses.keys() - LOSSES.own.keys():
                _try_out(name, geometry, inputs, dim)


def _try_out(name: str, geometry: Geometry, inputs: int, dim: int) -> None:
    """Raise InputError for a loss that fails on chains at random, is not a finite number or has no gradient."""
    generator = torch.Generator().manual_seed(0)
    device = next((weight.device for weight in geometry.parameters()), torch.device("cpu"))

    def rows(*shape: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1).to(device)

    positive, negative = (rows(TRIED, TIERS, dim).requires_grad_() for _ in range(2))
    frozen, root = (rows(TRIED, TIERS, inputs), rows(TRIED, TIERS, inputs)), rows(dim).requires_grad_()
    value = _measured(name, Batch(positive, negative, frozen, Space(geometry, root)))
    if not value.requires_grad:
        raise InputError(
            f"the loss '{name}' has no gradient: take it in torch, from the chains, without item, detach or numpy."
        )
    learnt = torch.autograd.grad(value, [positive, negative, root], allow_unused=True)
    if not all(bool(part.isfinite().all()) for part in (value, *learnt) if part is not None):
        raise InputError(f"the loss '{name}' is {value:g} on {TRIED} chains at random, or its gradient is not finite.")


def _measured(name: str, batch: Batch) -> Tensor:
    with LOSSES.running(name, "could not be taken"):
        value = chain_loss(name).measure(batch)
    if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"the loss '{name}' gave {shape}: it must give one number, a 0-dim tensor.")
    return value


def parse_losses(words: Iterable[str]) -> dict[str, float]:
    """Loss names with weights, from ``NAME=WEIGHT`` or ``NAME`` (weight 1); ``re`` is `RE`, all terms at once.

    A name may be that of a function of a file or a module, ``my_file.py:my_loss``, which runs.

    Raises:
        InputError: a weight that is not a number, or a loss named twice.
    """
    weights: dict[str, float] = {}
    for word in words:
        name, equals, number = word.rpartition("=") if "=" in word else (word, "", "")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            raise InputError(f"'{number}' in loss '{word}' is not a number: write it like order=0.5.") from None
        named = {part: weight * share for part, share in RE.items()} if name == "re" else {name: weight}
        if twice := named.keys() & weights.keys():
            raise InputError(f"the loss '{min(twice)}' is named twice: give each once.")
        if LOSSES.is_code(name):
            LOSSES.get(name)
        weights |= named
    return weights
