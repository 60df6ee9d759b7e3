"""MERU, HyCoCLIP, UNCHA, PHyCLIP and the CLIP baselines published with them, each in the space it was trained in.

An embedding is the projected feature times a learnt factor of its modality: the tangent vector x whose exponential map
is the model's point on the hyperboloid. Its geodesic radius is |x|, so the rows x around a root of zeros in Lorentz(-c)
are the model's space.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor

from hiergeo.adapters import families, hub
from hiergeo.adapters.encoders import DualEncoder, Scales
from hiergeo.adapters.meru_files import SUBSPACE_DIM, SUBSPACES, Checkpoint, Heads, read_checkpoint
from hiergeo.adapters.model import NetworkModel
from hiergeo.errors import InputError, unknown_name
from hiergeo.geometry import Lorentz, Product, Space
from hiergeo.storage.documents import Misfit, Record, Text, Whole
from hiergeo.storage.files import path_of

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_RADIUS = 0.1
"""K of the half aperture asin(2 K / (sqrt(c) |space components|)) in these models."""

REACH = math.asinh(2**15)
"""Largest sqrt(c) |x| that their exponential map takes; longer vectors are shortened to it."""

CURVATURES = (0.01, 100.0)
"""Range of c in files that can be used: training keeps it in [0.1, 10]."""

IMAGES = {"crop": "shortest", "squash": "squash"}
"""How pictures become square -> open_clip's name: shorter side and centre crop, or both sides alike (retrieval)."""

SCHEMA = Record(
    optional={"heads": Whole(1, 1024), "text_heads": Whole(1, 1024), "images": Text("crop|squash")},
)
"""The configuration in the spec or in the JSON file beside the checkpoint."""


class Native(NamedTuple):
    """What the numbers of a file say of embeddings.

    Attributes:
        space: where they are measured; None where the file brings no root.
        scales: factors of the projected features.
        reach: (factors,) their largest lengths; empty for no limit.
    """

    space: Space | None
    scales: Scales
    reach: Tensor


@final
class NativeModel(NetworkModel):
    """A dual encoder with the space it was trained in.

    Args:
        name: the spec that loads the model.
        network: the towers.
        device: where they run.
        tokenizer: texts -> (B, context) tokens.
        transform: a picture -> (3, side, side) pixels.
        preprocessing: how pictures reach the model, in words.
        space: the native space, or None.
        normalised: whether rows are brought to norm one, as those of a CLIP.
    """

    def __init__(
        self,
        name: str,
        network: DualEncoder,
        device: torch.device,
        *,
        tokenizer: Callable[[list[str]], Tensor],
        transform: Callable[["Image"], Tensor],
        preprocessing: str,
        space: Space | None,
        normalised: bool = False,
    ) -> None:
        super().__init__(name, network, device, preprocessing)
        self.tokenizer = tokenizer
        self.transform = transform
        self.normalised = normalised
        self._space = space

    def native_space(self) -> Space | None:
        """The space that the model was trained in, with its learnt curvature; None for a CLIP without a stored root."""
        return self._space

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows: Tensor = self.network.encode_text(self.tokenizer(texts).to(self.device))
        return rows

    def embed_pictures(self, pictures: Sequence["Image"]) -> Tensor:
        pixels = torch.stack([self.transform(picture) for picture in pictures])
        rows: Tensor = self.network.encode_image(pixels.to(self.device))
        return rows


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
    name, _, query = ("", "", "") if path_of(rest).is_file() else rest.partition("?")
    path = path_of(name or rest)
    beside = path.with_suffix(".json")
    options = dict(_fitting(hub.foreign_json(beside), str(beside))) if beside.is_file() else {}
    given: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        given[key] = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else value
    return path, options | _fitting(given, f"'?{query}' in the model spec")


def _fitting(options: Any, source: str) -> dict[str, Any]:
    if isinstance(options, dict):
        for name in options:
            if name not in SCHEMA.optional:
                raise unknown_name("option", str(name), SCHEMA.optional, f" in {source}")
    try:
        SCHEMA.check(options, "")
    except Misfit as error:
        raise InputError(f"{source} cannot be used: {error}.") from error
    return dict(options)


def byte_pairs(context: int) -> Callable[[list[str]], Tensor]:
    """OpenAI's tokenizer: lower case, zero padding; of a text that is too long the last token becomes its end."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer: Callable[[list[str]], Tensor] = SimpleTokenizer(context_length=context)
    return tokenizer


def square(side: int, mean: Sequence[float], std: Sequence[float], images: str) -> Callable[["Image"], Tensor]:
    """Pictures to pixels (3, side, side): resized by bicubic interpolation, as `IMAGES` says, and normalised."""
    from open_clip.transform import image_transform

    transform: Callable[[Image], Tensor] = image_transform(
        side,
        is_train=False,
        mean=tuple(mean),
        std=tuple(std),
        resize_mode=IMAGES[images],
        interpolation="bicubic",
    )
    return transform


def hyperbolic(path: Path, log_curvature: float, log_visual: float, log_textual: float, dim: int) -> Native:
    """The native space of a model with one curvature, given the logarithms that are stored."""
    c = curvature(path, log_curvature)
    space = Space(Lorentz(-c), torch.zeros(dim), min_radius=MIN_RADIUS)
    scales = Scales(*(torch.full((dim,), factor(path, log)) for log in (log_visual, log_textual)))
    return Native(space, scales, torch.tensor([REACH / math.sqrt(c)]))


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


def curvature(path: Path, log: float) -> float:
    """c = exp(log), the absolute curvature. Raises InputError for one that no model of this kind has."""
    low, high = CURVATURES
    if not math.log(low) <= log <= math.log(high):
        raise InputError(
            f"{path} is damaged: the logarithm of its curvature is {log:g}, far from any that training allows."
        )
    return math.exp(log)


def factor(path: Path, log: float) -> float:
    """exp(log), the factor of a modality. Raises InputError for one that float32 does not hold."""
    if abs(log) > math.log(torch.finfo(torch.float32).max):
        raise InputError(f"{path} is damaged: the logarithm of a factor of its embeddings is {log:g}.")
    return math.exp(log)


def _dim(held: Checkpoint) -> int:
    return int(held.weights["visual_proj.weight"].shape[0])
