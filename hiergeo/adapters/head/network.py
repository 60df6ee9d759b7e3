"""The network of a head: a linear map, with a residual perceptron beside it, read out on the unit sphere or freely."""

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from hiergeo._numerics import torch_defaults, unit
from hiergeo.errors import InputError


class HeadShape(NamedTuple):
    """What a head is made of.

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
    """f(e) = A e + b + W2 gelu(W1 e + c), then divided by its norm where the shape says so.

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
            torch.manual_seed(seed)
            self.linear = nn.Linear(shape.inputs, shape.outputs)
            nn.init.zeros_(self.linear.bias)
            if shape.inputs == shape.outputs:
                nn.init.eye_(self.linear.weight)
            else:
                nn.init.orthogonal_(self.linear.weight)
            self.residual = _perceptron(shape) if shape.hidden else None

    def forward(self, embeddings: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        out = self.linear(embeddings)
        if self.residual is not None:
            out = out + self.residual(embeddings)
        return unit(out)[0] if self.shape.unit else out


def _perceptron(shape: HeadShape) -> nn.Sequential:
    last = nn.Linear(shape.hidden, shape.outputs, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(shape.inputs, shape.hidden), nn.GELU(), last)
