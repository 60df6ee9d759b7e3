"""Results written into a tensor of the caller: values, dtypes, strides, and what does not fit."""

import math
from collections.abc import Callable

import pytest
import torch

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError
from tests.pairwise.operators_common import STORED, points


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", STORED)
def test_preallocated_results(name: str, dtype: torch.dtype) -> None:
    x, y = points(2, 5, seed=0), points(6, seed=1)
    expected = STORED[name](x, y, -0.3, out_dtype=dtype)
    assert expected.dtype == dtype
    whole = torch.full((2, 7, 9), math.nan, dtype=dtype)
    for out in (torch.empty(2, 5, 6, dtype=dtype), whole[:, 1:6, 2:8]):
        assert STORED[name](x, y, -0.3, out=out) is out
        assert torch.equal(out, expected)
    assert int(whole.isnan().sum()) == 2 * (7 * 9 - 5 * 6)


def test_a_preallocated_result_may_have_a_leading_dimension_of_one_of_any_stride() -> None:
    x, y = (Polar(torch.randn(2, 1, size, 4), torch.rand(2, 1, size)) for size in (3, 5))
    out = torch.empty(2, 2, 3, 5)[:, ::2]
    assert out.stride(1) != 15
    pairwise.distance(x, y, -1.0, out=out)
    torch.testing.assert_close(out, pairwise.distance(x, y, -1.0))


def test_a_preallocated_result_may_have_one_column_of_any_stride() -> None:
    x, y = points(5, seed=0), points(1, seed=1)
    out = torch.empty(1, 5, dtype=torch.float64).mT
    assert torch.equal(pairwise.distance(x, y, -0.3, out=out), pairwise.distance(x, y, -0.3))


def test_preallocated_results_compile() -> None:
    x, y = points(5, seed=0), points(6, seed=1)
    out = torch.empty(5, 6)
    store = torch.compile(lambda x, y, out: pairwise.distance(x, y, -0.3, out=out), fullgraph=True, backend="aot_eager")
    store(x, y, out)
    assert torch.equal(out, pairwise.distance(x, y, -0.3, out_dtype=torch.float32))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: {"out": torch.empty(5, 7)}, r"^out must have the shape \(5, 6\) of the result, not \(5, 7\)\.$"),
        (lambda: {"out": torch.empty(5, 6, dtype=torch.int64)}, r"^results are float64, .* not torch\.int64\.$"),
        (lambda: {"out": torch.empty(5, 6, device="meta")}, r"^out is on meta and x is on cpu: move one of them\.$"),
        (lambda: {"out": torch.empty(6, 5).mT}, r"^out must have contiguous rows that do not overlap, not .* \(1, 5\)"),
        (lambda: {"out": torch.empty(1, 6).expand(5, 6)}, r"^out must have contiguous rows that do not overlap"),
        (lambda: {"out": torch.empty(5, 6, requires_grad=True)}, r"^out carries no gradient: detach"),
        (lambda: {"out": torch.empty(5, 6), "out_dtype": torch.float32}, r"^give out or out_dtype, not both"),
        (
            lambda: {"out_dtype": torch.int32},
            r"^results are float64, float32, bfloat16 or float16, not torch\.int32\.$",
        ),
    ],
)
@pytest.mark.parametrize("name", STORED)
def test_preallocated_results_that_do_not_fit(name: str, make: Callable[[], dict[str, object]], said: str) -> None:
    x, y = points(5, seed=0), points(6, seed=1)
    with pytest.raises(InputError, match=said) as caught:
        STORED[name](x, y, -0.3, **make())
    assert str(caught.value).count(". ") == 0


def test_a_batch_out_of_step_is_refused() -> None:
    x, y = points(2, 3, 5, seed=0), points(6, seed=1)
    with pytest.raises(InputError, match="out must have contiguous rows"):
        pairwise.distance(x, y, -0.3, out=torch.empty(3, 2, 5, 6).transpose(0, 1))


def test_preallocated_results_carry_no_gradient() -> None:
    x, y = points(5, seed=0), points(6, seed=1)
    k, out = torch.tensor(-0.3, requires_grad=True), torch.empty(5, 6)
    learnt = Polar(x.direction, x.radius.requires_grad_())
    for arguments in ((learnt, y, -0.3), (x, learnt, -0.3), (Polar(*(field.detach() for field in x)), y, k)):
        with pytest.raises(InputError, match=r"^out .*gradient"):
            pairwise.cone_margin(*arguments, out=torch.empty(5, len(arguments[1].radius)))
    with torch.no_grad():
        pairwise.cone_margin(learnt, y, k, out=out)
    assert torch.equal(out, pairwise.cone_margin(learnt, y, k, out_dtype=torch.float32))
