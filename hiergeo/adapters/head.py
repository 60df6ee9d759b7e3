"""Heads: a linear map with a residual perceptron beside it, on top of a frozen model, and their folders."""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, NamedTuple, final

import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, check_whole
from hiergeo._core.numerics import torch_defaults, unit
from hiergeo._core.plugins import quoting
from hiergeo._core.storage import documents, tensors
from hiergeo._core.storage.documents import Document, Json, Open, Sha256
from hiergeo._core.storage.files import atomic_write, path_of, refuse_existing, remove_leftovers, sha256
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.hub import HUB, snapshot
from hiergeo.adapters.model import Model, NetworkModel, probe_rows, unit_rows
from hiergeo.datasets.pictures import ImageLike
from hiergeo.geometry import Space
from hiergeo.geometry.spec import recorded


class HeadShape(NamedTuple):
    """The architecture of a head.

    Attributes:
        inputs: dimension of the frozen embeddings.
        outputs: dimension of the head's embeddings.
        hidden: width of the residual perceptron; 0 is a linear head.
        unit: whether outputs are normalised like the embeddings of any other model; otherwise their norms are free.
    """

    inputs: int
    outputs: int
    hidden: int = 0
    unit: bool = True

    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shapes of a head's weights, by name."""
        linear = {"linear.weight": (self.outputs, self.inputs), "linear.bias": (self.outputs,)}
        perceptron = {
            "residual.0.weight": (self.hidden, self.inputs),
            "residual.0.bias": (self.hidden,),
            "residual.2.weight": (self.outputs, self.hidden),
        }
        return linear | (perceptron if self.hidden else {})


