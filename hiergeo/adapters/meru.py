"""MERU, HyCoCLIP, UNCHA, PHyCLIP and the CLIP baselines published with them, from their ``.pth`` files.

What a file must hold is checked before anything is built. Facts of the format are those of the public repositories of
MERU (Desai et al., ICML 2023), HyCoCLIP (Pal et al., ICLR 2025), UNCHA and PHyCLIP; no real checkpoint of theirs was at
hand.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import checkpoints, tensors
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import hub, weights
from hiergeo.adapters.encoders import DualEncoder, TextSizes, VisionSizes, weight_shapes
from hiergeo.adapters.native import (
    MIN_RADIUS,
    REACH,
    Native,
    NativeModel,
    SpecOptions,
    byte_pairs,
    curvature,
    factor,
    hyperbolic,
    square,
)
from hiergeo.geometry import Lorentz, Product, Space

SUBSPACES, SUBSPACE_DIM = 64, 8
"""Factors of PHyCLIP's product, and the dimension of each."""

HEADS = {"vision": {384: 12, 768: 12, 1024: 16}, "text": {512: 8}}
"""Width of a tower -> its attention heads in the published sizes. timm's own ViT-S has 6."""

RENAMED = (
    ("textual.token_embed.", "textual.token_embedding."),
    ("textual.posit_embed", "textual.positional_embedding"),
    ("textual.resblocks.", "textual.transformer.resblocks."),
)
"""Beginnings of names in the file, and what open_clip calls them."""

MASK = "textual.attn_mask"

SCALARS: dict[str, tuple[str, ...]] = {
    weights.MERU: ("logit_scale", "curv", "visual_alpha", "textual_alpha"),
    weights.MERU_CLIP: ("logit_scale",),
    weights.UNCHA: (
        "curv",
        "visual_alpha",
        "textual_alpha",
        "global_logit_scale",
        "local_logit_scale",
        "global_local_logit_scale",
    ),
    weights.PHYCLIP: (
        "logit_scale",
        *(f"{name}.{k}" for name in ("curvs", "visual_concept_alphas", "textual_concept_alphas") for k in range(64)),
    ),
}
"""Numbers that the files of a family must hold."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    weights.UNCHA: ("logit_scale",),
    weights.MERU_CLIP: ("root",),
    weights.PHYCLIP: ("curv", "visual_alpha", "textual_alpha"),
}
"""What they may hold beside them and embeddings do not depend on."""

HeadCount = Annotated[int, Field(ge=1, le=1024)]


class MeruOptions(SpecOptions):
    """The configuration in the spec or in the JSON file beside the checkpoint."""

    heads: HeadCount | None = None
    text_heads: HeadCount | None = None


def load_meru(rest: str, *, device: torch.device) -> NativeModel:
    """The MERU of a file ``FILE.pth``, with options behind a question mark: ``FILE.pth?images=squash&heads=12``.

    Options can also stand in a JSON object in ``FILE.json``: ``heads`` and ``text_heads`` for towers of other widths
    than those published, ``images`` (``crop``: shorter side to the size of the model and centre crop, the default of
    classification and traversal; ``squash``: both sides to it, as for retrieval).

    Raises:
        InputError: no such file, a folder, damaged, of another family (the right adapter is named), weights that are
            missing, left over, misshapen or not finite, heads that do not fit, or an option that does not exist.
    """
    return _load("meru", rest, device=device)


def _load(adapter: str, rest: str, *, device: torch.device) -> NativeModel:
    path, options = configured(rest)
    family = weights.SAME_LAYOUT.get(adapter, adapter)
    if path.is_dir():
        raise InputError(f"{adapter}: loads a file, and {path} is a folder: name the checkpoint file in it.")
    described = weights.state_in(path, checkpoints.described(path))
    weights.refuse_other_family(path, described, adapter)
    weights.check_kinds(path, described, skipped=(MASK,))
    shapes = {_renamed(name): tuple(weight.shape) for name, weight in described.items()}
    vision, text = weights.tower_sizes(
        path,
        shapes,
        lambda width: _heads(path, adapter, "vision", width, options.heads),
        lambda width: _heads(path, adapter, "text", width, options.text_heads),
    )
    _check_layout(path, family, vision, text, shapes)
    weights.check_bytes(path, described)
    content = checkpoints.read(path)
    state = {_renamed(name): weight for name, weight in weights.state_in(path, content).items()}
    _check_values(path, state, text.context)
    if family == weights.MERU_CLIP and "root" in content:
        state["root"] = content["root"]
    native = NATIVE[family](path, state)
    towers = ("visual.", "textual.", "visual_proj.", "textual_proj.")
    held = {
        name: weight
        for name, weight in state.items()
        if name.startswith(towers) and name != MASK and "min_radius_head" not in name
    }
    network = DualEncoder(vision, text, held, scales=native.scales, reach=native.reach)
    mean, std = (tuple(state[f"pixel_{name}"].flatten().tolist()) for name in ("mean", "std"))
    images = options.images
    return NativeModel(
        f"{adapter}:{rest}",
        network,
        device,
        tokenizer=byte_pairs(text.context),
        transform=square(vision.image, mean, std, images),
        preprocessing=f"{images} to {vision.image}, bicubic, mean {mean}, std {std}",
        space=native.space,
        normalised=family == weights.MERU_CLIP,
    )


load_hycoclip = partial(_load, "hycoclip")
"""The HyCoCLIP of a file; layout, options and errors are those of `load_meru`."""

load_meru_clip = partial(_load, weights.MERU_CLIP)
"""The CLIP baseline of MERU or HyCoCLIP: unit rows, around the root that the file holds; as `load_meru`."""

load_uncha = partial(_load, weights.UNCHA)
"""The UNCHA of a file, as a MERU; its head of minimum radii and its other temperatures are not used."""

load_phyclip = partial(_load, weights.PHYCLIP)
"""The PHyCLIP of a file: a product of 64 hyperbolic spaces of 8 dimensions, combined by l1; as `load_meru`."""


def configured(rest: str) -> tuple[Path, MeruOptions]:
    """The file of a spec and its options: those behind the question mark, before those in the JSON beside the file.

    Raises:
        InputError: an option that does not exist (the nearest is suggested), or a value that does not fit.
    """
    name, options = hub.options_of(rest, MeruOptions)
    path = path_of(name)
    beside = path.with_suffix(".json") if path.name else None
    if beside and beside.is_file():
        held = hub.fitting(hub.foreign_json(beside), MeruOptions, str(beside))
        options = held.model_copy(update=options.model_dump(exclude_unset=True))
    return path, options


def _renamed(name: str) -> str:
    """The name of a weight in the file as open_clip's text tower has it; others keep theirs."""
    return next((new + name.removeprefix(old) for old, new in RENAMED if name.startswith(old)), name)


