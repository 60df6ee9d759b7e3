"""MERU, HyCoCLIP, UNCHA, PHyCLIP and the CLIP baselines published with them, from their ``.pth`` files.

Facts of the format are those of the public repositories of MERU (Desai et al., ICML 2023), HyCoCLIP (Pal et al., ICLR
2025), UNCHA and PHyCLIP; no released file was at hand.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import tensors
from hiergeo.adapters import hub, weights
from hiergeo.adapters.native import (
    MIN_RADIUS,
    NUMBERS,
    REACH,
    DualEncoder,
    Native,
    NativeModel,
    SpecOptions,
    curvature,
    factor,
    hyperbolic,
    stored_sizes,
)
from hiergeo.geometry import Lorentz, Product, Space

SUBSPACES, SUBSPACE_DIM = 64, 8
"""Factors of PHyCLIP's product, and the dimension of each."""

HEADS = {"heads": {384: 12, 768: 12, 1024: 16}, "text_heads": {512: 8}}
"""Option -> width of a tower -> its attention heads in the published sizes. timm's own ViT-S has 6."""

RENAMED = (
    ("textual.token_embed.", "textual.token_embedding."),
    ("textual.posit_embed", "textual.positional_embedding"),
    ("textual.resblocks.", "textual.transformer.resblocks."),
)
"""Beginnings of names in the file, and what open_clip calls them."""

GRIT = "hf-hub:avik-pal/hycoclip"

PUBLISHED = {
    f"{adapter}:{short}_{size}": f"{GRIT}/{model}_vit_{size}.pth"
    for adapter, short, model in (
        ("hycoclip", "vit", "hycoclip"),
        ("meru", "grit_vit", "meru"),
        ("meru-clip", "grit_vit", "clip"),
    )
    for size in ("s", "b")
}
"""Short spec -> the file on the hub. The MERU and CLIP there were trained on GRIT by HyCoCLIP's authors: they are other
models than those of MERU's authors, which no hub has."""

UNUSED = ("logit_scale", "textual.attn_mask")
"""Weights that embeddings do not depend on."""

HeadCount = Annotated[int, Field(ge=1, le=1024)]


class MeruOptions(SpecOptions):
    """Options of these models in a spec."""

    heads: HeadCount | None = None
    text_heads: HeadCount | None = None


class Family(NamedTuple):
    """What the files of a family hold beside towers, projections and the statistics of pixels.

    The names of numbers, the space that these describe (given the file, the numbers, the root and the dimension), and
    further weights that embeddings do not depend on: names, and beginnings that end in a dot.
    """

    numbers: tuple[str, ...]
    native: Callable[[Path, Mapping[str, float], Tensor | None, int], Native]
    unused: tuple[str, ...] = ()


def load_meru(rest: str, *, device: torch.device) -> NativeModel:
    """The MERU of a file ``FILE.pth``, with options behind a question mark: ``FILE.pth?images=squash&heads=12``.

    ``hf-hub:ORG/NAME/FILE.pth`` is a file of the hub, and the short names of `PUBLISHED` are such files.

    Options are ``heads`` and ``text_heads`` for towers of other widths than those published, and ``images`` (``crop``:
    shorter side to the size of the model and centre crop, the default of classification and traversal; ``squash``: both
    sides to it, as for retrieval).

    Raises:
        InputError: no such file, a folder, damaged, weights that are missing, left over, misshapen or not finite (as
            those of another family are), heads that do not fit, or an option that does not exist.
        UnavailableError: a download failed.
    """
    return _load("meru", rest, device=device)


