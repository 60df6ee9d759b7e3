"""Loading the bundled model, and what training made of it."""

from pathlib import Path
from typing import Any

import torch

from hiergeo._core.storage import tensors
from hiergeo._core.storage.files import sha256
from hiergeo.adapters import clip, hub, tiny, weights
from hiergeo.adapters.clip import OpenClipModel
from hiergeo.adapters.pixels import square
from hiergeo.adapters.tiny.network import CLIP, preprocessing


def load_tiny(*, device: torch.device) -> OpenClipModel:
    """The bundled model."""
    return _loaded("tiny", tiny.weights(), device)


def saved_tiny(name: str, folder: Path, device: torch.device) -> OpenClipModel | None:
    """The model of a folder in open_clip's layout; None unless its network, tokenizer and pictures are the bundled.

    Raises:
        InputError: its weights are damaged, or do not fit.
    """
    file, merges, described = folder / clip.WEIGHTS, folder / tiny.MERGES, folder / clip.CONFIG
    if not all(path.is_file() for path in (file, merges, described)):
        return None
    if not _describes_tiny(hub.foreign_json(described)) or sha256(merges) != sha256(tiny.FOLDER / tiny.MERGES):
        return None
    return _loaded(name, file, device)


def _describes_tiny(config: Any) -> bool:
    """Whether open_clip's file on a folder tells the bundled model, wherever its merges are."""
    known = tiny.config()
    try:
        place = config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["bpe_path"]
    except (KeyError, TypeError):
        return False
    known["text_cfg"]["tokenizer_kwargs"]["bpe_path"] = place
    pictures = preprocessing(known["vision_cfg"]["image_size"])
    listed = {key: list(held) if isinstance(held, tuple) else held for key, held in pictures.items()}
    return bool(config == {"model_cfg": known, "preprocess_cfg": listed})


def _loaded(name: str, file: Path, device: torch.device) -> OpenClipModel:
    config = tiny.config()
    with torch.random.fork_rng(devices=[]):  # a network on the device "meta" would import the compiler of torch
        network = CLIP(**config)
    expected = {weight: tuple(held.shape) for weight, held in network.state_dict().items()}
    tensors.check_fit(file, expected, tensors.shapes(file))
    state = tensors.read(file)
    weights.check_finite(file, state)
    network.load_state_dict(state)
    pictures = network.visual.preprocess_cfg
    transform = square(pictures["size"], pictures["mean"], pictures["std"], "crop")
    return OpenClipModel(name, network, device, tokenizer=tiny.tokenizer(), transform=transform, config=config)
