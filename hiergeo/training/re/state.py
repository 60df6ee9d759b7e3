"""The state of a training as tensors by name: weights, the moments of AdamW, and the random generator."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hiergeo.errors import InputError

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


def check_fit(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Raise InputError, naming the first that differs, unless stored tensors are a state of `weights`.

    Every weight has to be there, with all of its moments or none, each of its own shape.
    """
    generator = torch.get_rng_state()
    expected = {f"{WEIGHT}{name}": weight.shape for name, weight in weights.items()} | {GENERATOR: generator.shape}
    for name, weight in weights.items():
        moments = {f"{moment}/{name}": weight.shape if moment != "step" else torch.Size() for moment in MOMENTS}
        if moments.keys() & tensors.keys():
            expected |= moments
    for name in sorted({*expected, *tensors}):
        found = tensors[name].shape if name in tensors else None
        if expected.get(name) != found:
            raise InputError(f"a checkpoint does not fit the model: its tensor '{name}' is {_words(found)}.")
        fits = tensors[name].dtype == generator.dtype if name == GENERATOR else tensors[name].is_floating_point()
        if not fits:
            raise InputError(f"a checkpoint does not fit the model: its tensor '{name}' holds {tensors[name].dtype}.")


@torch.no_grad()
def restore_weights(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Put stored weights back in place. Raises InputError as `check_fit`."""
    check_fit(tensors, weights)
    for name, weight in weights.items():
        weight.copy_(tensors[f"{WEIGHT}{name}"])


def restore(tensors: Mapping[str, Tensor], weights: Weights, optimiser: torch.optim.Optimizer) -> None:
    """Put all of a stored state back in place.

    Raises:
        InputError: as `check_fit`, or the state of the random generator is none.
    """
    restore_weights(tensors, weights)
    for name, weight in weights.items():
        kept = {moment: tensors.get(f"{moment}/{name}") for moment in MOMENTS}
        state = {m: t.to("cpu" if m == "step" else weight.device) for m, t in kept.items() if t is not None}
        if state:
            optimiser.state[weight] = state
    try:
        torch.set_rng_state(tensors[GENERATOR])
    except RuntimeError as error:
        raise InputError("a checkpoint is damaged: its state of the random generator is none.") from error


def _words(shape: torch.Size | None) -> str:
    return "missing" if shape is None else f"of shape {list(shape)}, which is not expected"
