"""How the native kernels multiply rows on a device: asked at every call, so that changed settings count at once."""

import os
import platform
from enum import IntEnum
from typing import final

import torch

from hiergeo.errors import InputError


@final
class Product(IntEnum):
    """Who multiplies, by the numbers that the kernels know.

    Attributes:
        OWN: the kernels, in full precision.
        TORCH: torch's matrix product, tile by tile, on the CPU.
        TF32: tensor cores, which round float32 rows to 10 bits, on CUDA.
    """

    OWN = 0
    TORCH = 1
    TF32 = 2


SETTING = "HIERGEO_PRODUCT"
"""Overrides who multiplies on the CPU: ``own`` or ``torch``."""

NARROW = ("x86_64", "AMD64")
"""Machines whose baseline vectors are narrower than those of torch's matrix product."""


def product_on(device_type: str, simd: str) -> Product:
    """Who multiplies for kernels on a type of device, at a SIMD level of the CPU.

    On CUDA, TF32 where torch's own products may use it (``torch.backends.cuda.matmul.allow_tf32``). On the CPU, torch
    at the baseline of x86-64, but never where it was told to multiply float32 in a lower precision.

    Raises:
        InputError: HIERGEO_PRODUCT holds an unknown word.
    """
    if device_type == "cuda":
        return Product.TF32 if torch.backends.cuda.matmul.fp32_precision == "tf32" else Product.OWN
    word = os.environ.get(SETTING) or ("torch" if simd == "baseline" and platform.machine() in NARROW else "own")
    if word not in ("own", "torch"):
        raise InputError(f"{SETTING} must be own or torch, not '{word}'.")
    full = torch.backends.mkldnn.matmul.fp32_precision in ("none", "ieee")  # type: ignore[attr-defined]
    return Product.TORCH if word == "torch" and full else Product.OWN
