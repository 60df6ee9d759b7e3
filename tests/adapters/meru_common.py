"""Small checkpoints of the MERU family with random weights, and their forward pass in numpy, float64, from the paper.

The forward pass shares no code with the package: LayerNorm, attention, GELU and masks are written out.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

WIDTH, HEADS, LAYERS, PATCH, GRID = 64, 4, 2, 16, 2
TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS, CONTEXT = 32, 2, 2, 77
DIM, VOCABULARY = 16, 49408
SIDE = PATCH * GRID
OPTIONS = f"?heads={HEADS}&text_heads={TEXT_HEADS}"
CURV, VISUAL_ALPHA, TEXTUAL_ALPHA = math.log(0.37), -0.8, -0.4

Arrays = Mapping[str, np.ndarray]


def state(dim: int = DIM, seed: int = 0, width: int = WIDTH, **numbers: float) -> dict[str, torch.Tensor]:
    """The state dict of a MERU, or of another model of the family by its `numbers` (0-dim weights)."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int, scale: float = 0.2) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def norm(name: str, width: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + random(width), f"{name}.bias": random(width)}

    def linear(name: str, outputs: int, inputs: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": random(outputs, inputs), f"{name}.bias": random(outputs)}

    numbers = numbers or {
        "logit_scale": 2.0,
        "curv": CURV,
        "visual_alpha": VISUAL_ALPHA,
        "textual_alpha": TEXTUAL_ALPHA,
    }
    held = {name: torch.tensor(value) for name, value in numbers.items()}
    held["pixel_mean"] = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    held["pixel_std"] = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    held["visual.cls_token"] = random(1, 1, width)
    held["visual.pos_embed"] = random(1, GRID**2 + 1, width)
    held["visual.patch_embed.proj.weight"] = random(width, 3, PATCH, PATCH, scale=0.05)
    held["visual.patch_embed.proj.bias"] = random(width)
    for i in range(LAYERS):
        block = f"visual.blocks.{i}"
        held |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
        held |= linear(f"{block}.attn.qkv", 3 * width, width) | linear(f"{block}.attn.proj", width, width)
        held |= linear(f"{block}.mlp.fc1", 4 * width, width) | linear(f"{block}.mlp.fc2", width, 4 * width)
    held |= norm("visual.norm", width)
    held["textual.token_embed.weight"] = random(VOCABULARY, TEXT_WIDTH)
    held["textual.posit_embed"] = random(CONTEXT, TEXT_WIDTH)
    held["textual.attn_mask"] = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
    for i in range(TEXT_LAYERS):
        block = f"textual.resblocks.{i}"
        held |= norm(f"{block}.ln_1", TEXT_WIDTH) | norm(f"{block}.ln_2", TEXT_WIDTH)
        mixing = linear("in_proj", 3 * TEXT_WIDTH, TEXT_WIDTH)
        held |= {f"{block}.attn.{name.replace('.', '_')}": weight for name, weight in mixing.items()}
        held |= linear(f"{block}.attn.out_proj", TEXT_WIDTH, TEXT_WIDTH)
        held |= linear(f"{block}.mlp.c_fc", 4 * TEXT_WIDTH, TEXT_WIDTH)
        held |= linear(f"{block}.mlp.c_proj", TEXT_WIDTH, 4 * TEXT_WIDTH)
    held |= norm("textual.ln_final", TEXT_WIDTH)
    held["visual_proj.weight"] = random(dim, width)
    held["textual_proj.weight"] = random(dim, TEXT_WIDTH)
    return held


def write(path: Path, weights: Mapping[str, torch.Tensor], **beside: Any) -> Path:
    """A checkpoint as training scripts of the family write it."""
    torch.save({"model": dict(weights), "iteration": 120000, **beside}, path)
    return path


def arrays(weights: Mapping[str, torch.Tensor]) -> Arrays:
    return {name: weight.double().numpy() for name, weight in weights.items()}


def image_rows(held: Arrays, pixels: np.ndarray) -> np.ndarray:
    """Projected features (B, dim) of pixels (B, 3, side, side) in [0, 1]; the caller scales them."""
    x = image_tokens(held, (pixels - held["pixel_mean"]) / held["pixel_std"], HEADS)
    return layer_norm(held, "visual.norm", x)[:, 0] @ held["visual_proj.weight"].T


def image_tokens(held: Arrays, x: np.ndarray, heads: int, eps: float = 1e-5) -> np.ndarray:
    """Class token and patches (B, 1 + patches, width) behind the blocks, of normalised pixels (B, 3, side, side)."""
    batch, width = len(x), held["visual.cls_token"].shape[-1]
    x = x.reshape(batch, 3, GRID, PATCH, GRID, PATCH).transpose(0, 2, 4, 1, 3, 5).reshape(batch, GRID**2, -1)
    x = x @ held["visual.patch_embed.proj.weight"].reshape(width, -1).T + held["visual.patch_embed.proj.bias"]
    x = np.concatenate([np.repeat(held["visual.cls_token"], batch, 0), x], 1) + held["visual.pos_embed"]
    for i in range(LAYERS):
        block = f"visual.blocks.{i}"
        normed = layer_norm(held, f"{block}.norm1", x, eps)
        qkv = linear(held, f"{block}.attn.qkv", normed)
        x = x + linear(held, f"{block}.attn.proj", attention(qkv, heads, causal=False))
        normed = layer_norm(held, f"{block}.norm2", x, eps)
        x = x + linear(held, f"{block}.mlp.fc2", gelu(linear(held, f"{block}.mlp.fc1", normed)))
    return x


def text_rows(held: Arrays, tokens: np.ndarray, activation: Any = None, heads: int = TEXT_HEADS) -> np.ndarray:
    """Projected features (B, dim) of tokens (B, context), read at the largest id; the caller scales them."""
    activation = activation or gelu
    x = held["textual.token_embed.weight"][tokens] + held["textual.posit_embed"][: tokens.shape[1]]
    for i in range(TEXT_LAYERS):
        block = f"textual.resblocks.{i}"
        normed = layer_norm(held, f"{block}.ln_1", x)
        qkv = normed @ held[f"{block}.attn.in_proj_weight"].T + held[f"{block}.attn.in_proj_bias"]
        x = x + linear(held, f"{block}.attn.out_proj", attention(qkv, heads, causal=True))
        normed = layer_norm(held, f"{block}.ln_2", x)
        x = x + linear(held, f"{block}.mlp.c_proj", activation(linear(held, f"{block}.mlp.c_fc", normed)))
    x = layer_norm(held, "textual.ln_final", x)
    return x[np.arange(len(x)), tokens.argmax(1)] @ held["textual_proj.weight"].T


def linear(held: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    return x @ held[f"{name}.weight"].T + held[f"{name}.bias"]


def layer_norm(held: Arrays, name: str, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return centred / spread * held[f"{name}.weight"] + held[f"{name}.bias"]


def attention(qkv: np.ndarray, heads: int, *, causal: bool) -> np.ndarray:
    """Scaled dot products of (B, T, 3 width): queries, keys and values one after the other, heads contiguous."""
    batch, length, _ = qkv.shape
    q, k, v = qkv.reshape(batch, length, 3, heads, -1).transpose(2, 0, 3, 1, 4)
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.triu(np.ones((length, length), bool), 1), -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = weights / weights.sum(-1, keepdims=True) @ v
    return mixed.transpose(0, 2, 1, 3).reshape(batch, length, -1)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def quick_gelu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-1.702 * x))
