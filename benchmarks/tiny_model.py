"""How the bundled model was made: ``python -m benchmarks.tiny_model --out DIR`` trains it anew.

Images of `scenes` are aligned with captions drawn uniformly from the four tiers of each image, by the plain contrastive
loss of CLIP. The model is never told which tier a caption is of, that captions form chains, or what the contradicting
captions are; and the empty caption, which the radial framework takes for the root, never occurs. Equal captions of
different images within a batch are not masked: they are ordinary false negatives.
"""

import copy
import gzip
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Any

import numpy as np
import torch
import typer
from open_clip import CLIP, SimpleTokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from hiergeo._core import extras
from hiergeo._core.progress import track
from hiergeo._core.storage import tensors
from hiergeo._core.storage.files import atomic_write, atomic_write_text
from hiergeo.adapters.native import STATISTICS
from hiergeo.adapters.tiny import CONFIG, MERGES, WEIGHTS
from hiergeo.datasets import scenes
from hiergeo.datasets.hierarchy import ImageRef

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 32, "layers": 2, "width": 128, "heads": 2},
}
"""A residual network and a transformer, but for the size of the vocabulary."""

LARGEST_LOGIT_SCALE = math.log(100.0)


def make(out: Path, *, images: int, steps: int, seed: int) -> None:
    """Learn a vocabulary, train a model and write its three files to the folder `out`.

    The same arguments give the same files on the same machine with the same number of threads and version of torch.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: `out` cannot be written.
    """
    data = scenes.load("train", count=images, seed=seed)
    save_merges(out / MERGES, learn_merges(caption.lower() for row in data.rows for caption in row.positive))
    config = copy.deepcopy(ARCHITECTURE)
    tokenizer = SimpleTokenizer(str(out / MERGES), context_length=config["text_cfg"]["context_length"])
    config["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    atomic_write_text(out / CONFIG, json.dumps(config, indent=2) + "\n")

    tokens = _without_padding(torch.stack([tokenizer(list(row.positive)) for row in data.rows]).int())
    pixels = cached_pixels(data.images, config["vision_cfg"]["image_size"])
    torch.manual_seed(seed)
    model = CLIP(**config | {"text_cfg": config["text_cfg"] | {"context_length": tokens.shape[-1]}})
    model.to(memory_format=torch.channels_last)
    train(model, pixels, tokens, Schedule(steps), seed)
    _save_weights(out / WEIGHTS, model, config["text_cfg"]["context_length"])


def cached_pixels(images: tuple[ImageRef, ...], side: int) -> Tensor:
    """Images as uint8 (images, 3, side, side), resized as the model's own preprocessing resizes a square."""
    from PIL.Image import Resampling

    pictures = (
        image.open().resize((side, side), Resampling.BICUBIC) for image in track(images, "drawing", enabled=True)
    )
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)


def _without_padding(tokens: Tensor) -> Tensor:
    """The leading positions that some caption reaches; with causal attention the later ones change nothing but time."""
    return tokens[..., : int((tokens != 0).sum(-1).max())]


def _save_weights(path: Path, model: CLIP, context_length: int) -> None:
    """Write the weights in float16, with zeros for the positions of a text beyond those trained."""
    state = model.state_dict()
    positions = state["positional_embedding"]
    state["positional_embedding"] = pad(positions, (0, 0, 0, context_length - len(positions)))
    with atomic_write(path) as handle:
        handle.write(
            tensors.packed({k: w.half().contiguous() if w.is_floating_point() else w for k, w in state.items()})
        )


@dataclass(frozen=True)
class Schedule:
    """Steps of AdamW on batches of pairs; the learning rate rises linearly, then falls to 0 along half a cosine."""

    steps: int
    batch: int = 256
    peak_rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 0.05

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = (step + 1) / self.warm_up
        fall = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.peak_rate * min(rise, fall)


def train(model: CLIP, pixels: Tensor, tokens: Tensor, schedule: Schedule, seed: int) -> None:
    """Train a model in place with the loss of CLIP.

    Args:
        pixels: uint8 of shape (images, 3, side, side), not normalised.
        tokens: int32 of shape (images, captions of each, context length).
        schedule: how long and how fast.
        seed: of the draws of images and captions.
    """
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(_groups(model, schedule.weight_decay), betas=(0.9, 0.98))
    model.train()
    for step in track(range(schedule.steps), "training", enabled=True):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        chosen = torch.randint(len(pixels), (schedule.batch,), generator=random)
        caption = torch.randint(tokens.shape[1], (schedule.batch,), generator=random)
        distinct, text_of = torch.unique(tokens[chosen, caption], dim=0, return_inverse=True)
        images = model.encode_image(normalised(pixels[chosen]), normalize=True)
        texts = model.encode_text(distinct, normalize=True).index_select(0, text_of)
        optimizer.zero_grad()
        contrast(images, texts, model.logit_scale.exp()).backward()
        optimizer.step()
        model.logit_scale.data.clamp_(max=LARGEST_LOGIT_SCALE)
    model.eval()


def contrast(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss: the mean cross-entropy of finding each image's text (B, D) among all, and each text's image."""
    scores = scale * images @ texts.T
    own = torch.arange(len(scores))
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def normalised(pixels: Tensor) -> Tensor:
    """Pixels (..., 3, side, side) in 0..255 as the model takes them."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in STATISTICS["clip"])
    return (pixels.float() / 255 - mean) / std


def _groups(model: CLIP, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels; none for biases, gains and the temperature."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


MERGE_COUNT = 2000  # more merges than the words of `scenes` can use; training stops when every word is one token


def learn_merges(captions: Iterable[str]) -> list[str]:
    """Byte-pair merges, most frequent first, each as ``left right``; the last piece of a word ends in ``</w>``."""
    tokenizers = extras.require("tokenizers", "a new vocabulary")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=2 * 26 + MERGE_COUNT,
        end_of_word_suffix="</w>",
        special_tokens=[f"{letter}</w>" for letter in ascii_lowercase],  # else numbered by chance, which decides ties
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def save_merges(path: Path, merges: list[str]) -> None:
    """Write merges in the form that the tokenizers of CLIP read: gzip, one header line, no newline at the end."""
    text = "\n".join(["#version: 0.2", *merges])
    with atomic_write(path) as handle:
        handle.write(gzip.compress(text.encode("utf-8"), mtime=0))


def main(
    out: Annotated[Path, typer.Option(help="Folder for the configuration, the merges and the weights.")],
    images: Annotated[int, typer.Option(help="Scenes to train on.")] = 30_000,
    steps: Annotated[int, typer.Option(help="Steps of training.")] = 3_000,
    seed: Annotated[int, typer.Option(help="Of scenes, initial weights and draws.")] = 0,
) -> None:
    """Train the tiny model anew."""
    torch.use_deterministic_algorithms(True)
    make(out, images=images, steps=steps, seed=seed)


if __name__ == "__main__":
    typer.run(main)
