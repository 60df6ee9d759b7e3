"""The kernels of Triton on its interpreter, run by `test_triton.py` in a process of its own.

It calculates in float32 as numpy does, every operation rounded once. `approximate` adds the largest errors that PTX
states of what a GPU approximates, and what a multiplication that is not rounded before an addition may change. No test
here has run on a GPU.
"""

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs where TRITON_INTERPRET=1 is set before Triton is imported", allow_module_level=True)

from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from hiergeo import Polar
from hiergeo._core import numerics
from hiergeo.pairwise import portable
from hiergeo.pairwise.fused import TRIAL
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES, unchecked_aperture
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.smoke import Sample, compared
from hiergeo.testing import oracle
from hiergeo.testing.assertions import assert_bars
from tests.pairwise.test_portable import batched, hard, stored
from tests.tools.blocks import bar_block, block_radii, on_a_line

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, for what is masked or NaN

CPU = torch.device("cpu")
CURVATURES = (-4.0, -1.0, -0.25, 0.0, 0.25)
SIDE = 250


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CPU that Python does not wait for, with chunks of few rows."""
    monkeypatch.setattr(portable, "LARGE_CHUNK", 20_000)
    numerics.WAITED_FOR.discard("cpu")
    yield
    numerics.WAITED_FOR.add("cpu")


ULP = 2.0**-23
TINY = np.finfo(np.float32).tiny


@pytest.fixture(params=["exact", "approximate"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the interpreter computes; "approximate" is off by errors of either sign, drawn anew for every result."""
    generator = np.random.default_rng(0)

    def off(values: Any, relative: Any, absolute: Any = 0.0) -> Any:
        sign = generator.uniform(-1, 1, values.shape)
        return (values.astype(np.float64) * (1 + sign * relative) + sign * absolute).astype(np.float32)

    def flushed(x: Any) -> Any:
        return np.where(np.abs(x) < TINY, 0, x)

    def logarithm(x: Any) -> Any:  # lg2.approx: 2^-22, absolute between 0.5 and 2, relative elsewhere
        close, log2 = (x > 0.5) & (x < 2), np.log2(x)
        return off(log2, np.where(close, 0, 2 * ULP), np.where(close, 2 * ULP, 0)) * np.float32(math.log(2))

    def exponential(x: Any) -> Any:  # ex2.approx of a rounded product: 2 ulp and half an ulp of the exponent
        return off(np.exp(x), 2 * ULP + np.abs(x) * ULP / 2)

    unary = {
        "create_sqrt": lambda x: off(np.sqrt(flushed(x)), 2 * ULP),
        "create_rsqrt": lambda x: off(1 / np.sqrt(flushed(x)), 2 * ULP),
        "create_log": logarithm,
        "create_exp": exponential,
    }
    binary = {
        "create_fdiv": lambda x, y: off(np.divide(x, y), 2 * ULP),
        "create_fmul": lambda x, y: off(np.multiply(x, y), ULP / 2),
    }
    if request.param == "approximate":
        for name, function in unary.items():
            monkeypatch.setattr(InterpreterBuilder, name, lambda self, x, f=function: self.unary_op(x, f))
        for name, of_two in binary.items():
            monkeypatch.setattr(InterpreterBuilder, name, lambda self, x, y, f=of_two: self.binary_op(x, y, f))
    return str(request.param)


@pytest.mark.parametrize("dim", [48, 512])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_values_keep_the_contract(curvature: float, dim: int, arithmetic: str) -> None:
    assert SIDE * SIDE >= 60_000
    generator = torch.Generator().manual_seed(dim)
    drawn = bar_block(curvature, dim, SIDE, generator)
    for x, y in (drawn, on_a_line(*block_radii(curvature, SIDE, generator), dim, generator)):
        quantities = ("exterior_angle", "cone_margin", "distance")
        angle, margin, distance = (stored(TRIAL, batched(x), batched(y), curvature, q)[0] for q in quantities)
        true = oracle.every_pair(oracle.exterior_angle, x, y, curvature)
        psi = oracle.half_aperture(x.radius, curvature)[:, None]
        length = oracle.every_pair(oracle.distance, x, y, curvature)
        off = [(angle - true).abs(), (margin - (psi - true)).abs(), ((distance - length).abs() / length).nan_to_num()]
        print(
            [
                f"{float(e.double().flatten().kthvalue(int(0.999 * e.numel())).values):.1e} {float(e.max()):.1e}"
                for e in off
            ],
            curvature,
            dim,
            arithmetic,
        )
        assert_bars(angle, margin, distance, (true, psi - true, length))
