"""The interface of models: captions and pictures in, unit embeddings and a root out; and how models are recognised."""

import copy
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiergeo._core import limits
from hiergeo._core.devices import resolve_device, resolve_dtype
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults, wide
from hiergeo._core.progress import track
from hiergeo.datasets.hierarchy import Hierarchy
from hiergeo.datasets.pictures import ImageLike, check_images, open_rgb
from hiergeo.geometry import Space

if TYPE_CHECKING:
    from PIL.Image import Image

Item = TypeVar("Item", str, ImageLike)
Kind = TypeVar("Kind", bound="Model")

NAMED_ROWS = 5
"""Defective rows that an error names before it only counts."""

SURROGATE = re.compile("[\ud800-\udfff]")

ROWS_AT_ONCE = 1 << 12
"""Rows that are normalised in float64 at a time."""


class Model(ABC):
    """A frozen model as a map into one embedding space; a new adapter implements the abstract methods.

    One that embeds images implements `image_rows` too.

    Attributes:
        name: the spec that loads the model.
        has_images: whether pictures can be embedded; text-only models say no.
        preprocessing: how inputs reach the model, in words.
        normalised: whether embeddings are brought to norm one; a model that says no gives them as they are.
        text_batch: texts that are embedded at a time unless the caller says otherwise.
        image_batch: the same of images.
    """

    name: str
    has_images: bool
    preprocessing: str
    normalised: bool = True
    text_batch: int = 256
    image_batch: int = 64

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash of the weights (or of the file), which identifies the model in stored results."""

    def witness(self) -> Tensor | None:
        """Embeddings of a few fixed inputs in one row, float32, by which stored embeddings know their model.

        Where fingerprints differ, they tell the same weights in another version of a library from other weights. None,
        the default, where a model cannot embed anything at will.
        """
        return None

    @abstractmethod
    def text_rows(self, texts: Sequence[str]) -> Tensor:
        """One batch of stripped texts -> (B, dim), of any norm, device and floating dtype."""

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        """One batch of images -> (B, dim), of any norm, device and floating dtype; called only when `has_images`."""
        raise self._no_images()

    def _no_images(self) -> InputError:
        return InputError(f"{self.name} embeds texts only: choose an image-text model to embed images.")

    def check_texts(self, texts: Sequence[str]) -> None:  # noqa: B027 - most models embed every text
        """Raise `InputError` for texts that can never be embedded, before any work starts; by default all can."""

    def check_images(self, images: Sequence[ImageLike]) -> None:
        """Raise `InputError` for images that can never be embedded, before work starts: by default damaged files."""
        check_images(images)

    def stores(self, images: Sequence[ImageLike]) -> int:
        """How many of the images it has stored embeddings of, so that their files may be missing; by default none."""
        return 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'name', 'without a name')}>"

    @cached_property
    def _root(self) -> Tensor:
        return self.encode_text([""])[0]

    def bare_copy(self: Kind) -> Kind:
        """A shallow copy without the rows that `hiergeo.adapters.store.cached` keeps, and without a known root."""
        copied = copy.copy(self)
        for name in ("_root", "text_rows", "image_rows"):
            vars(copied).pop(name, None)
        return copied

    def native_space(self) -> Space | None:
        """The space that the model was trained in: geometry with its curvature, root and cone scale.

        Measurements use it unless another space is named. None, the default, for a model that brings no space.
        """
        return None

    @property
    def dim(self) -> int:
        """The dimension of the embedding space."""
        return self._root.shape[0]

    def root(self, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None) -> Tensor:
        """The embedding (dim,) of the empty caption, through the tokenizer and padding of every other caption.

        Args:
            device: where it is wanted, as in `encode_text`.
            dtype: of the result, as in `encode_text`.
        """
        return self._root.to(_wanted(device), resolve_dtype(dtype), copy=True)

    @torch_defaults()
    def encode_text(
        self,
        texts: Sequence[str] | NDArray[np.str_],
        *,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        progress: bool = False,
    ) -> Tensor:
        """The unit embeddings (unless not `normalised`) of the stripped texts, (N, dim).

        Args:
            texts: a list, or a numpy array (N,), of strings.
            batch_size: texts that are embedded at a time; None is `text_batch`.
            device: where the embeddings are wanted: ``auto``, a name or a device of torch; None is the CPU.
            dtype: float32 (None), bfloat16 or float16. Norms are divided out in float32, before rounding.
            progress: draw a bar on standard error.

        Raises:
            InputError: no texts, something that is not a string or not Unicode, or an embedding that is not finite or
                has no direction.
        """
        listed = texts.tolist() if isinstance(texts, np.ndarray) and texts.ndim == 1 else texts
        if not isinstance(listed, Sequence) or isinstance(listed, str) or not all(isinstance(t, str) for t in listed):
            raise InputError(f"texts must be a list of strings, not {_shown(texts, str)}.")
        stripped = [text.strip() for text in listed]
        if broken := [row for row, text in enumerate(stripped) if not text.isascii() and SURROGATE.search(text)]:
            raise InputError(f"text {broken[0]} (the first is 0) holds half of a surrogate pair: decode it anew.")
        self.check_texts(stripped)
        size = self.text_batch if batch_size is None else batch_size
        return self._encode("text", stripped, self.text_rows, size, device, dtype, progress)

    @torch_defaults()
    def encode_image(
        self,
        images: Sequence[ImageLike],
        *,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        progress: bool = False,
    ) -> Tensor:
        """The unit embeddings (unless not `normalised`) of the images, (N, dim). Files are opened one batch at a time.

        Every file is looked at before the work begins; damage beyond its header shows when its batch is reached.

        Args:
            images: a list of paths, pictures of Pillow, images of a dataset, or arrays and tensors of pixels (height,
                width, 3), uint8.
            batch_size: images that are embedded at a time; None is `image_batch`.
            device: as in `encode_text`, and so the others.
            dtype: of the embeddings.
            progress: draw a bar on standard error.

        Raises:
            InputError: a text-only model, no images, one that is missing, damaged or cannot be used (it is named), or
                an embedding that is not finite or has no direction.
        """
        if not self.has_images:
            raise self._no_images()
        if not isinstance(images, Sequence) or isinstance(images, str | bytes):
            shown = _shown(images, object)
            raise InputError(f"images must be a list of paths, pictures or arrays of pixels, not {shown}.")
        self.check_images(images)
        size = self.image_batch if batch_size is None else batch_size
        return self._encode("image", images, self.image_rows, size, device, dtype, progress)

    def _encode(
        self,
        kind: str,
        items: Sequence[Item],
        rows_of: Callable[[Sequence[Item]], Tensor],
        size: int,
        device: str | torch.device | None,
        dtype: str | torch.dtype | None,
        progress: bool,
    ) -> Tensor:
        where, result, count = _wanted(device), resolve_dtype(dtype), len(items)
        if not count:
            raise InputError(f"there is no {kind} to embed: the list is empty.")
        check_whole("the batch size", size, 1, limits.COUNT)
        batches = [items[start : start + size] for start in range(0, count, size)]
        whole, done = torch.empty(0, 0), 0
        for batch in track(batches, f"embedding {kind}s", enabled=progress, size=len, total=count):
            rows = rows_of(batch)
            width = (whole if done else rows).shape[-1] if isinstance(rows, Tensor) and rows.ndim else 0
            if not isinstance(rows, Tensor) or rows.shape != (len(batch), width):
                shape = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
                raise InputError(
                    f"the adapter {self.name} gave {shape} for a batch of {len(batch)}: it must give one row each, all "
                    "of one length."
                )
            if not done:
                whole = torch.empty(count, width, dtype=torch.float32, device=where)
            whole[done : done + len(rows)] = rows.detach().to(where, torch.float32)
            done += len(rows)
        what = f"the {kind} embeddings of {self.name}"
        if self.normalised:
            return unit_rows(whole, what, whole).to(result)
        usable_norms(whole, what, zero=True)
        return whole.to(result)


def with_stored_images(model: Model, hierarchy: Hierarchy) -> Hierarchy:
    """The hierarchy with the images that have no files, if a model has stored embeddings of any of them."""
    if not model.stores(hierarchy.absent):
        return hierarchy
    return replace(hierarchy, images=hierarchy.absent, absent=())


def _wanted(device: str | torch.device | None) -> torch.device:
    return torch.device("cpu") if device is None else resolve_device(device)


def _shown(values: object, wanted: type) -> str:
    """Description of a wrong argument: its type, and that of the first item that is not `wanted`."""
    kind = type(values).__name__
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        strange = next((item for item in values if not isinstance(item, wanted)), None)
        return f"a {kind} with {type(strange).__name__} among them"
    return f"{kind} of shape {tuple(values.shape)}" if isinstance(values, np.ndarray | Tensor) else kind


def unit_rows(rows: Tensor, what: str, out: Tensor | None = None) -> Tensor:
    """Rows (N, D) divided by their Euclidean norms, in float32, on their device; a few at a time in float64.

    Args:
        rows: of any floating dtype.
        what: whose rows they are, for errors.
        out: (N, D) float32, where the result goes; it may be `rows` itself.

    Raises:
        InputError: a row holds NaN or Inf or has norm zero.
    """
    result = torch.empty_like(rows, dtype=torch.float32) if out is None else out
    norms = usable_norms(rows, what)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        result[part] = wide(rows[part]) / norms[part, None]
    return result


def usable_norms(rows: Tensor, what: str, *, zero: bool = False) -> Tensor:
    """The norms (N,) of rows (N, D); raises the errors of `unit_rows`, that of norm zero unless `zero` is allowed."""
    norms = torch.cat([wide(part).norm(dim=1) for part in rows.split(ROWS_AT_ONCE)])
    bad, defect = ~norms.isfinite(), "hold NaN or Inf"
    if not zero and not bad.any():
        bad, defect = norms == 0, "have norm zero, so no direction"
    if named := bad.nonzero()[:, 0].tolist():
        more = f" and {len(named) - NAMED_ROWS} more" if len(named) > NAMED_ROWS else ""
        listed = ", ".join(map(str, named[:NAMED_ROWS]))
        raise InputError(f"{what} are unusable: rows {listed}{more} {defect}.")
    return norms


class NetworkModel(Model):
    """A model that is a `torch.nn.Module`: frozen, in evaluation mode, in float32, on one device.

    A subclass implements `embed_texts`, and `embed_pictures` if it embeds images; both run without gradients.

    Args:
        name: the spec that loads the model.
        network: the module; it is moved to `device` and frozen.
        device: where it runs.
        preprocessing: how inputs reach it, in words; part of the fingerprint.
        settings: what embeddings depend on and neither weights nor preprocessing tell, such as the number of attention
            heads or the tokenizer; part of the fingerprint.
    """

    has_images = True

    def __init__(
        self, name: str, network: nn.Module, device: torch.device, preprocessing: str, settings: str = ""
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.settings = settings
        self.device = device
        self.network: Any = network.to(device=device, dtype=torch.float32).eval().requires_grad_(False)

    def fingerprint(self) -> str:
        """16 hexadecimal digits over preprocessing, settings, activations, and shapes and samples of weights."""
        return weights_digest(self.network, self.preprocessing + self.settings)[:16]

    def witness(self) -> Tensor | None:
        return probe_rows(self)

    def rebuilt_network(self) -> nn.Module:
        """The network built anew from its configuration, with the random weights that its library starts from.

        Raises:
            InputError: this adapter cannot build its network without weights.
        """
        raise InputError(f"{self.name} cannot be built without its weights, so there is no untrained copy of it.")

    @abstractmethod
    def embed_texts(self, texts: list[str]) -> Tensor:
        """Stripped texts -> (B, dim)."""

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        """Upright RGB pictures -> (B, dim); called only when `has_images`."""
        raise self._no_images()

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        with torch.inference_mode():
            return self.embed_texts(list(texts))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        with torch.inference_mode():
            return self.embed_pictures([open_rgb(image) for image in images])


class ClipModel(NetworkModel):
    """A network with the methods `encode_text` and `encode_image`, as those of open_clip.

    Args:
        name: as for `NetworkModel`, and so the others that are not named here.
        network: the towers.
        device: where they run.
        tokenizer: texts -> (B, context) tokens.
        transform: a picture -> (3, side, side) pixels.
        preprocessing: how pictures reach the network.
        settings: what else embeddings depend on.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        device: torch.device,
        *,
        tokenizer: Callable[[list[str]], Tensor],
        transform: Callable[["Image"], Tensor],
        preprocessing: str,
        settings: str = "",
    ) -> None:
        super().__init__(name, network, device, preprocessing, settings)
        self.tokenizer = tokenizer
        self.transform = transform

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows: Tensor = self.network.encode_text(self.tokens(texts))
        return rows

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        rows: Tensor = self.network.encode_image(self.pixels(pictures))
        return rows

    def tokens(self, texts: list[str]) -> Tensor:
        """(B, context) tokens, on the device of the network."""
        return self.tokenizer(texts).to(self.device)

    def pixels(self, pictures: list["Image"]) -> Tensor:
        """(B, 3, side, side) normalised pixels, on the device of the network."""
        return torch.stack([self.transform(picture) for picture in pictures]).to(self.device)


