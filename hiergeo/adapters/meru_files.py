"""The ``.pth`` files of MERU and its descendants: what they must hold, checked before anything is built.

Facts of the format are those of the public repositories of MERU (Desai et al., ICML 2023), HyCoCLIP (Pal et al., ICLR
2025), UNCHA and PHyCLIP; no real checkpoint of theirs was at hand.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import checkpoints, tensors
from hiergeo._core.storage.tensors import Shapes
from hiergeo.adapters import families, weights
from hiergeo.adapters.encoders import TextSizes, VisionSizes, check_sizes, tower_shapes

SUBSPACES, SUBSPACE_DIM = 64, 8
"""Factors of PHyCLIP's product, and the dimension of each."""

VISION_HEADS = {384: 12, 768: 12, 1024: 16}
"""Width of the image tower -> its attention heads in the published sizes S, B and L. timm's own ViT-S has 6."""

TEXT_HEADS = {512: 8}
"""Width of the text tower -> its attention heads, in all published sizes."""

RENAMED = (
    ("textual.token_embed.", "textual.token_embedding."),
    ("textual.posit_embed", "textual.positional_embedding"),
    ("textual.resblocks.", "textual.transformer.resblocks."),
)
"""Beginnings of names in the file, and what open_clip calls them."""

MASK = "textual.attn_mask"

SCALARS: dict[str, tuple[str, ...]] = {
    families.MERU: ("logit_scale", "curv", "visual_alpha", "textual_alpha"),
    families.MERU_CLIP: ("logit_scale",),
    families.UNCHA: (
        "curv",
        "visual_alpha",
        "textual_alpha",
        "global_logit_scale",
        "local_logit_scale",
        "global_local_logit_scale",
    ),
    families.PHYCLIP: (
        "logit_scale",
        *(f"{name}.{k}" for name in ("curvs", "visual_concept_alphas", "textual_concept_alphas") for k in range(64)),
    ),
}
"""Numbers that the files of a family must hold."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    families.UNCHA: ("logit_scale",),
    families.MERU_CLIP: ("root",),
    families.PHYCLIP: ("curv", "visual_alpha", "textual_alpha"),
}
"""What they may hold beside them and embeddings do not depend on."""


class Heads(NamedTuple):
    """Attention heads that a configuration names; None is what the width implies."""

    vision: int | None = None
    text: int | None = None


class Checkpoint(NamedTuple):
    """A file that has been found whole.

    Attributes:
        vision: sizes of the image tower.
        text: sizes of the text tower.
        weights: of the towers and their projections, as `hiergeo.adapters.encoders.DualEncoder` names them.
        numbers: the 0-dim weights, by name.
        mean: (3,) of the pixels in [0, 1].
        std: (3,) of the pixels.
        root: (dim,) stored beside the weights of CLIP baselines, or None.
    """

    vision: VisionSizes
    text: TextSizes
    weights: dict[str, Tensor]
    numbers: dict[str, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    root: Tensor | None


def read_checkpoint(path: Path, family: str, adapter: str, heads: Heads) -> Checkpoint:
    """Read a file of one family.

    Args:
        path: the file.
        family: one of `SCALARS`.
        adapter: the name that the user wrote, for errors.
        heads: attention heads, where the widths of the towers do not imply them.

    Raises:
        InputError: no such file, a folder, damaged, of another family (the right adapter is named), weights that are
            missing, left over, misshapen or not finite, or heads that do not fit.
    """
    families.refuse_folder(path, adapter)
    described = _state(path, checkpoints.described(path))
    families.refuse_other_family(path, described, adapter)
    weights.check_kinds(path, described, skipped=(MASK,))
    found = {name: tuple(weight.shape) for name, weight in described.items()}
    vision, text = _sizes(path, found, adapter, heads)
    expected = _layout(family, vision, text, weights.side(path, found, "visual_proj.weight", 0, 2))
    _check_layout(path, family, expected, found)
    weights.check_bytes(path, described)
    whole = checkpoints.read(path)
    state = _state(path, whole)
    _check_values(path, state, text.context)
    root = whole.get("root", state.get("root")) if family == families.MERU_CLIP else None
    numbers = {name: float(weight) for name, weight in state.items() if not weight.ndim}
    towers = ("visual.", "textual.", "visual_proj.", "textual_proj.")
    held = {
        renamed(name): weight
        for name, weight in state.items()
        if name.startswith(towers) and name != MASK and "min_radius_head" not in name
    }
    mean, std = (tuple(state[f"pixel_{name}"].flatten().tolist()) for name in ("mean", "std"))
    return Checkpoint(vision, text, held, numbers, mean, std, _checked_root(path, root, expected))


def renamed(name: str) -> str:
    """The name of a weight in the file as open_clip's text tower has it; others keep theirs."""
    for old, new in RENAMED:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _state(path: Path, held: Any) -> dict[str, Tensor]:
    """The weights in the content of a checkpoint: under ``model``, or the whole if it is a state dict."""
    state = held.get("model", held.get("state_dict", held)) if isinstance(held, dict) else None
    if not isinstance(state, dict) or not state:
        raise InputError(f"{path} holds no weights: a checkpoint of this family has them under 'model'.")
    strange = next((name for name, weight in state.items() if not isinstance(weight, Tensor)), None)
    if strange is not None and "model" in held:
        raise InputError(f"{path} is damaged: '{strange}' among its weights is a {type(state[strange]).__name__}.")
    return {str(name).removeprefix("module."): weight for name, weight in state.items() if isinstance(weight, Tensor)}


