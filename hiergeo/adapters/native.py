"""Dual encoders that bring the space they were trained in: their towers' inputs, their rows and their geometry.

An embedding is the projected feature times a learnt factor of its modality: the tangent vector x whose exponential map
is the model's point on the hyperboloid. Its geodesic radius is |x|, so the rows x around a root of zeros in Lorentz(-c)
are the model's space.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import Document
from hiergeo.adapters import weights
from hiergeo.adapters.model import ClipModel
from hiergeo.geometry import Lorentz, Space

if TYPE_CHECKING:
    from PIL.Image import Image

NUMBERS = ("curv", "visual_alpha", "textual_alpha")
"""Weights of towers that were trained in a hyperbolic space: logarithms of its -K and of a factor of each modality."""

MIN_RADIUS = 0.1
"""K of the half aperture asin(2 K / (sqrt(c) |space components|)) in these models."""

REACH = math.asinh(2**15)
"""Largest sqrt(c) |x| that their exponential map takes; longer vectors are shortened to it."""

CURVATURES = (0.01, 100.0)
"""Range of c in files that can be used: training keeps it in [0.1, 10]."""

FACTORS = (1e-12, 1e4)
"""Range of a factor of the features in files that can be used: training starts near 0.04 and MERU stops it at 1."""

STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Normalisation of pixels -> mean and standard deviation."""

IMAGES = {"crop": "shortest", "squash": "squash"}
"""How pictures become square -> open_clip's word for it: by the shorter side and a crop at the centre, or both sides
alike (retrieval)."""


class SpecOptions(Document):
    """Options of these models in a spec."""

    images: Annotated[str, Field(pattern=f"^({'|'.join(IMAGES)})$")] = "crop"


class Native(NamedTuple):
    """The space that the numbers of a file describe, and how projected features become its tangent vectors.

    `space` is None where the file brings no root. `scales` are the factors (dim,) of images and of texts; `reach` holds
    the largest lengths (factors,), none for no limit.
    """

    space: Space | None
    scales: tuple[Tensor, Tensor]
    reach: Tensor


VOCABULARY = 49408
"""Tokens of OpenAI's byte-pair encoding, the last two of which open and close a text."""

CONTEXT = 1 << 12
"""Positions of a text tower at most: its mask has as many rows and columns."""


class VisionSizes(NamedTuple):
    """A vision transformer of timm; no weight tells `heads`, and `eps` is that of torch, not timm's own 1e-6."""

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    image: int
    pool: Literal["token", "avg"] = "token"
    eps: float = 1e-5

    def tower(self) -> nn.Module:
        """timm's network without a head, its pooled feature behind the last LayerNorm."""
        from timm.models.vision_transformer import VisionTransformer

        return VisionTransformer(
            img_size=self.image,
            patch_size=self.patch,
            embed_dim=self.width,
            depth=self.layers,
            num_heads=self.heads,
            mlp_ratio=self.hidden / self.width,
            num_classes=0,
            global_pool=self.pool,
            norm_layer=partial(nn.LayerNorm, eps=self.eps),
        )


class TextSizes(NamedTuple):
    """A causal text transformer of open_clip of so many positions (`context`); no weight tells `heads`."""

    width: int
    layers: int
    heads: int
    hidden: int
    context: int

    def tower(self, quick_gelu: bool) -> Any:
        """open_clip's network without a projection."""
        from open_clip.transformer import QuickGELU, TextTransformer

        activation = QuickGELU if quick_gelu else nn.GELU
        ratio = self.hidden / self.width
        return TextTransformer(
            self.context, VOCABULARY, self.width, self.heads, self.layers, ratio, proj_type="none", act_layer=activation
        )


class Sizes(NamedTuple):
    """The sizes of both towers, and the dimension of the embeddings."""

    vision: VisionSizes
    text: TextSizes
    dim: int


