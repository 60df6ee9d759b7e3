"""Devices and dtypes by name, and where models leave their embeddings."""

import pytest
import torch

from hiergeo import adapters
from hiergeo._core.devices import AUTO, resolve_device, resolve_dtype
from hiergeo._core.errors import InputError
from hiergeo.adapters.head import Head, HeadModel, HeadShape

PLACES = ["cpu", *([str(torch.accelerator.current_accelerator())] if torch.accelerator.is_available() else [])]
TEXTS = ["an owl", "an animal", ""]


@pytest.fixture(scope="module")
def tiny():
    return adapters.load("tiny", device="cpu")


def test_auto_is_the_accelerator_where_there_is_one(monkeypatch):
    expected = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert resolve_device(AUTO) == resolve_device(None) == expected
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device("cuda"))
    assert resolve_device(AUTO) == torch.device("cuda")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", torch.device("cuda:99")])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(InputError, match="cannot be used here"):
        resolve_device(device)


@pytest.mark.parametrize("dtype", ["float8", "int8", torch.int32, "float64"])
def test_dtypes_that_embeddings_do_not_have_are_refused(dtype):
    with pytest.raises(InputError, match="dtype"):
        resolve_dtype(dtype)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_embeddings_lie_where_they_are_wanted_and_in_the_dtype_that_is_wanted(tiny, place, dtype):
    rows = tiny.encode_text(TEXTS, device=place, dtype=dtype)
    assert rows.device.type == torch.device(place).type
    assert rows.dtype == resolve_dtype(dtype)
    assert torch.equal(rows.cpu(), tiny.encode_text(TEXTS).to(resolve_dtype(dtype)))
    root = tiny.root(place, dtype)
    assert (root.device, root.dtype) == (rows.device, rows.dtype)
    assert torch.allclose(root.float(), rows[2].float(), atol=1e-2 if dtype == "bfloat16" else 1e-3)


def test_a_head_computes_where_it_lies_and_leaves_the_result_beside_its_input(tiny):
    model = HeadModel(tiny, Head(HeadShape(tiny.dim, 8)))
    rows = tiny.encode_text(TEXTS, dtype="bfloat16")
    behind = model.through(rows)
    assert (behind.dtype, behind.shape) == (torch.float32, (3, 8))
    assert torch.allclose(behind, model.encode_text(TEXTS), atol=2e-2)
    assert model.encode_text(TEXTS, dtype=torch.bfloat16).dtype == torch.bfloat16
