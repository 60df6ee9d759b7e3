"""Settings that choose how pairs are computed: environment variables, and `backend` for the code inside a `with`.

The environment is read once, when the first pairs are computed. `HIERGEO_SIMD` and `HIERGEO_SCREEN` are also read by
the CPU kernels themselves, at every call.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, cast, final, get_args

import torch

from hiergeo._core.errors import InputError

NATIVE, SIMD, SCREEN, PRODUCT = "HIERGEO_NATIVE", "HIERGEO_SIMD", "HIERGEO_SCREEN", "HIERGEO_PRODUCT"

Simd = Literal["baseline", "avx2", "avx512"]
SIMD_LEVELS: tuple[Simd, ...] = get_args(Simd)

WORDS = {
    NATIVE: ("0", "1"),
    SIMD: SIMD_LEVELS,
    SCREEN: ("amx", "int8", "bfloat16", "float32"),
    PRODUCT: ("own", "torch"),
}
"""What each variable may hold; unset or empty leaves the choice to hiergeo."""

LIBRARY = Path(os.environ.get("HIERGEO_KERNELS") or Path(__file__).parents[1] / "_kernels.abi3.so")
"""The library of kernels; HIERGEO_KERNELS names another one, such as one built for a debugger."""

NARROW = ("x86_64", "AMD64")
"""Machines whose baseline vectors are narrower than those of torch's matrix product."""


@final
class TileProduct(IntEnum):
    """Which implementation computes the products of tiles; the values match the enum of the kernels.

    Attributes:
        OWN: the kernels, in full precision.
        TORCH: torch's matrix product, tile by tile, on the CPU.
        TF32: tensor cores, which round float32 rows to 10 bits, on CUDA.
    """

    OWN = 0
    TORCH = 1
    TF32 = 2


@final
class Settings:
    """The settings in force, and what was looked up under them.

    Attributes:
        words: the value of every variable in `WORDS`, None where it is unset or empty.
        backends: by device, where nothing else can change which one serves it.
        products: tile products by type of device, likewise.
    """

    def __init__(self, words: dict[str, str | None]) -> None:
        self.words = words
        self.backends: dict[torch.device, Any] = {}
        self.products: dict[str, TileProduct] = {}


CURRENT: Settings | None = None
"""The settings in force; None until they are needed."""


def current() -> Settings:
    """The settings in force: the environment as it was when they were first needed, or those of `backend`.

    Raises:
        InputError: an unknown word.
    """
    global CURRENT
    if CURRENT is None:
        CURRENT = Settings({name: _allowed(name, os.environ.get(name)) for name in WORDS})
    return CURRENT


def word(name: str) -> str | None:
    """The value of one of the variables in `WORDS`."""
    return current().words[name]


def _allowed(name: str, value: str | None) -> str | None:
    if value and value not in WORDS[name]:
        *others, last = WORDS[name]
        raise InputError(f"{name} must be {', '.join(others)} or {last}, not '{value}'.")
    return value or None


def is_library_named() -> bool:
    """Whether HIERGEO_KERNELS names the library of kernels."""
    return bool(os.environ.get("HIERGEO_KERNELS"))


@contextmanager
def backend(
    *,
    native: bool | None = None,
    simd: Simd | None = None,
    screen: Literal["int8", "bfloat16", "float32"] | None = None,
    product: Literal["own", "torch"] | None = None,
) -> Iterator[None]:
    """Choose how pairs are computed inside a `with` block, for the whole process.

    It sets the environment variables of the same meaning and restores them at the end; what is None stays as it is.

    Args:
        native: False for plain PyTorch, without Triton; True for native kernels, or an error where there are none.
        simd: the level that CPU kernels run at.
        screen: the precision in which CPU searches tell which pairs need an exact score; results do not depend on it.
        product: whether the CPU kernels multiply tiles themselves or torch does.

    Raises:
        InputError: an unknown word.
    """
    chosen = {NATIVE: None if native is None else "01"[native], SIMD: simd, SCREEN: screen, PRODUCT: product}
    global CURRENT
    before = {name: os.environ.get(name) for name, value in chosen.items() if value is not None}
    outside = CURRENT
    try:
        for name in before:
            os.environ[name] = str(chosen[name])
        CURRENT = None
        current()
        yield
    finally:
        CURRENT = outside
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def tile_product(device_type: str, simd: str) -> TileProduct:
    """Which implementation computes the products of tiles on a type of device, at a SIMD level of the CPU.

    On CUDA, TF32 where torch's own products may use it (``torch.backends.cuda.matmul.fp32_precision``). On the CPU,
    torch at the baseline of x86-64, but never where it was told to multiply float32 in a lower precision.

    Raises:
        InputError: HIERGEO_PRODUCT holds an unknown word.
    """
    if device_type == "cuda":
        tf32 = torch.backends.cuda.matmul.fp32_precision == "tf32"
        return TileProduct.TF32 if tf32 else TileProduct.OWN
    chosen = word(PRODUCT) or ("torch" if simd == "baseline" and platform.machine() in NARROW else "own")
    if chosen == "own":
        return TileProduct.OWN
    full = cast(Any, torch.backends.mkldnn).matmul.fp32_precision in ("none", "ieee")
    return TileProduct.TORCH if full else TileProduct.OWN
