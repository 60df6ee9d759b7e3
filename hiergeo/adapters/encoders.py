"""Image and text towers that are built to the sizes of stored weights, and the dual encoder that they make."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

VOCABULARY = 49408
"""Tokens of OpenAI's byte-pair encoding, the last two of which open and close a text."""

Pool = Literal["token", "avg"]
"""Which feature of an image tower is projected: that of the class token, or the mean of the patches."""


class VisionSizes(NamedTuple):
    """A vision transformer of timm.

    Attributes:
        width: of the residual stream.
        layers: number of blocks.
        heads: of the attention; no weight tells it.
        hidden: width of the perceptrons.
        patch: pixels along the side of a patch.
        image: pixels along the side of an image.
        pool: which feature is projected.
        eps: of the LayerNorms: that of torch in these models, and not that of timm, which is 1e-6.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    image: int
    pool: Pool = "token"
    eps: float = 1e-5


class TextSizes(NamedTuple):
    """A causal text transformer of open_clip.

    Attributes:
        width: of the residual stream.
        layers: number of blocks.
        heads: of the attention; no weight tells it.
        hidden: width of the perceptrons.
        context: positions.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    context: int


@final
class DualEncoder(nn.Module):
    """Two towers with linear projections and a factor for each coordinate; rows are tangent vectors at the origin.

    Rows whose length would pass `reach` in a factor of the space are shortened to it, as the exponential maps of these
    models do.

    Args:
        vision: sizes of the image tower.
        text: sizes of the text tower.
        weights: of both towers, under ``visual.`` and ``textual.``, and ``visual_proj`` and ``textual_proj``.
        scales: of the projected features of images and of texts, (dim,) each.
        reach: (factors,) the largest lengths; empty for no limit.
        quick_gelu: whether the text tower has OpenAI's approximation of GELU.

    Attributes:
        plan: sizes of both towers, and `quick_gelu`; embeddings depend on all of it, and no weight tells the whole.
    """

    visual_scale: Tensor
    textual_scale: Tensor
    reach: Tensor

    def __init__(
        self,
        vision: VisionSizes,
        text: TextSizes,
        weights: Mapping[str, Tensor],
        *,
        scales: tuple[Tensor, Tensor],
        reach: Tensor,
        quick_gelu: bool = False,
    ) -> None:
        super().__init__()
        self.plan = vision, text, quick_gelu
        with torch.device("meta"):
            self.visual = _vision_tower(vision)
            self.textual = text_tower(text, quick_gelu)
            self.visual_proj = _projection(weights, "visual_proj")
            self.textual_proj = _projection(weights, "textual_proj")
        self.load_state_dict({name: weight.clone() for name, weight in weights.items()}, strict=True, assign=True)
        self.textual.attn_mask = self.textual.build_causal_mask()
        self.register_buffer("visual_scale", scales[0])
        self.register_buffer("textual_scale", scales[1])
        self.register_buffer("reach", reach)

    def rebuilt(self) -> "DualEncoder":
        """The same network with the random weights that timm, open_clip and PyTorch start from.

        The factors of the features are kept: with the curvature they make the space in which the model is measured.
        """
        vision, text, quick_gelu = self.plan
        fresh = nn.ModuleDict({"visual": _vision_tower(vision, start=True), "textual": text_tower(text, quick_gelu)})
        for name in ("visual_proj", "textual_proj"):
            trained = self.get_submodule(name)
            assert isinstance(trained, nn.Linear)
            fresh[name] = nn.Linear(trained.in_features, trained.out_features, bias=trained.bias is not None)
        scales = self.visual_scale, self.textual_scale
        return DualEncoder(vision, text, fresh.state_dict(), scales=scales, reach=self.reach, quick_gelu=quick_gelu)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, side, side) normalised pixels -> (B, dim)."""
        return self._within_reach(self.visual_proj(self.visual(pixels)) * self.visual_scale)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, context) tokens -> (B, dim)."""
        return self._within_reach(self.textual_proj(self.textual(tokens)) * self.textual_scale)

    def _within_reach(self, rows: Tensor) -> Tensor:
        if not len(self.reach):
            return rows
        factors = rows.unflatten(-1, (len(self.reach), -1))
        length = factors.norm(dim=-1, keepdim=True)
        limit = self.reach[:, None]
        return (factors * torch.where(length > limit, limit / length, 1.0)).flatten(-2)


def _vision_tower(sizes: VisionSizes, start: bool = False) -> nn.Module:
    """timm's ViT without a head, its pooled feature behind the last LayerNorm; `start` draws weights."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=sizes.image,
        patch_size=sizes.patch,
        embed_dim=sizes.width,
        depth=sizes.layers,
        num_heads=sizes.heads,
        mlp_ratio=sizes.hidden / sizes.width,
        num_classes=0,
        global_pool=sizes.pool,
        weight_init="" if start else "skip",
        norm_layer=partial(nn.LayerNorm, eps=sizes.eps),
    )


def text_tower(sizes: TextSizes, quick_gelu: bool) -> Any:
    """The text tower: open_clip's causal transformer without a projection, with the weights that it starts from."""
    from open_clip.transformer import QuickGELU, TextTransformer

    return TextTransformer(
        sizes.context,
        VOCABULARY,
        sizes.width,
        sizes.heads,
        sizes.layers,
        sizes.hidden / sizes.width,
        proj_type="none",
        act_layer=QuickGELU if quick_gelu else nn.GELU,
    )


def weight_shapes(vision: VisionSizes, text: TextSizes, dim: int, *, bias: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a `DualEncoder` of `dim` dimensions; its projections may have biases."""
    with torch.device("meta"):
        parts = nn.ModuleDict(
            {
                "visual": _vision_tower(vision),
                "textual": text_tower(text, quick_gelu=False),
                "visual_proj": nn.Linear(vision.width, dim, bias=bias),
                "textual_proj": nn.Linear(text.width, dim, bias=bias),
            }
        )
    return {name: tuple(weight.shape) for name, weight in parts.state_dict().items()}


def _projection(weights: Mapping[str, Tensor], name: str) -> nn.Linear:
    outputs, inputs = weights[f"{name}.weight"].shape
    return nn.Linear(inputs, outputs, bias=f"{name}.bias" in weights)
