"""The network of the bundled model in plain torch: a small CLIP, a residual network beside a causal transformer.

Names, types and order of the layers, first weights and values are those of open_clip, which loads the same files.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

from hiergeo.adapters.pixels import STATISTICS
from hiergeo.adapters.transformer import Blocks, CausalText, TextTransformer

EXPANSION = 4
"""Channels that leave a bottleneck over those inside it."""

FIRST_LOGIT_SCALE = math.log(1 / 0.07)


def preprocessing(side: int) -> dict[str, Any]:
    """What open_clip says of the pictures that a model of this size takes by default."""
    mean, std = STATISTICS["clip"]
    return {
        "size": side,
        "mode": "RGB",
        "mean": mean,
        "std": std,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }


@final
class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; averages of `stride` pixels halve both, where convolutions would skip."""

    def __init__(self, inputs: int, inside: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * inside
        self.conv1, self.bn1, self.act1 = _convolved(inputs, inside, 1)
        self.conv2, self.bn2, self.act2 = _convolved(inside, inside, 3)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3, self.bn3, self.act3 = _convolved(inside, outputs, 1)
        self.downsample = _shortcut(inputs, outputs, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, side, side) -> (B, 4 inside, side / stride, side / stride)."""
        y = self.act1(self.bn1(self.conv1(x)))
        y = self.act2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(self.avgpool(y)))
        kept = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.act3(y + kept)
        return out


@final
class AttentionPool2d(nn.Module):
    """What the mean of all pixels attends to, among the pixels and itself."""

    def __init__(self, side: int, width: int, heads: int, dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, width) / width**0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, side, side) -> (B, dim)."""
        pixels = x.flatten(2).permute(2, 0, 1)
        tokens = torch.cat([pixels.mean(0, keepdim=True), pixels]) + self.positional_embedding[:, None]
        query, key, value = (self._by_head(layer(tokens)) for layer in (self.q_proj, self.k_proj, self.v_proj))
        seen = scaled_dot_product_attention(query, key, value)
        pooled: Tensor = self.c_proj(seen.permute(2, 0, 1, 3).flatten(2))
        return pooled[0]

    def _by_head(self, rows: Tensor) -> Tensor:
        """(tokens, B, width) -> (B, heads, tokens, width / heads)."""
        return rows.unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)


@final
class ModifiedResNet(nn.Module):
    """CLIP's residual network: a stem of three convolutions, four stages of bottlenecks, an attention at the end."""

    def __init__(self, layers: list[int], dim: int, heads: int, side: int, width: int) -> None:
        super().__init__()
        self.preprocess_cfg = preprocessing(side)
        self.conv1, self.bn1, self.act1 = _convolved(3, width // 2, 3, stride=2)
        self.conv2, self.bn2, self.act2 = _convolved(width // 2, width // 2, 3)
        self.conv3, self.bn3, self.act3 = _convolved(width // 2, width, 3)
        self.avgpool = nn.AvgPool2d(2)
        self.layer1 = _stage(width, width, layers[0], 1)
        self.layer2 = _stage(EXPANSION * width, 2 * width, layers[1], 2)
        self.layer3 = _stage(EXPANSION * 2 * width, 4 * width, layers[2], 2)
        self.layer4 = _stage(EXPANSION * 4 * width, 8 * width, layers[3], 2)
        self.attnpool = AttentionPool2d(side // 32, EXPANSION * 8 * width, heads, dim)
        self._start(EXPANSION * 8 * width)

    @torch.no_grad()
    def _start(self, width: int) -> None:
        for layer in (self.attnpool.q_proj, self.attnpool.k_proj, self.attnpool.v_proj, self.attnpool.c_proj):
            nn.init.normal_(layer.weight, std=width**-0.5)
        for module in self.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, side, side) normalised pixels -> (B, dim)."""
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        x = self.avgpool(self.act3(self.bn3(self.conv3(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        pooled: Tensor = self.attnpool(x)
        return pooled


@final
class CLIP(CausalText):
    """The two towers and their temperature.

    Args:
        embed_dim: of the embeddings.
        vision_cfg: as open_clip writes it: image_size, layers, width and head_width of a residual network.
        text_cfg: context_length, vocab_size, width, heads and layers of a causal transformer.
        quick_gelu: whether the transformer has OpenAI's approximation of GELU.
    """

    def __init__(
        self, embed_dim: int, vision_cfg: Mapping[str, Any], text_cfg: Mapping[str, Any], quick_gelu: bool = False
    ) -> None:
        super().__init__()
        width, side = vision_cfg["width"], vision_cfg["image_size"]
        heads = width * 32 // vision_cfg["head_width"]
        self.visual = ModifiedResNet(vision_cfg["layers"], embed_dim, heads, side, width)
        across = text_cfg["width"]
        blocks = Blocks(across, text_cfg["layers"], text_cfg["heads"], 4 * across, quick_gelu=quick_gelu)
        text = TextTransformer(blocks, text_cfg["context_length"], text_cfg["vocab_size"])
        projection = nn.Parameter(torch.empty(across, embed_dim))
        nn.init.normal_(projection, std=across**-0.5)
        self.transformer = text.transformer
        self.token_embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.ln_final = text.ln_final
        self.text_projection = projection
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)
        self.logit_scale = nn.Parameter(torch.tensor(FIRST_LOGIT_SCALE))

    def encode_image(self, pixels: Tensor, normalize: bool = False) -> Tensor:
        """(B, 3, side, side) normalised pixels -> (B, embed_dim), of norm one if wanted."""
        return _rows(self.visual(pixels), normalize)

    def encode_text(self, tokens: Tensor, normalize: bool = False) -> Tensor:
        """(B, context) tokens -> (B, embed_dim), of norm one if wanted."""
        return _rows(self.features(tokens) @ self.text_projection, normalize)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layers = {
        "-1": nn.AvgPool2d(stride),
        "0": nn.Conv2d(inputs, outputs, 1, bias=False),
        "1": nn.BatchNorm2d(outputs),
    }
    return nn.Sequential(OrderedDict(layers))


def _stage(inputs: int, inside: int, blocks: int, stride: int) -> nn.Sequential:
    """Bottlenecks in a row, the first of which takes other channels and the stride."""
    rest = (Bottleneck(EXPANSION * inside, inside, 1) for _ in range(1, blocks))
    return nn.Sequential(Bottleneck(inputs, inside, stride), *rest)


def _rows(rows: Tensor, unit: bool) -> Tensor:
    return normalize(rows, dim=-1) if unit else rows


def _convolved(inputs: int, outputs: int, side: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    """A convolution that keeps the size of its input but for the stride, what normalises it, and a rectifier."""
    convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
