"""The towers of ProLIP, from the blocks of CLIP: a class token gives the mean, a token [UNC] the log variance."""

import math
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from hiergeo.adapters.gaussians import Gaussian


@dataclass(frozen=True)
class TowerPlan:
    """How one tower is built.

    Attributes:
        width: of the residual stream.
        layers: number of blocks.
        heads: of the attention.
        mlp_ratio: width of the perceptrons over `width`.
        eps: of the LayerNorms.
        quick_gelu: whether the perceptrons have OpenAI's approximation of GELU.
    """

    width: int
    layers: int
    heads: int
    mlp_ratio: float
    eps: float
    quick_gelu: bool

    def norm(self, width: int) -> nn.LayerNorm:
        """A LayerNorm of a width."""
        return nn.LayerNorm(width, eps=self.eps)

    def blocks(self) -> Any:
        """The transformer, that of open_clip."""
        from open_clip.transformer import QuickGELU, Transformer

        activation = QuickGELU if self.quick_gelu else nn.GELU
        return Transformer(
            self.width, self.layers, self.heads, self.mlp_ratio, act_layer=activation, norm_layer=self.norm
        )


@dataclass(frozen=True)
class VisionPlan(TowerPlan):
    """The image tower: `patch` and `image` are pixels along their sides, `ln_pre` a LayerNorm before the blocks."""

    patch: int
    image: int
    ln_pre: bool


@dataclass(frozen=True)
class TextPlan(TowerPlan):
    """The text tower: tokens at most, and how many there are."""

    context: int
    vocabulary: int


@final
class ImageTower(nn.Module):
    """Patches behind the class token and [UNC], all of which attend to each other."""

    def __init__(self, plan: VisionPlan, dim: int) -> None:
        super().__init__()
        self.plan = plan
        width, grid = plan.width, plan.image // plan.patch
        self.conv1 = nn.Conv2d(3, width, plan.patch, plan.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.unc_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(grid**2 + 2, width))
        self.ln_pre = plan.norm(width) if plan.ln_pre else nn.Identity()
        self.transformer = plan.blocks()
        self.ln_post = plan.norm(width)
        self.proj = nn.Parameter(torch.empty(width, dim))
        self.uncertainty_proj = nn.Linear(width, dim)

    def forward(self, pixels: Tensor) -> Gaussian:
        """(B, 3, side, side) normalised pixels -> means and log variances, (B, dim). The mean is normalised twice."""
        patches = self.conv1(pixels).flatten(2).mT
        first = torch.stack([self.class_embedding, self.unc_embedding]).expand(len(pixels), -1, -1)
        x = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        x = self.ln_post(self.transformer(x)[:, :2])
        return Gaussian(self.ln_post(x[:, 0]) @ self.proj, self.uncertainty_proj(x[:, 1]))


@final
class TextTower(nn.Module):
    """Tokens before [UNC] and the class token, all of which attend to each other, padding included.

    The published code reads the log variance off the projected mean and not off [UNC], so both have one width.
    """

    def __init__(self, plan: TextPlan, dim: int) -> None:
        super().__init__()
        if plan.width != dim:
            raise ValueError(f"its text tower is {plan.width} wide and not {dim}, as its embeddings are")
        self.plan, width = plan, plan.width
        self.token_embedding = nn.Embedding(plan.vocabulary, width)
        self.unc_emb = nn.Parameter(torch.empty(width))
        self.cls_emb = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(plan.context + 2, width))
        self.transformer = plan.blocks()
        self.ln_final = plan.norm(width)
        self.text_projection = nn.Linear(width, dim)
        self.text_uncertainty_projection = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Gaussian:
        """(B, context) tokens -> means and log variances, (B, dim)."""
        last = torch.stack([self.unc_emb, self.cls_emb]).expand(len(tokens), -1, -1)
        x = torch.cat([self.token_embedding(tokens), last], dim=1)
        x = self.transformer(x + self.positional_embedding[: x.shape[1]])
        mean = self.text_projection(self.ln_final(x[:, -1]))
        return Gaussian(mean, self.text_uncertainty_projection(mean))


@final
class ProLip(nn.Module):
    """Both towers."""

    def __init__(self, vision: VisionPlan, text: TextPlan, dim: int) -> None:
        super().__init__()
        self.plan = (vision, text, dim)
        if not (math.isfinite(vision.mlp_ratio * text.mlp_ratio) and min(vision.mlp_ratio, text.mlp_ratio) > 0):
            raise ValueError("its perceptrons have no width")
        self.visual = ImageTower(vision, dim)
        self.text = TextTower(text, dim)

    @torch.no_grad()
    def start(self) -> None:
        """Draw the weights that open_clip's towers start training from; other layers have those of PyTorch already."""
        visual, text = self.visual, self.text
        _draw(visual.plan.width**-0.5, visual.class_embedding, visual.unc_embedding, visual.positional_embedding)
        _draw(visual.plan.width**-0.5, visual.proj)
        _draw(0.01, text.unc_emb, text.cls_emb, text.positional_embedding)
        _draw(0.02, text.token_embedding.weight)
        _draw(text.plan.width**-0.5, text.text_projection.weight)
        nn.init.zeros_(text.text_projection.bias)
        across, leaving = text.plan.width**-0.5, text.plan.width**-0.5 * (2 * text.plan.layers) ** -0.5
        for block in text.transformer.resblocks:
            _draw(across, block.attn.in_proj_weight)
            _draw(leaving, block.attn.out_proj.weight)
            _draw((2 * text.plan.width) ** -0.5, block.mlp.c_fc.weight)
            _draw(leaving, block.mlp.c_proj.weight)

    def encode_image(self, pixels: Tensor) -> Gaussian:
        """See `ImageTower`."""
        out: Gaussian = self.visual(pixels)
        return out

    def encode_text(self, tokens: Tensor) -> Gaussian:
        """See `TextTower`."""
        out: Gaussian = self.text(tokens)
        return out


def _draw(std: float, *weights: Tensor) -> None:
    for weight in weights:
        nn.init.normal_(weight, std=std)
