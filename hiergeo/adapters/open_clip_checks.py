"""Checks that open_clip lacks or reports at length: activation, preprocessing, foreign checkpoints."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import checkpoints, tensors
from hiergeo._core.storage.tensors import Shapes
from hiergeo.adapters import families

PREPROCESSING = {
    "image_mean": "mean",
    "image_std": "std",
    "image_interpolation": "interpolation",
    "image_resize_mode": "resize_mode",
}
"""Argument of `open_clip.create_model_from_pretrained` -> key of a published configuration."""

NAMED = 3
"""Mismatching weights that an error names."""


def uses_quick_gelu(arch: str) -> bool:
    """Whether an architecture's own configuration asks for QuickGELU."""
    from open_clip import get_model_config

    return bool(get_model_config(arch).get("quick_gelu"))


def text_needs_hub(arch: str) -> bool:
    """Whether tokenizer or text tower of an architecture come from the Hugging Face hub."""
    from open_clip import get_model_config

    text = get_model_config(arch)["text_cfg"]
    return bool(text.get("hf_tokenizer_name") or text.get("hf_model_name")) or "siglip" in arch.lower()


def refuse_wrong_activation(network: nn.Module, arch: str, quick_gelu: bool) -> None:
    """Raise an `InputError` if the transformer blocks of a built model do not run the activation of its weights.

    Only open_clip's own blocks are looked at (their activation is called ``gelu``): towers of timm and transformers
    take their activation from their own configuration.
    """
    wanted = "QuickGELU" if quick_gelu else "GELU"
    running = {type(module).__name__ for name, module in network.named_modules() if name.endswith(".gelu")}
    if running - {wanted}:
        raise InputError(f"{arch} was built with {', '.join(sorted(running))} but its weights need {wanted}.")


def preprocessing_of(arch: str) -> dict[str, Any]:
    """The arguments that make open_clip preprocess as the published weights of an architecture do.

    A checkpoint file says nothing of its preprocessing, and open_clip would take OpenAI's, which is wrong for SigLIP.
    Where the published weights disagree, the commonest is taken and a `UserWarning` says so.
    """
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(arch)
    published = [open_clip.get_pretrained_cfg(arch, tag) for tag in tags]
    choices = Counter(tuple((argument, cfg.get(key)) for argument, key in PREPROCESSING.items()) for cfg in published)
    if not choices:
        return {}
    (chosen, _), *others = choices.most_common()
    options = {argument: value for argument, value in chosen if value is not None}
    if others:
        warnings.warn(
            f"published weights of {arch} differ in preprocessing and a checkpoint file does not say which it needs; "
            f"using {options}. To choose, put open_clip_config.json with preprocess_cfg beside the checkpoint and load "
            "open_clip:local-dir:FOLDER.",
            UserWarning,
            stacklevel=2,
        )
    return options


def checkpoint_shapes(path: Path) -> Shapes:
    """Names and shapes of the weights in a checkpoint, read without their values.

    Raises:
        InputError: there is no such file, it is damaged, holds no weights, or is a pickle of more than tensors.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint file {path}.")
    state = tensors.shapes(path) if path.suffix == ".safetensors" else _pickled(path)
    if not state:
        raise InputError(f"{path} holds no weights: it is not a checkpoint of a model.")
    if families.recognised(state) in families.ONE_LAYOUT:
        families.refuse_other_family(path, state, "open_clip")
    return state


def _pickled(path: Path) -> Shapes:
    held = checkpoints.described(path)
    state = held.get("state_dict", held.get("model", held)) if isinstance(held, dict) else {}
    weights = state.items() if isinstance(state, dict) else ()
    return {str(name).removeprefix("module."): tuple(w.shape) for name, w in weights if isinstance(w, torch.Tensor)}


def wrong_checkpoint(arch: str, path: Path, found: Shapes, error: Exception) -> InputError:
    """The error for a checkpoint that does not load: the first weights by which it is not one of `arch`."""
    import open_clip

    network = open_clip.create_model(arch, load_weights=False, pretrained_text=False)
    differences = mismatches(_shapes(network), found)
    named = "; ".join(differences[:NAMED]) or reason(error)
    more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    return InputError(f"{path} is not a checkpoint of {arch}: {named}{more}.")


def mismatches(expected: Shapes, found: Shapes) -> list[str]:
    """Descriptions of weights that have the wrong shape, are missing, or are unexpected, in that order."""
    shaped = [
        f"{name} is {list(found[name])} where {list(shape)} is expected"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    missing = [f"{name} is missing" for name in expected if name not in found]
    surplus = [f"{name} is not expected" for name in found if name not in expected]
    return shaped + missing + surplus


def refuse_resized(network: nn.Module, arch: str, path: Path, found: Shapes) -> None:
    """Raise an `InputError` if open_clip stretched position embeddings to make a checkpoint of another size fit."""
    stretched = [m for m in mismatches(_shapes(network), found) if "positional_embedding is [" in m]
    if stretched:
        raise InputError(f"{path} is of another image size or context length than {arch}: {stretched[0]}.")


def _shapes(network: nn.Module) -> Shapes:
    return {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
