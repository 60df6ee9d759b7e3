"""Errors that name what is unknown suggest what may have been meant; those of pydantic are one sentence."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hiergeo._core.errors import field, quoted, sentence, unknown_name


def test_the_nearest_name_is_suggested_whatever_its_case():
    assert "did you mean 'ViT-L-14'?" in str(unknown_name("architecture", "vit-l-14", ["ViT-g-14", "ViT-L-14", "RN50"]))


def test_a_long_list_is_cut_and_counted():
    message = str(unknown_name("thing", "#", [f"name{i:03}" for i in range(40)]))
    assert "name011 and 28 more" in message
    assert "name012" not in message


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    size: int = 1


class Plan(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str
    k: Annotated[int, Field(ge=1, le=9)] = 1
    by: Literal["margin", "angle"] = "margin"
    parts: list[Inner] = []
    numbers: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=2)] = []
    even: int = 0
    table: dict[str, int] = {}

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        if value > 10:
            raise ValueError("nobody needs so many")
        return value


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "name is missing."),
        ({"name": "a", "k": 0}, "k must be greater than or equal to 1, not 0."),
        ({"name": "a", "by": "size"}, "by must be 'margin' or 'angle', not 'size'."),
        ({"name": "a", "parts": [{"size": 1}, {"size": "x"}]}, "parts[1].size must be a valid integer, not 'x'."),
        ({"name": "a", "parts": [3]}, "parts[0] must be an object, not 3."),
        ({"name": "a", "parts": [{"sise": 1}]}, "parts[0].sise is not a known name."),
        ({"name": "a", "numbers": [float("nan")]}, "numbers[0] must be a finite number, not nan."),
        ({"name": "a", "numbers": [1, 2, 3]}, "numbers must have at most 2 items, not 3."),
        ({"name": "a", "even": 3}, "even must be even, not 3."),
        ({"name": "a", "even": 12}, "even is 12: nobody needs so many."),
        ({"name": "a", "table": []}, "table must be an object, not a list of 0."),
        ([], "the plan must be an object, not a list of 0."),
    ],
)
def test_the_first_error_is_one_sentence(values: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate(values)
    assert sentence(caught.value, "the plan") == told


def test_fields_are_named_as_code_would_reach_them() -> None:
    assert field(("parts", 0, "size")) == "parts[0].size"
    assert field((0, "size")) == "[0].size"
    assert field(()) == ""


@pytest.mark.parametrize("value", ["x" * 10**6, 10**10_000, [0] * 10**6, {"a": "b" * 10**6}, object()], ids=type)
def test_a_value_is_quoted_in_a_few_words(value: object) -> None:
    assert len(quoted(value)) < 60