SAMPLED = 4096
"""Elements of each weight that enter the fingerprint, evenly spread."""

ACTIVATIONS = ("elu", "silu", "swish", "mish", "tanh", "sigmoid")
"""What the class of an activation has in its name, in lower case."""

PROBES = ("a dog", "two people on a beach at sunset", "The 3 blue cups are left of an old wooden chair.")
"""Texts of `Model.witness`."""


def weights_digest(network: nn.Module, preprocessing: str) -> str:
    """SHA-256 over preprocessing, kinds of activations, and shapes and samples of the floating-point weights.

    What modules and weights are called, and in which order they come, does not count: versions of libraries differ in
    that and give the same embeddings.
    """
    kinds = {type(module).__name__ for module in network.modules()}
    activations = sorted(kind for kind in kinds if any(part in kind.lower() for part in ACTIVATIONS))
    weights = (weight for weight in network.state_dict().values() if weight.is_floating_point())
    facts = [preprocessing, *activations, *sorted(hashlib.sha256(_described(weight)).hexdigest() for weight in weights)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _described(weight: Tensor) -> bytes:
    """Shape, dtype and a sample of a tensor."""
    flat = weight.reshape(-1)
    sample = flat[:: max(1, flat.numel() // SAMPLED)].cpu().contiguous()
    return f"{tuple(weight.shape)}{weight.dtype}".encode() + sample.view(torch.uint8).numpy().tobytes()


def probe_rows(model: Any) -> Tensor:
    """The `Model.witness` of a model that embeds any text: that of `PROBES` and, with images, of a made-up picture."""
    rows = [model.encode_text(PROBES).flatten()]
    if model.has_images:
        across, down = np.meshgrid(np.arange(96), np.arange(64))
        pixels = np.stack([2 * across, 3 * down, (across * down) % 256], axis=-1).astype(np.uint8)
        rows.append(model.encode_image([pixels]).flatten())
    return torch.cat(rows)
