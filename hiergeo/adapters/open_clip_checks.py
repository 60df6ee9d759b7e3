"""Checks that open_clip lacks or reports at length: activation, preprocessing, foreign checkpoints."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiergeo._core.errors import InputError
from hiergeo._core.storage import checkpoints, tensors
from hiergeo._core.storage.tensors import Shapes
from hiergeo._core.text import shortened
from hiergeo.adapters import families

PREPROCESSING = {
    "image_mean": "mean",
    "image_std": "std",
    "image_interpolation": "interpolation",
    "image_resize_mode": "resize_mode",
}
"""Argument of `open_clip.create_model_from_pretrained` -> key of a published configuration."""

SHOWN = 300
"""Characters of an error of open_clip that are passed on."""


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


def wrong_checkpoint(arch: str, path: Path, error: Exception) -> InputError:
    """The error for a checkpoint that does not load, in the words of torch, which name the weights."""
    return InputError(f"{path} is not a checkpoint of {arch}: {said(error)}.")


def said(error: Exception) -> str:
    """What an error of many lines says, on one and shortened."""
    text = " ".join(str(error).split()) or type(error).__name__
    return shortened(text.partition("Error(s) in loading ")[2] or text, SHOWN).rstrip(".")


def refuse_resized(network: nn.Module, arch: str, path: Path, found: Shapes) -> None:
    """Raise an `InputError` if open_clip stretched position embeddings to make a checkpoint of another size fit."""
    for name, weight in network.state_dict().items():
        wanted = tuple(weight.shape)
        if name.endswith("positional_embedding") and found.get(name, wanted) != wanted:
            raise InputError(
                f"{path} is of another image size or context length than {arch}: {name} is {list(found[name])} where "
                f"{list(wanted)} is expected."
            )
