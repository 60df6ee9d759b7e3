"""What the tests of `train_clip` share: a short training of the bundled architecture on a few scenes."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from hiergeo.training import ClipTrained, train_clip

SHORT: dict[str, Any] = {"steps": 4, "batch": 8, "every": 2, "warmup": 1, "data": {"rows": 40, "held_out": 8}}


def trained(out: Path, *, overwrite: bool = False, **changes: Any) -> ClipTrained:
    """The tiny model after a short training, `SHORT` but for the changes."""
    return train_clip({"out": str(out), **SHORT, **changes}, overwrite=overwrite)


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "open_clip_model.safetensors")


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights, bit for bit, and the same factors."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(bool((a[name] == b[name]).all()) for name in a)