def _load(adapter: str, rest: str, *, device: torch.device) -> NativeModel:
    name, options = hub.options_of(rest, MeruOptions)
    path = hub.file_of(PUBLISHED.get(f"{adapter}:{name}", name), f"{adapter}:/path/to/file.pth")
    if path.is_dir():
        raise InputError(f"{adapter}: loads a file, and {path} is a folder: name the checkpoint file in it.")
    family, content = FAMILIES[adapter], tensors.read_checkpoint(path)
    unused, stored = UNUSED + family.unused, weights.state_in(path, content)
    parts = tuple(name for name in unused if name.endswith("."))
    state = {_renamed(name): w for name, w in stored.items() if name not in unused and not name.startswith(parts)}
    root = content.get("root") if adapter == "meru-clip" else None
    weights.check_usable(path, state if root is None else {**state, "root": root})
    numbers = {name: weights.taken(path, state, name)[0] for name in family.numbers}
    mean, std = (tuple(weights.taken(path, state, f"pixel_{name}", 3)) for name in ("mean", "std"))
    heads = (
        lambda width: _heads(path, adapter, "heads", width, options.heads),
        lambda width: _heads(path, adapter, "text_heads", width, options.text_heads),
    )
    sizes = stored_sizes(path, state, *heads)
    native = family.native(path, numbers, root, sizes.dim)
    return NativeModel(
        f"{adapter}:{rest}",
        DualEncoder.stored(path, state, sizes, native),
        device,
        space=native.space,
        normalised=adapter == "meru-clip",
        images=options.images,
        statistics=(mean, std),
        normalisation=f"mean {mean}, std {std}",
    )


load_hycoclip = partial(_load, "hycoclip")
"""The HyCoCLIP of a file; layout, options and errors are those of `load_meru`."""

load_meru_clip = partial(_load, "meru-clip")
"""The CLIP baseline of MERU or HyCoCLIP: unit rows, around the root that the file holds; as `load_meru`."""

load_uncha = partial(_load, "uncha")
"""The UNCHA of a file, as a MERU; its head of minimum radii and its other temperatures are not used."""

load_phyclip = partial(_load, "phyclip")
"""The PHyCLIP of a file: a product of 64 hyperbolic spaces of 8 dimensions, combined by l1; as `load_meru`."""


def _renamed(name: str) -> str:
    """The name of a weight in the file as open_clip's text tower has it; others keep theirs."""
    return next((new + name.removeprefix(old) for old, new in RENAMED if name.startswith(old)), name)


def _heads(path: Path, adapter: str, option: str, width: int, given: int | None) -> int:
    heads = HEADS[option].get(width) if given is None else given
    if heads is None:
        raise InputError(
            f"the file does not say how many attention heads its tower of width {width} has: write "
            f"{adapter}:{path}?{option}=N."
        )
    return heads


def _meru(path: Path, numbers: Mapping[str, float], _: Tensor | None, dim: int) -> Native:
    return hyperbolic(path, numbers["curv"], numbers["visual_alpha"], numbers["textual_alpha"], dim)


def _clip(path: Path, _: Mapping[str, float], root: Tensor | None, dim: int) -> Native:
    scales = torch.ones(dim), torch.ones(dim)
    if root is None:
        return Native(None, scales, torch.empty(0))
    centre = torch.tensor(weights.taken(path, {"root": root}, "root", dim))
    return Native(Space("euclidean", centre), scales, torch.empty(0))


def _phyclip(path: Path, numbers: Mapping[str, float], _: Tensor | None, dim: int) -> Native:
    curvatures = [curvature(path, numbers[f"curvs.{k}"]) for k in range(SUBSPACES)]
    product = Product([(Lorentz(-c), SUBSPACE_DIM) for c in curvatures], "l1")
    visual, textual = (
        torch.tensor([factor(path, numbers[f"{modality}_concept_alphas.{k}"]) for k in range(SUBSPACES)])
        for modality in ("visual", "textual")
    )
    space = Space(product, torch.zeros(SUBSPACES * SUBSPACE_DIM), min_radius=MIN_RADIUS)
    scales = visual.repeat_interleave(SUBSPACE_DIM), textual.repeat_interleave(SUBSPACE_DIM)
    return Native(space, scales, REACH / torch.tensor(curvatures).sqrt())


MERU = Family(NUMBERS, _meru)

PHYCLIP = ("curvs", "visual_concept_alphas", "textual_concept_alphas")

FAMILIES = {
    "meru": MERU,
    "hycoclip": MERU,
    "meru-clip": Family((), _clip),
    "uncha": Family(
        (*MERU.numbers, "global_logit_scale", "local_logit_scale", "global_local_logit_scale"),
        _meru,
        ("textual.min_radius_head.",),
    ),
    "phyclip": Family(tuple(f"{name}.{k}" for name in PHYCLIP for k in range(SUBSPACES)), _phyclip, MERU.numbers),
}
"""Adapter -> what its files hold."""
