"""Heads: a linear map with a residual perceptron beside it, on top of a frozen model."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults, unit
from hiergeo.adapters.fingerprints import probe_rows
from hiergeo.adapters.model import Model, unit_rows
from hiergeo.datasets.pictures import ImageLike
from hiergeo.geometry import Space


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

    Raises:
        InputError: the head takes another dimension than the model gives.
    """

    def __init__(self, model: Model, head: Head, name: str | None = None, trained_in: str | None = None) -> None:
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
        self.trained_in = trained_in

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the frozen model's fingerprint, the head's weights, and whether it normalises."""
        digest = sha256(self.base.fingerprint().encode())
        for name, weight in self.head.state_dict().items():
            digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
        if not self.normalised:
            digest.update(b"free norms")
        return digest.hexdigest()[:16]

    def witness(self) -> Tensor | None:
        return None if self.base.witness() is None else probe_rows(self)

    def native_space(self) -> Space | None:
        """The geometry that the head was trained in, around its embedding of the empty caption; None if unknown."""
        return None if self.trained_in is None else Space(self.trained_in)

    def through(self, embeddings: Tensor) -> Tensor:
        """Embeddings (N, inputs) of the frozen model as this one gives them, (N, dim): see the function."""
        return through(self.head, embeddings, self.name)

    def check_texts(self, texts: Sequence[str]) -> None:
        self.base.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.base.check_images(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return _applied(self.head, self.base.encode_text(texts, batch_size=len(texts), device=self.head.device))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return _applied(self.head, self.base.encode_image(images, batch_size=len(images), device=self.head.device))


def through(head: Head, embeddings: Tensor, name: str) -> Tensor:
    """Embeddings (N, inputs) behind a head, (N, outputs): float32, of norm one if `shape.unit`.

    The head computes where its weights are; the result is left on the device of the embeddings.

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
