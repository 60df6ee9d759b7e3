"""InfoNCE of pairs that are all but certain, in float32 against float64."""

from typing import Literal

import torch
from torch import Tensor

from hiergeo import Space
from hiergeo.losses import contrastive_loss

SPACES = (
    ("lorentz:-1", "distance"),
    ("euclidean", "distance"),
    ("sphere:0.1", "distance"),
    ("product:lorentz:-1x16,euclidean:x16", "distance"),
    ("euclidean", "cosine"),
)

By = Literal["distance", "cosine"]
Sides = Literal["both", "rows"]


def errors(spec: str, by: By, sides: Sides, target: float, count: int, device: str = "cpu") -> list[float]:
    """Relative errors of a loss of about `target`, and of its gradients by x, y and the temperature."""
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(count, 32, generator=generator).to(device) for _ in range(2))
    x, y = 0.3 * x, 0.3 * x + 0.02 * noise
    space = Space(spec, "none")

    def loss(dtype: torch.dtype, temperature: Tensor) -> tuple[Tensor, list[Tensor]]:
        a, b = x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()
        return contrastive_loss(space, a, b, temperature, by=by, sides=sides), [a, b, temperature]

    low, high = 1e-3, 10.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        exact, _ = loss(torch.float64, torch.tensor(middle, dtype=torch.float64, device=device))
        low, high = (low, middle) if exact > target else (middle, high)
    found = []
    for dtype in (torch.float64, torch.float32):
        temperature = torch.tensor(low, dtype=torch.float64, device=device, requires_grad=True)
        value, parts = loss(dtype, temperature)
        found.append([value.detach().double(), *(part.double() for part in torch.autograd.grad(value, parts))])
    return [float((a - b).norm() / a.norm()) for a, b in zip(*found, strict=True)]