def _sizes(path: Path, found: Shapes, adapter: str, heads: Heads) -> tuple[VisionSizes, TextSizes]:
    width = weights.side(path, found, "visual.cls_token", 2, 3)
    patch = weights.side(path, found, "visual.patch_embed.proj.weight", 3, 4)
    grid = max(1, math.isqrt(weights.side(path, found, "visual.pos_embed", 1, 3) - 1))
    text_width = weights.side(path, found, "textual.token_embed.weight", 1, 2)
    vision = VisionSizes(
        width=width,
        layers=weights.blocks(path, found, "visual.blocks."),
        heads=_heads(path, adapter, "vision", width, heads.vision, VISION_HEADS),
        hidden=weights.side(path, found, "visual.blocks.0.mlp.fc1.weight", 0, 2),
        patch=patch,
        image=grid * patch,
    )
    text = TextSizes(
        width=text_width,
        layers=weights.blocks(path, found, "textual.resblocks."),
        heads=_heads(path, adapter, "text", text_width, heads.text, TEXT_HEADS),
        hidden=weights.side(path, found, "textual.resblocks.0.mlp.c_fc.weight", 0, 2),
        context=weights.side(path, found, "textual.posit_embed", 0, 2),
    )
    check_sizes(path, vision, text)
    return vision, text


def _heads(path: Path, adapter: str, tower: str, width: int, given: int | None, known: Mapping[int, int]) -> int:
    option = "heads" if tower == "vision" else "text_heads"
    heads = known.get(width) if given is None else given
    if heads is None:
        raise InputError(
            f"the file does not say how many attention heads its {tower} tower of width {width} has: write "
            f'{adapter}:{path}?{option}=N, or {{"{option}": N}} in {path.with_suffix(".json")}.'
        )
    if known.get(width, heads) != heads:
        raise InputError(
            f"{option}={heads} does not fit {path}: the {tower} tower of width {width} has {known[width]} heads in "
            "this family, and another number would load and give other embeddings."
        )
    if heads < 1 or width % heads:
        raise InputError(f"{option}={heads} does not fit {path}: it does not divide the width {width} of that tower.")
    return heads


def _layout(family: str, vision: VisionSizes, text: TextSizes, dim: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of everything that a file must hold."""
    towers = tower_shapes(vision, text)
    for old, new in RENAMED:
        towers = {name.replace(new, old) if name.startswith(new) else name: of for name, of in towers.items()}
    extra: dict[str, tuple[int, ...]] = {}
    if family == families.UNCHA:
        extra = {"textual.min_radius_head.0.weight": (1, text.width), "textual.min_radius_head.0.bias": (1,)}
    return {
        **dict.fromkeys(SCALARS[family], ()),
        "pixel_mean": (3, 1, 1),
        "pixel_std": (3, 1, 1),
        **towers,
        **extra,
        "visual_proj.weight": (dim, vision.width),
        "textual_proj.weight": (dim, text.width),
    }


def _check_layout(path: Path, family: str, expected: Mapping[str, tuple[int, ...]], found: Shapes) -> None:
    ignored = {MASK, *OPTIONAL.get(family, ())}
    tensors.check_fit(path, expected, {name: shape for name, shape in found.items() if name not in ignored})
    dim = expected["visual_proj.weight"][0]
    if family == families.PHYCLIP and dim != SUBSPACES * SUBSPACE_DIM:
        raise InputError(f"{path} does not fit: {SUBSPACES} factors of {SUBSPACE_DIM} dimensions are not {dim}.")


def _check_values(path: Path, state: Mapping[str, Tensor], context: int) -> None:
    weights.check_finite(path, {name: weight for name, weight in state.items() if name != MASK})
    if not bool((state["pixel_std"].float() > 0).all()):
        raise InputError(f"{path} is damaged: its 'pixel_std' is not above 0.")
    mask = state.get(MASK)
    if mask is not None:
        hidden = mask if mask.dtype == torch.bool else mask != 0
        causal = torch.ones(context, context, dtype=torch.bool).triu(1)
        if hidden.shape != causal.shape or not torch.equal(hidden, causal):
            raise InputError(f"{path} does not fit: its '{MASK}' is not the causal one of this family.")


def _checked_root(path: Path, root: Any, expected: Mapping[str, tuple[int, ...]]) -> Tensor | None:
    if root is None:
        return None
    dim = expected["visual_proj.weight"][0]
    usable = isinstance(root, Tensor) and root.layout == torch.strided and root.dtype in weights.DTYPES
    if not usable or root.is_nested or root.numel() != dim or not root.isfinite().all():
        raise InputError(f"{path} is damaged: its 'root' is not a vector of {dim} finite numbers.")
    return root.flatten().float().clone()