def stored_sizes(
    path: Path,
    state: Mapping[str, Tensor],
    vision_heads: Callable[[int], int],
    text_heads: Callable[[int], int],
    **vision: Any,
) -> Sizes:
    """The sizes of an encoder by the shapes of its stored weights; heads, which no shape tells, by their widths.

    Raises:
        InputError: a weight that sizes are read from is missing or misshapen, or a size is beyond any model's.
    """

    def layers(pattern: str) -> int:
        return sum(re.fullmatch(pattern, name) is not None for name in state)

    def of(name: str, axis: int) -> int:
        try:
            return state[name].shape[axis]
        except (KeyError, IndexError):
            raise InputError(
                f"{path} is no complete checkpoint of this family: it lacks the weight '{name}'."
            ) from None

    width, text_width = of("visual.cls_token", -1), of("textual.token_embedding.weight", -1)
    patch, grid = of("visual.patch_embed.proj.weight", -1), round(max(0, of("visual.pos_embed", 1) - 1) ** 0.5)
    hidden = of("visual.blocks.0.mlp.fc1.weight", 0)
    text_hidden = of("textual.transformer.resblocks.0.mlp.c_fc.weight", 0)
    depths = (
        layers(r"visual\.blocks\.\d+\.norm1\.weight"),
        layers(r"textual\.transformer\.resblocks\.\d+\.ln_1\.weight"),
    )
    context, dim = of("textual.positional_embedding", 0), of("visual_proj.weight", 0)
    widths = (width, text_width, hidden, text_hidden, patch, grid, grid * patch, dim)
    if not (0 < min(widths) <= max(widths) <= limits.WIDTH and max(depths) <= limits.LAYERS and 0 < context <= CONTEXT):
        raise InputError(
            f"{path} is damaged: no model has sizes such as {widths}, {depths} layers and a text of {context} tokens."
        )
    heads, text = vision_heads(width), text_heads(text_width)
    for name, count, across in (("image", heads, width), ("text", text, text_width)):
        if not count or across % count:
            raise InputError(f"{path} does not fit: of width {across}, its {name} tower cannot have {count} heads.")
    return Sizes(
        VisionSizes(width, depths[0], heads, hidden, patch, grid * patch, **vision),
        TextSizes(text_width, depths[1], text, text_hidden, context),
        dim,
    )


@final
class DualEncoder(nn.Module):
    """Two towers with linear projections and a factor for each coordinate; rows are tangent vectors at the origin.

    Rows whose length would pass `reach` in a factor of the space are shortened to it, as the exponential maps of these
    models do; a space of 0 `factors` takes rows of any length. Weights are those that timm, open_clip and PyTorch start
    from.
    """

    visual_scale: Tensor
    textual_scale: Tensor
    reach: Tensor

    def __init__(self, sizes: Sizes, factors: int, quick_gelu: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.shape = sizes, factors, quick_gelu, bias
        vision, text, dim = sizes
        self.visual = vision.tower()
        self.textual = text.tower(quick_gelu)
        self.visual_proj = nn.Linear(vision.width, dim, bias=bias)
        self.textual_proj = nn.Linear(text.width, dim, bias=bias)
        self.register_buffer("visual_scale", torch.empty(dim))
        self.register_buffer("textual_scale", torch.empty(dim))
        self.register_buffer("reach", torch.empty(factors))

    @classmethod
    def stored(
        cls, path: Path, state: Mapping[str, Tensor], sizes: Sizes, native: Native, *, quick_gelu: bool = False
    ) -> "DualEncoder":
        """The encoder of a file with these weights of towers and projections, scaled and shortened as `Native` says."""
        scales = dict(zip(("visual_scale", "textual_scale"), native.scales, strict=True))
        shape = sizes, len(native.reach), quick_gelu, "visual_proj.bias" in state
        encoder = weights.strictly(path, lambda: cls(*shape), {**state, **scales, "reach": native.reach})
        encoder.textual.attn_mask = encoder.textual.build_causal_mask()
        return encoder

    def rebuilt(self) -> "DualEncoder":
        """The same network with the weights that training starts from; the factors, part of the space, stay."""
        fresh = DualEncoder(*self.shape)
        fresh.visual_scale, fresh.textual_scale, fresh.reach = self.visual_scale, self.textual_scale, self.reach
        return fresh

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, side, side) normalised pixels -> (B, dim)."""
        return within_reach(self.visual_proj(self.visual(pixels)) * self.visual_scale, self.reach)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, context) tokens -> (B, dim)."""
        return within_reach(self.textual_proj(self.textual(tokens)) * self.textual_scale, self.reach)


