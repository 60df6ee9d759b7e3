"""What the tests of training share: chains that a head can learn to order, and a stored model beneath them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import adapters
from hiergeo._core.storage import archives
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.training import Chains, Recipe

ITEMS, TIERS, DIM = 60, 4, 12
FAST = Recipe(hidden=16, steps=40, batch=24, every=20, validation=0.2, learning_rate=0.02, patience=None)


def embeddings() -> tuple[Tensor, Tensor]:
    """Unit chains (2, ITEMS, TIERS, DIM), positive and negative, whose radii around the root (DIM,) tell no tier.

    The tier shows in one coordinate, to either side of that of the root alike.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, ITEMS, TIERS, DIM, generator=generator)
    noise[..., 0] = torch.linspace(-2, 2, TIERS)
    root = torch.randn(DIM, generator=generator)
    root[0] = 0
    return normalize(noise, dim=-1), normalize(root, dim=0)


def captions() -> list[str]:
    return [f"{side} {item} {tier}" for side in "pn" for item in range(ITEMS) for tier in range(TIERS)]


def chains() -> Chains:
    rows, root = embeddings()
    index = torch.arange(2 * ITEMS * TIERS).view(2, ITEMS, TIERS)
    return Chains(rows.flatten(0, 2), index[0], index[1], root, torch.arange(ITEMS) // 2, "made up")


def stored(path: Path) -> Model:
    """The embeddings of `chains` as a model, with one image an item at its most specific caption."""
    rows, root = embeddings()
    arrays = {"text": rows.flatten(0, 2), "root": root, "image": rows[0, :, -1]}
    named = {"caption": np.array(captions()), "image_id": np.arange(ITEMS)}
    archives.write(path, {name: array.numpy() for name, array in arrays.items()} | named)
    return adapters.load(f"npz:{path}")


def hierarchy() -> Hierarchy:
    """The positive chains of `chains`, each with an image."""
    words = captions()
    rows = tuple(Row(item, tuple(words[item * TIERS : (item + 1) * TIERS]), None, item) for item in range(ITEMS))
    return Hierarchy("made up", "test", rows, tuple(ImageRef(item, Image.Image) for item in range(ITEMS)))
