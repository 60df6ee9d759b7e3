"""How the tiny model was made: ``python -m hiergeo.adapters.tiny.recipe --out DIR`` trains it anew.

Images of `scenes` are aligned with captions drawn uniformly from the four tiers of each image, by the plain contrastive
loss of CLIP. The model is never told which tier a caption is of, that captions form chains, or what the contradicting
captions are; and the empty caption, which the radial framework takes for the root, never occurs. Equal captions of
different images within a batch are not masked: they are ordinary false negatives.
"""

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn.functional import pad

from hiergeo._progress import track
from hiergeo.adapters.tiny import CONFIG, MERGES, WEIGHTS
from hiergeo.adapters.tiny.contrastive import Schedule, train
from hiergeo.adapters.tiny.vocabulary import learn_merges, save_merges
from hiergeo.datasets import scenes
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.storage.files import atomic_write, atomic_write_text

if TYPE_CHECKING:
    from open_clip import CLIP

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 32, "layers": 2, "width": 128, "heads": 2},
}
"""A residual network and a transformer, but for the size of the vocabulary."""


def make(out: Path, *, images: int, steps: int, seed: int) -> None:
    """Learn a vocabulary, train a model and write its three files to the folder `out`.

    The same arguments give the same files on the same machine with the same number of threads and version of torch.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: `out` cannot be written.
    """
    from open_clip import CLIP, SimpleTokenizer

    data = scenes.load("train", count=images, seed=seed)
    save_merges(out / MERGES, learn_merges(caption for row in data.rows for caption in row.positive))
    config = copy.deepcopy(ARCHITECTURE)
    tokenizer = SimpleTokenizer(str(out / MERGES), context_length=config["text_cfg"]["context_length"])
    config["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    atomic_write_text(out / CONFIG, json.dumps(config, indent=2) + "\n")

    tokens = _without_padding(torch.stack([tokenizer(list(row.positive)) for row in data.rows]).int())
    pixels = cached_pixels(data.images, config["vision_cfg"]["image_size"])
    torch.manual_seed(seed)
    model = CLIP(**config | {"text_cfg": config["text_cfg"] | {"context_length": tokens.shape[-1]}})
    train(model, pixels, tokens, Schedule(steps), seed)
    _save_weights(out / WEIGHTS, model, config["text_cfg"]["context_length"])


def cached_pixels(images: tuple[ImageRef, ...], side: int) -> Tensor:
    """Images as uint8 (images, 3, side, side), resized as open_clip's default preprocessing resizes a square."""
    from PIL.Image import Resampling

    pictures = (
        image.open().resize((side, side), Resampling.BICUBIC) for image in track(images, "drawing", enabled=True)
    )
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2).contiguous()


def _without_padding(tokens: Tensor) -> Tensor:
    """The leading positions that some caption reaches; with causal attention the later ones change nothing but time."""
    return tokens[..., : int((tokens != 0).sum(-1).max())]


def _save_weights(path: Path, model: "CLIP", context_length: int) -> None:
    """Write the weights in float16, with zeros for the positions of a text beyond those trained."""
    from safetensors.torch import save

    state = model.state_dict()
    positions = state["positional_embedding"]
    state["positional_embedding"] = pad(positions, (0, 0, 0, context_length - len(positions)))
    with atomic_write(path) as handle:
        handle.write(save({k: (w.half() if w.is_floating_point() else w).contiguous() for k, w in state.items()}))


def main(
    out: Annotated[Path, typer.Option(help="Folder for the configuration, the merges and the weights.")],
    images: Annotated[int, typer.Option(help="Scenes to train on.")] = 30_000,
    steps: Annotated[int, typer.Option(help="Steps of training.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Of scenes, initial weights and draws.")] = 0,
) -> None:
    """Train the tiny model anew."""
    torch.use_deterministic_algorithms(True)
    make(out, images=images, steps=steps, seed=seed)


if __name__ == "__main__":
    typer.run(main)
