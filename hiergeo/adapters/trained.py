"""Image-text models that hiergeo trained: two towers, a factor of each modality, and the space they learnt in.

An embedding is the projected feature times the factor of its modality: a tangent vector at the origin of the space. The
folder is one of open_clip or of transformers besides, which know the towers alone.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json, Open, Sha256
from hiergeo._core.storage.files import path_of, retire, sha256, sync_files, temporary, writing
from hiergeo.adapters import huggingface
from hiergeo.adapters.hub import HUB, snapshot
from hiergeo.adapters.huggingface import HuggingFaceClip, load_huggingface
from hiergeo.adapters.model import ClipModel
from hiergeo.adapters.open_clip import FOLDER, WEIGHTS, OpenClipModel, load_folder
from hiergeo.geometry import Space
from hiergeo.geometry.spec import recorded

DESCRIPTION = "hiergeo.json"
"""The file that makes a folder of open_clip a trained model; it is written last."""

COSINE = "cosine"
"""The space of models whose unit rows are compared by their cosine."""

Trainable: TypeAlias = OpenClipModel | HuggingFaceClip
"""Models whose towers are trained."""

Factor = Annotated[float, Field(gt=0, le=1e4)]


class _Description(Open):
    """What the description must be before anything in it is used."""

    space: str
    law: dict[str, Json] | None = None
    min_radius: Annotated[float, Field(gt=0)]
    dim: Annotated[int, Field(gt=0, le=limits.WIDTH)]
    factors: tuple[Factor, Factor]
    weights: Literal["open_clip_model.safetensors", "model.safetensors"] = "open_clip_model.safetensors"
    weights_sha256: Sha256
    files: list[str] | None = None


class LiftedClip(nn.Module):
    """Two towers, of open_clip or a `DualEncoder`, and the logarithms (2,) of the factors of images and of texts."""

    def __init__(self, towers: nn.Module, log_factors: Tensor) -> None:
        super().__init__()
        self.towers: Any = towers
        self.log_factors = nn.Parameter(log_factors.clone())

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, side, side) normalised pixels -> tangent vectors (B, D), float32."""
        rows: Tensor = self.towers.encode_image(pixels).float() * self.log_factors[0].exp()
        return rows

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, ...) tokens, also `unpadded` ones -> tangent vectors (B, D), float32."""
        length, mask = tokens.shape[-1], getattr(self.towers, "attn_mask", None)
        cut = {}
        if mask is not None and length < len(mask):
            position = self.towers.positional_embedding
            cut = {"towers.attn_mask": mask[:length, :length], "towers.positional_embedding": position[:length]}
        rows: Tensor = torch.func.functional_call(self, cut, (tokens,))
        return rows.float() * self.log_factors[1].exp()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, ...) tokens -> features of texts (B, D)."""
        rows: Tensor = self.towers.encode_text(tokens)
        return rows

    def unpadded(self, tokens: Tensor) -> Tensor:
        """Tokens without what lies behind the end, the largest token, of all texts, if the tower never looks there.

        That is so of open_clip's CLIP, which reads from left to right.
        """
        causal = getattr(self.towers, "attn_mask", None) is not None
        if not causal or getattr(self.towers, "text_pool_type", None) != "argmax":
            return tokens
        return tokens[:, : int(tokens.argmax(dim=1).max()) + 1]


class TrainedModel(ClipModel):
    """A model of `hiergeo.training.train_clip`, around the origin of the space that it was trained in.

    `space` is None for cosines, whose rows have norm one.
    """

    def __init__(self, name: str, base: Trainable, log_factors: Tensor, space: Space | None) -> None:
        network = LiftedClip(base.network, log_factors)
        prepared: dict[str, Any] = {"tokenizer": base.tokenizer, "transform": base.transform}
        settings = "" if space is None else space.geometry.spec
        super().__init__(name, network, base.device, preprocessing=base.preprocessing, settings=settings, **prepared)
        self.normalised = space is None
        self._base, self._space = base, space

    def rebuilt_network(self) -> nn.Module:
        return LiftedClip(self._base.rebuilt_network(), self.network.log_factors.detach())

    def native_space(self) -> Space | None:
        """The space of the training with its learnt curvature, around the origin; None for cosines."""
        return self._space


def native_space(space: str, min_radius: float, dim: int, law: Mapping[str, Any] | None = None) -> Space | None:
    """The space that a description names, around a root of zeros; None for cosines. Raises InputError as `recorded`."""
    return None if space == COSINE else Space(recorded(space, law).fixed(), torch.zeros(dim), min_radius=min_radius)


def write_trained(folder: Path, model: Trainable, network: LiftedClip, described: Mapping[str, Any]) -> None:
    """Write a trained model into a folder; it is one once `DESCRIPTION` is there, the last file that is written.

    Args:
        folder: without a description.
        model: what the towers were made of.
        network: the trained one.
        described: JSON values; ``space`` (a spec, or `COSINE`), ``min_radius`` and ``dim`` are read by `load_trained`.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    with writing(folder):
        scratch = temporary(folder / "model")
        scratch.mkdir()
        try:
            model.save(scratch, folder, network.towers)
            sync_files(scratch)
            files = sorted(path.name for path in scratch.iterdir())
            for name in files:
                (scratch / name).replace(folder / name)
        finally:
            retire(scratch)
    weights = WEIGHTS if WEIGHTS in files else huggingface.WEIGHTS
    own = {"factors": network.log_factors.detach().exp().tolist(), "files": files, "weights": weights}
    documents.write(folder / DESCRIPTION, {**described, **own, "weights_sha256": sha256(folder / weights)})


def read_description(folder: Path) -> dict[str, Any]:
    """The description of a trained model, whose weights are verified.

    Raises:
        InputError: there is none, or it is damaged or does not fit the weights.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder} holds no model that was trained here: there is no {DESCRIPTION} in it.")
    described = documents.read(path, _Description, hashed=True)
    weights = folder / described.weights
    if not weights.is_file() or sha256(weights) != described.weights_sha256:
        raise InputError(f"{weights} is missing or damaged: restore the file or train again.")
    return described.as_dict()


def load_trained(rest: str, *, device: torch.device) -> TrainedModel:
    """The model in the folder that ``hiergeo train clip`` wrote, or in a repository ``hf-hub:ORG/NAME`` of such files.

    Raises:
        InputError: there is no such model, or its files are damaged.
        UnavailableError: the repository cannot be had.
    """
    repository = rest.removeprefix(HUB)
    folder = path_of(rest) if repository == rest else snapshot(repository, f"the model {repository}", "trained:DIR")
    described = read_description(folder)
    space = native_space(described["space"], described["min_radius"], described["dim"], described.get("law"))
    base: Trainable
    if described.get("weights") == huggingface.WEIGHTS:
        base = HuggingFaceClip(load_huggingface(str(folder.resolve()), device=device))
    else:
        base = load_folder(f"{FOLDER}{folder.resolve()}", device=device)
    log_factors = torch.tensor([math.log(factor) for factor in described["factors"]])
    return TrainedModel(f"trained:{rest}", base, log_factors, space)