@final
class Head(nn.Module):
    """f(e) = A e + b + W2 gelu(W1 e + c), then divided by its norm if `shape.unit`.

    It starts as the identity (A = 1, b = W2 = 0), or as a random orthonormal projection where dimensions differ: an
    untrained head of equal dimensions measures what the frozen model measures.

    Args:
        shape: dimensions and read-out.
        seed: of the initial weights; the global generator is left as it was.

    Raises:
        InputError: a dimension below 1 or a negative width.
    """

    @torch_defaults()
    def __init__(self, shape: HeadShape, seed: int = 0) -> None:
        super().__init__()
        if min(shape.inputs, shape.outputs) < 1 or shape.hidden < 0:
            raise InputError(
                f"a head needs dimensions of at least 1 and a hidden width of at least 0, not {tuple(shape)}."
            )
        self.shape = shape
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.linear = nn.Linear(shape.inputs, shape.outputs)
            nn.init.zeros_(self.linear.bias)
            if shape.inputs == shape.outputs:
                nn.init.eye_(self.linear.weight)
            else:
                nn.init.orthogonal_(self.linear.weight)
            self.residual: nn.Sequential | None = None
            if shape.hidden:
                last = nn.Linear(shape.hidden, shape.outputs, bias=False)
                nn.init.zeros_(last.weight)
                self.residual = nn.Sequential(nn.Linear(shape.inputs, shape.hidden), nn.GELU(), last)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.linear.weight.device

    def forward(self, embeddings: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        out = self.linear(embeddings)
        if self.residual is not None:
            out = out + self.residual(embeddings)
        return unit(out)[0] if self.shape.unit else out


@final
class HeadModel(Model):
    """A frozen model with a head behind it; texts, images and the root all pass through the head.

    In a space around that root the tangent vector of a caption is f(e) - f(e_root), so that the empty caption lies at
    the root whatever the head has learnt. The embeddings of a head that is not `unit` keep their norms.

    Args:
        model: the frozen model.
        head: the network.
        name: the spec that loads the two.
        trained_in: the spec of the geometry that the head was trained in, where that is known; it is the native space.
        learnt: what that geometry learnt beside its spec, `Geometry.learnt`.

    Raises:
        InputError: the head takes another dimension than the model gives.
    """

    def __init__(
        self,
        model: Model,
        head: Head,
        name: str | None = None,
        trained_in: str | None = None,
        learnt: Mapping[str, Any] | None = None,
    ) -> None:
        if model.dim != head.shape.inputs:
            raise InputError(
                f"the head takes embeddings of dimension {head.shape.inputs}, and {model.name} gives {model.dim}."
            )
        self.base = model
        self.head = head.eval()
        self.name = name or f"head@{model.name}"
        self.has_images = model.has_images
        self.preprocessing = f"{model.preprocessing}, then a head"
        self.normalised = head.shape.unit
        self.trained_in, self.learnt = trained_in, learnt

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the frozen model's fingerprint, the head's weights, and whether it normalises."""
        digest = hashlib.sha256(self.base.fingerprint().encode())
        for name, weight in self.head.state_dict().items():
            digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
        if not self.normalised:
            digest.update(b"free norms")
        return digest.hexdigest()[:16]

    def witness(self) -> Tensor | None:
        return None if self.base.witness() is None else probe_rows(self)

    def native_space(self) -> Space | None:
        """The geometry that the head was trained in, around its embedding of the empty caption; None if unknown."""
        return None if self.trained_in is None else Space(recorded(self.trained_in, self.learnt))

    def through(self, embeddings: Tensor) -> Tensor:
        """Embeddings (N, inputs) of the frozen model as this one gives them, (N, dim): see the function."""
        return through(self.head, embeddings, self.name)

    def check_texts(self, texts: Sequence[str]) -> None:
        self.base.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.base.check_images(images)

    def stores(self, images: Sequence[ImageLike]) -> int:
        return self.base.stores(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return _applied(self.head, self.base.encode_text(texts, batch_size=len(texts), device=self.head.device))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return _applied(self.head, self.base.encode_image(images, batch_size=len(images), device=self.head.device))


def through(head: Head, embeddings: Tensor, name: str) -> Tensor:
    """Embeddings (N, inputs) behind a head, (N, outputs), on their device: float32, of norm one if `shape.unit`.

    Raises:
        InputError: a row that is not finite, or is zero and has no norm to divide by; `name` says whose it is.
    """
    rows = _applied(head, embeddings).to(embeddings.device)
    return unit_rows(rows, f"the embeddings of {name}") if head.shape.unit else rows


@torch.no_grad()
def _applied(head: Head, embeddings: Tensor) -> Tensor:
    """Embeddings (N, inputs) behind a head without gradient, (N, outputs), on the device of the head's weights."""
    rows: Tensor = head(embeddings.to(head.linear.weight))
    return rows


NUMBER_BYTES = 8
"""Bytes of a number among the weights, at most."""

CONFIG, WEIGHTS, HISTORY = "config.json", "head-{}.safetensors", "history-{}.json"
"""The files of a head; the last two are named by the first digits of their hashes."""

Width = Annotated[int, Field(ge=0, le=limits.WIDTH)]


class _Shape(Document):
    inputs: Width
    outputs: Width
    hidden: Width
    unit: bool


class _HeadConfig(Open):
    """What the configuration must be before anything in it is used."""

    shape: _Shape
    weights: Annotated[str, Field(pattern=r"^head-[0-9a-f]{12}\.safetensors$")]
    weights_sha256: Sha256
    base: str | None = None
    base_fingerprint: str | None = None
    leakage: str | None = None
    geometry: str = ""
    law: dict[str, Json] | None = None
    history: Annotated[str, Field(pattern=r"^history-[0-9a-f]{12}\.json$")] = ""
    history_sha256: Sha256 = ""


_depth: ContextVar[int] = ContextVar("depth", default=0)
"""How many heads are being loaded, the model of each above the next."""


def write_head(
    folder: Path | str,
    head: Head,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] = (),
    *,
    overwrite: bool = False,
) -> Path:
    """Store a head and its description, whole or not at all; returns the folder.

    Args:
        folder: where.
        head: the network.
        config: JSON values by name. `load_head` reads ``base`` (the spec of the frozen model, or None),
            ``base_fingerprint`` and ``leakage``; ``shape``, ``weights``, ``history`` and the hashes are added here.
        history: JSON values by name for each look at the validation rows.
        overwrite: replace a head that is there.

    Raises:
        InputError: there is a head and it is not to be replaced, or the folder is of something else.
        UnavailableError: the folder cannot be written, or another process is writing it; what was there is kept.
    """
    folder = Path(folder)
    check_free(folder, overwrite)
    with locked(folder / CONFIG), _removed_if_it_fails(folder):
        remove_leftovers(folder)
        weights, digest = _published(folder, WEIGHTS, tensors.packed(head.state_dict()))
        looks, looks_digest = _published(folder, HISTORY, (json.dumps(list(history), indent=1) + "\n").encode())
        whole = {
            **config,
            "shape": head.shape._asdict(),
            "weights": weights.name,
            "weights_sha256": digest,
            "history": looks.name,
            "history_sha256": looks_digest,
        }
        documents.write(folder / CONFIG, whole)
        for old in _parts(folder) - {weights, looks}:
            old.unlink(missing_ok=True)
    return folder


def _parts(folder: Path) -> set[Path]:
    return {*folder.glob(WEIGHTS.format("*")), *folder.glob(HISTORY.format("*"))}


@contextmanager
def _removed_if_it_fails(folder: Path) -> Iterator[None]:
    """Remove the weights and the history that the block has added where it ends by an error."""
    before = _parts(folder)
    try:
        yield
    except HiergeoError:
        for new in _parts(folder) - before:
            new.unlink(missing_ok=True)
        raise


