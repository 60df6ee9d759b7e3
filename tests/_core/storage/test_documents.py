"""Numbers of documents at the ends of their range, and which of several faults a refusal speaks of."""

from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Int64


@pytest.mark.parametrize("value", [-(1 << 63), 0, (1 << 63) - 1])
def test_numbers_of_64_bits_end_where_those_of_numpy_do(value: int) -> None:
    adapter = TypeAdapter(Int64)
    assert adapter.validate_python(value) == value
    if value:
        with pytest.raises(ValidationError):
            adapter.validate_python(value - 1 if value < 0 else value + 1)


@dataclass(frozen=True)
class Plan:
    """Two numbers."""

    __pydantic_config__ = STRICT

    steps: int
    width: int


@pytest.mark.parametrize(("unknown", "nearest"), [("widht", "width"), ("stepz", "steps")])
def test_of_several_faults_the_first_is_named_and_the_nearest_name_suggested(unknown: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"{unknown}.*'{nearest}'"):
        documents.validated(Plan, {"steps": 1, "width": 2, unknown: 3, "zzzzzz": "a"})