def within_reach(rows: Tensor, reach: Tensor) -> Tensor:
    """Rows (B, dim), in each of the factors of the space at most as long as `reach` (factors,); of none as they are."""
    if not len(reach):
        return rows
    factors = rows.unflatten(-1, (len(reach), -1))
    length = factors.norm(dim=-1, keepdim=True)
    limit = reach[:, None]
    return (factors * torch.where(length > limit, limit / length, 1.0)).flatten(-2)


@final
class NativeModel(ClipModel):
    """A dual encoder with the space it was trained in, if any.

    Pictures become square as one of `IMAGES` says; `normalisation` is the mean and deviation of pixels in words.
    """

    def __init__(
        self,
        name: str,
        network: DualEncoder,
        device: torch.device,
        *,
        space: Space | None,
        normalised: bool = False,
        images: str,
        statistics: tuple[Sequence[float], Sequence[float]],
        normalisation: str,
    ) -> None:
        (vision, text, _), _, quick_gelu, _ = network.shape
        settings = f"Plan({vision=}, {text=}, {quick_gelu=})"  # as all fingerprints before had it
        tokenizer, transform = byte_pairs(text.context), square(vision.image, *statistics, images)
        preprocessing = f"{images} to {vision.image}, bicubic, {normalisation}"
        prepared: dict[str, Any] = {"tokenizer": tokenizer, "transform": transform, "preprocessing": preprocessing}
        super().__init__(name, network, device, settings=settings, **prepared)
        self.normalised = normalised
        self._space = space

    def rebuilt_network(self) -> DualEncoder:
        rebuilt: DualEncoder = self.network.rebuilt()
        return rebuilt

    def native_space(self) -> Space | None:
        """The space that the model was trained in, with its learnt curvature; None for a CLIP without a stored root."""
        return self._space


def byte_pairs(context: int) -> Callable[[list[str]], Tensor]:
    """OpenAI's tokenizer: lower case, zero padding; of a text that is too long the last token becomes its end."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer: Callable[[list[str]], Tensor] = SimpleTokenizer(context_length=context)
    return tokenizer


def square(side: int, mean: Sequence[float], std: Sequence[float], images: str) -> Callable[["Image"], Tensor]:
    """Pictures to pixels (3, side, side): resized by bicubic interpolation, as one of `IMAGES` says, and normalised."""
    from open_clip.transform import image_transform

    resizing = {"resize_mode": IMAGES[images], "interpolation": "bicubic"}
    transform: Callable[[Image], Tensor] = image_transform(side, False, tuple(mean), tuple(std), **resizing)
    return transform


def hyperbolic(path: Path, log_curvature: float, log_visual: float, log_textual: float, dim: int) -> Native:
    """The native space of a model with one curvature, given the logarithms that are stored."""
    c = curvature(path, log_curvature)
    space = Space(Lorentz(-c), torch.zeros(dim), min_radius=MIN_RADIUS)
    visual, textual = (torch.full((dim,), factor(path, log)) for log in (log_visual, log_textual))
    return Native(space, (visual, textual), torch.tensor([REACH / math.sqrt(c)]))


def stored_natively(path: Path, state: dict[str, Tensor], dim: int) -> Native:
    """The native space of one curvature by `NUMBERS`, which are taken out of the state."""
    log_curvature, visual, textual = (weights.taken(path, state, name)[0] for name in NUMBERS)
    return hyperbolic(path, log_curvature, visual, textual, dim)


def curvature(path: Path, log: float) -> float:
    """c = exp(log) in float32, as these models compute it; the shortest decimal of that number."""
    return float(str(np.float32(factor(path, log, CURVATURES, "its curvature"))))


def factor(
    path: Path, log: float, bounds: tuple[float, float] = FACTORS, what: str = "a factor of its embeddings"
) -> float:
    """exp(log), by default the factor of a modality. Raises InputError for one that no model of this kind has."""
    if not math.log(bounds[0]) <= log <= math.log(bounds[1]):
        raise InputError(f"{path} is damaged: the logarithm of {what} is {log:g}, far from any that training allows.")
    return math.exp(log)