def _published(folder: Path, name: str, content: bytes) -> tuple[Path, str]:
    """Write a file named by its hash; returns its path and the hash."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / name.format(digest[:12])
    with atomic_write(path) as handle:
        handle.write(content)
    return path, digest


def check_free(folder: Path | str, overwrite: bool) -> None:
    """Raise InputError if the folder holds a head that must not be replaced, or something other than a head."""
    config = Path(folder) / CONFIG
    refuse_existing(config, overwrite)
    if config.exists():
        try:
            values = documents.read(config, dict[str, Json])
        except InputError:
            return
        if "weights" not in values:
            raise InputError(f"{folder} holds something else than a head: choose another folder.")


def read_head_config(folder: Path | str) -> dict[str, Any]:
    """The configuration of a stored head; its files are verified.

    Raises:
        InputError: there is no such folder, or its files are damaged, missing or do not fit each other.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} holds no head: there is no {CONFIG} to read.")
    config = documents.read(path, _HeadConfig, hashed=True).as_dict()
    numbers = sum(map(math.prod, HeadShape(**config["shape"]).weights().values()))
    most = {"weights": limits.TENSOR_HEADER_BYTES + NUMBER_BYTES * numbers, "history": limits.JSON_BYTES}
    for name in most.keys() & config.keys():
        file = path.parent / config[name]
        if not file.is_file() or file.stat().st_size > most[name] or sha256(file) != config.get(f"{name}_sha256"):
            raise InputError(f"{file} is missing or damaged: train the head again or restore the file.")
    return config


def load_head(rest: str, *, device: torch.device) -> HeadModel:
    """The head of ``FOLDER`` on the model its configuration names, or of ``FOLDER@SPEC`` on the model named there.

    In place of the folder ``hf-hub:ORG/NAME`` or ``hf-hub:ORG/NAME:REVISION`` is a repository of the Hugging Face hub.

    Raises:
        UnavailableError: a repository that cannot be had.
        InputError: no head there, damaged files, no model named anywhere, one of another dimension, or a model whose
            weights or stored embeddings are not the ones that the head was trained on (name it by ``@SPEC`` to use it).
    """
    from hiergeo.adapters.loading import load as load_model

    ends = [end for end in range(len(rest), 0, -1) if rest[end : end + 1] in ("", "@")]
    end = next((end for end in ends if os.path.isdir(os.path.expanduser(rest[:end]))), ends[-1])
    name, spec = rest[:end], rest[end + 1 :]
    folder = path_of(name)
    if name.startswith(HUB):
        repository, _, revision = name.removeprefix(HUB).partition(":")
        folder = snapshot(repository, f"the head {repository}", "head:FOLDER", revision or None)
    config = read_head_config(folder)
    if not (spec or config.get("base")):
        raise InputError(f"the head in {name} names no model to stand on: write head:{name}@SPEC.")
    token = _depth.set(_depth.get() + 1)
    try:
        if _depth.get() > limits.HEADS_STACKED:
            raise InputError(
                f"{name} is the {_depth.get()}th head on top of another, or names itself as the model to stand on: at "
                f"most {limits.HEADS_STACKED} can be stacked; write head:{name}@SPEC."
            )
        with nullcontext() if spec else quoting():
            base = load_model(spec or config["base"], device=device)
    finally:
        _depth.reset(token)
    weights, head = folder / config["weights"], Head(HeadShape(**config["shape"]))
    tensors.check_fit(weights, head.shape.weights(), tensors.shapes(weights))
    head.load_state_dict(tensors.read(weights))
    trained_on = None if spec else config.get("base_fingerprint")
    if trained_on and trained_on != base.fingerprint():
        raise InputError(
            f"{base.name} is not what the head in {name} was trained on (fingerprint {base.fingerprint()} instead of "
            f"{trained_on}): name the model to use, head:{name}@SPEC."
        )
    if config.get("leakage"):
        warnings.warn(f"the head in {name} was trained on test data: {config['leakage']}", stacklevel=2)
    return HeadModel(base, head.to(device), f"head:{rest}", config.get("geometry"), config.get("law"))


@torch_defaults()
def untrained(model: Model, seed: int) -> Model:
    """A copy of a model with the weights that its network starts training from, which what is learnt must beat.

    A head is untrained together with the model that it stands on: it starts as the identity where the dimensions allow.

    Args:
        model: a network of open_clip, transformers or sentence-transformers, one that brings its own space (which is
            kept), a ProLIP, or a head on one.
        seed: of the weights; the same seed gives the same copy.

    Raises:
        InputError: a model without a network (stored embeddings), or one that cannot be built without its weights.
    """
    check_whole("seed", seed, 0, limits.SEED)
    name = f"{model.name} untrained, seed {seed}"
    if isinstance(model, HeadModel):
        base = untrained(model.base, seed)
        return HeadModel(base, Head(model.head.shape, seed).to(model.head.linear.weight.device), name)
    if not isinstance(model, NetworkModel):
        raise InputError(f"{model.name} has no network of its own, so there is no untrained copy of it.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = model.rebuilt_network()
    copied = model.bare_copy()
    copied.name = name
    copied.network = network.to(device=model.device, dtype=torch.float32).eval().requires_grad_(False)
    return copied
