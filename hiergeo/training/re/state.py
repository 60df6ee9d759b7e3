"""The state of a training as tensors by name: weights, the moments of AdamW, and the random generator."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

WEIGHT, GENERATOR = "weight/", "generator"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps for a weight."""

Weights = Mapping[str, nn.Parameter]


def collect(weights: Weights, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of `weights`, of their optimiser and of torch's generator, on the CPU."""
    tensors = {f"{WEIGHT}{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        kept = optimiser.state.get(weight, {})
        tensors |= {f"{moment}/{name}": kept[moment] for moment in MOMENTS if moment in kept}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()} | {GENERATOR: torch.get_rng_state()}


@torch.no_grad()
def restore_weights(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Put stored weights back in place; `tensors` as `collect` gave them, for the same names and shapes."""
    for name, weight in weights.items():
        weight.copy_(tensors[f"{WEIGHT}{name}"])


def restore(tensors: Mapping[str, Tensor], weights: Weights, optimiser: torch.optim.Optimizer) -> None:
    """Put all of a stored state back in place."""
    restore_weights(tensors, weights)
    for name, weight in weights.items():
        kept = {moment: tensors.get(f"{moment}/{name}") for moment in MOMENTS}
        state = {m: t.to("cpu" if m == "step" else weight.device) for m, t in kept.items() if t is not None}
        if state:
            optimiser.state[weight] = state
    torch.set_rng_state(tensors[GENERATOR])