def _heads(path: Path, adapter: str, tower: str, width: int, given: int | None) -> int:
    option, known = "heads" if tower == "vision" else "text_heads", HEADS[tower]
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
    if width % heads:
        raise InputError(f"{option}={heads} does not fit {path}: it does not divide the width {width} of that tower.")
    return heads


def _check_layout(path: Path, family: str, vision: VisionSizes, text: TextSizes, shapes: tensors.Shapes) -> None:
    dim = weights.side(path, shapes, "visual_proj.weight", 0, 2)
    expected: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(SCALARS[family], ()),
        "pixel_mean": (3, 1, 1),
        "pixel_std": (3, 1, 1),
        **weight_shapes(vision, text, dim),
    }
    if family == weights.UNCHA:
        expected |= {"textual.min_radius_head.0.weight": (1, text.width), "textual.min_radius_head.0.bias": (1,)}
    ignored = {MASK, *OPTIONAL.get(family, ())}
    tensors.check_fit(path, expected, {name: shape for name, shape in shapes.items() if name not in ignored})
    if family == weights.PHYCLIP and dim != SUBSPACES * SUBSPACE_DIM:
        raise InputError(f"{path} does not fit: {SUBSPACES} factors of {SUBSPACE_DIM} dimensions are not {dim}.")


def _check_values(path: Path, state: Mapping[str, Tensor], context: int) -> None:
    weights.check_finite(path, {name: weight for name, weight in state.items() if name != MASK})
    if not bool((state["pixel_std"].float() > 0).all()):
        raise InputError(f"{path} is damaged: its 'pixel_std' is not above 0.")
    if MASK in state:
        causal = torch.ones(context, context, dtype=torch.bool).triu(1)
        if state[MASK].shape != causal.shape or not torch.equal(state[MASK] != 0, causal):
            raise InputError(f"{path} does not fit: its '{MASK}' is not the causal one of this family.")


def _meru(path: Path, state: Mapping[str, Tensor]) -> Native:
    curv, visual, textual = (float(state[name]) for name in ("curv", "visual_alpha", "textual_alpha"))
    return hyperbolic(path, curv, visual, textual, _dim(state))


def _clip(path: Path, state: Mapping[str, Any]) -> Native:
    root, dim = state.get("root"), _dim(state)
    ones = torch.ones(dim)
    if root is None:
        return Native(None, (ones, ones), torch.empty(0))
    usable = isinstance(root, Tensor) and root.layout == torch.strided and root.dtype in weights.DTYPES
    if not usable or root.is_nested or root.numel() != dim or not root.isfinite().all():
        raise InputError(f"{path} is damaged: its 'root' is not a vector of {dim} finite numbers.")
    return Native(Space("euclidean", root.flatten().float().clone()), (ones, ones), torch.empty(0))


def _phyclip(path: Path, state: Mapping[str, Tensor]) -> Native:
    def listed(name: str) -> list[float]:
        return [float(state[f"{name}.{k}"]) for k in range(SUBSPACES)]

    curvatures = [curvature(path, log) for log in listed("curvs")]
    factors = [(Lorentz(-c), SUBSPACE_DIM) for c in curvatures]
    space = Space(Product(factors, "l1"), torch.zeros(_dim(state)), min_radius=MIN_RADIUS)
    visual, textual = (
        torch.tensor([factor(path, log) for log in listed(f"{of}_concept_alphas")]).repeat_interleave(SUBSPACE_DIM)
        for of in ("visual", "textual")
    )
    return Native(space, (visual, textual), REACH / torch.tensor(curvatures).sqrt())


NATIVE: dict[str, Callable[[Path, Mapping[str, Any]], Native]] = {
    weights.MERU: _meru,
    weights.MERU_CLIP: _clip,
    weights.UNCHA: _meru,
    weights.PHYCLIP: _phyclip,
}
"""Family -> what its numbers say."""


def _dim(state: Mapping[str, Tensor]) -> int:
    return len(state["visual_proj.weight"])
