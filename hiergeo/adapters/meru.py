"""MERU, HyCoCLIP, UNCHA, PHyCLIP and the CLIP baselines published with them, from their ``.pth`` files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from hiergeo._core.storage.documents import Document
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import families, hub
from hiergeo.adapters.encoders import DualEncoder, Scales
from hiergeo.adapters.meru_files import SUBSPACE_DIM, SUBSPACES, Checkpoint, Heads, read_checkpoint
from hiergeo.adapters.native import (
    IMAGES,
    MIN_RADIUS,
    REACH,
    Native,
    NativeModel,
    byte_pairs,
    curvature,
    factor,
    hyperbolic,
    square,
)
from hiergeo.adapters.specs import fitting, options_of
from hiergeo.geometry import Lorentz, Product, Space

HeadCount = Annotated[int, Field(ge=1, le=1024)]


class Options(Document):
    """The configuration in the spec or in the JSON file beside the checkpoint."""

    heads: HeadCount | None = None
    text_heads: HeadCount | None = None
    images: Annotated[str, Field(pattern=f"^({'|'.join(IMAGES)})$")] = "crop"


def load_meru(rest: str, *, device: torch.device) -> NativeModel:
    """The MERU of a file ``FILE.pth``, with options behind a question mark: ``FILE.pth?images=squash&heads=12``.

    Options can also stand in a JSON object in ``FILE.json``: ``heads`` and ``text_heads`` for towers of other widths
    than those published, ``images`` (``crop``: shorter side to the size of the model and centre crop, the default of
    classification and traversal; ``squash``: both sides to it, as for retrieval).

    Raises:
        InputError: see `hiergeo.adapters.meru_files.read_checkpoint`; an option that does not exist, or does not fit.
    """
    return _load(rest, "meru", device)


def load_hycoclip(rest: str, *, device: torch.device) -> NativeModel:
    """The HyCoCLIP of a file; layout, options and errors are those of `load_meru`."""
    return _load(rest, "hycoclip", device)


def load_meru_clip(rest: str, *, device: torch.device) -> NativeModel:
    """The CLIP baseline of MERU or HyCoCLIP: unit rows, around the root that the file holds; as `load_meru`."""
    return _load(rest, families.MERU_CLIP, device)


def load_uncha(rest: str, *, device: torch.device) -> NativeModel:
    """The UNCHA of a file, as a MERU; its head of minimum radii and its other temperatures are not used."""
    return _load(rest, families.UNCHA, device)


def load_phyclip(rest: str, *, device: torch.device) -> NativeModel:
    """The PHyCLIP of a file: a product of 64 hyperbolic spaces of 8 dimensions, combined by l1; as `load_meru`."""
    return _load(rest, families.PHYCLIP, device)


def _load(rest: str, adapter: str, device: torch.device) -> NativeModel:
    path, options = configured(rest)
    family = families.SAME_LAYOUT.get(adapter, adapter)
    held = read_checkpoint(path, family, adapter, Heads(options.get("heads"), options.get("text_heads")))
    native = NATIVE[family](path, held)
    network = DualEncoder(held.vision, held.text, held.weights, scales=native.scales, reach=native.reach)
    images = options.get("images", "crop")
    return NativeModel(
        f"{adapter}:{rest}",
        network,
        device,
        tokenizer=byte_pairs(held.text.context),
        transform=square(held.vision.image, held.mean, held.std, images),
        preprocessing=f"{images} to {held.vision.image}, bicubic, mean {held.mean}, std {held.std}",
        space=native.space,
        normalised=family == families.MERU_CLIP,
    )


def configured(rest: str) -> tuple[Path, dict[str, Any]]:
    """The file of a spec and its options: those behind the question mark, before those in the JSON beside the file.

    Raises:
        InputError: an option that does not exist (the nearest is suggested), or a value that does not fit.
    """
    name, given = options_of(rest, Options)
    path = path_of(name)
    beside = path.with_suffix(".json") if path.name else None
    held = fitting(hub.foreign_json(beside), Options, str(beside)) if beside and beside.is_file() else {}
    return path, held | given


def _meru(path: Path, held: Checkpoint) -> Native:
    numbers = held.numbers
    return hyperbolic(path, numbers["curv"], numbers["visual_alpha"], numbers["textual_alpha"], _dim(held))


def _clip(path: Path, held: Checkpoint) -> Native:
    ones = torch.ones(_dim(held))
    space = None if held.root is None else Space("euclidean", held.root)
    return Native(space, Scales(ones, ones), torch.empty(0))


def _phyclip(path: Path, held: Checkpoint) -> Native:
    def listed(name: str) -> list[float]:
        return [held.numbers[f"{name}.{k}"] for k in range(SUBSPACES)]

    curvatures = [curvature(path, log) for log in listed("curvs")]
    factors = [(Lorentz(-c), SUBSPACE_DIM) for c in curvatures]
    space = Space(Product(factors, "l1"), torch.zeros(_dim(held)), min_radius=MIN_RADIUS)
    scales = (
        torch.tensor([factor(path, log) for log in listed(f"{of}_concept_alphas")]).repeat_interleave(SUBSPACE_DIM)
        for of in ("visual", "textual")
    )
    return Native(space, Scales(*scales), REACH / torch.tensor(curvatures).sqrt())


NATIVE: dict[str, Callable[[Path, Checkpoint], Native]] = {
    families.MERU: _meru,
    families.MERU_CLIP: _clip,
    families.UNCHA: _meru,
    families.PHYCLIP: _phyclip,
}
"""Family -> what its numbers say."""


def _dim(held: Checkpoint) -> int:
    return int(held.weights["visual_proj.weight"].shape[0])
