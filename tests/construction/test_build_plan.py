"""Plans of builds: every setting is checked, tables and files give the same plan back, and secrets are refused."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.documents import parse_toml
from hiergeo.cli.build import option_of
from hiergeo.construction import BuildPlan, read_plan

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    str.strip
)
OPTIONS = st.dictionaries(
    st.sampled_from(["base_url", "concurrency", "max_tokens", "tokenizer", "stop"]),
    WORDS | st.integers(-(2**31), 2**31) | st.booleans() | st.floats(-1e6, 1e6) | st.lists(WORDS, max_size=3),
    max_size=3,
)
PLANS = st.builds(
    BuildPlan,
    backend=WORDS,
    backend_options=OPTIONS,
    judge=WORDS,
    judge_options=OPTIONS,
    tiers=st.integers(2, 8),
    entailment=st.floats(0, 1),
    contradiction=st.floats(0, 1) | st.sampled_from([0, 1]),
    test_fraction=st.floats(0, 1),
    seed=st.integers(0, 2**63 - 1),
    shard_rows=st.integers(1, 100_000),
    caption_column=st.none() | WORDS,
    title=WORDS | st.just(""),
)


def of_table(table: dict[str, Any]) -> BuildPlan:
    return BuildPlan(**table)


@given(PLANS)
def test_a_plan_is_the_same_when_its_file_is_read_back(plan: BuildPlan) -> None:
    again = of_table(parse_toml(plan.as_toml(), "plan.toml"))
    assert again.as_table() == plan.as_table()
    assert again.difference(plan) == []


@given(PLANS, PLANS)
def test_every_difference_is_named(one: BuildPlan, other: BuildPlan) -> None:
    assert bool(one.difference(other)) == (one.as_table() != other.as_table())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"tiers": 1}, "tiers"),
        ({"tiers": 2.5}, "tiers"),
        ({"entailment": 1.5}, "entailment"),
        ({"contradiction": float("nan")}, "contradiction"),
        ({"test_fraction": True}, "test_fraction"),
        ({"growth": "weak"}, "growth"),
        ({"shard_rows": 0}, "shard_rows"),
        ({"seed": -1}, "seed"),
        ({"backend_options": {"api_key": "sk-1"}}, "environment variable"),
        ({"judge_options": {"batch_size": 2}}, "judge"),
        ({"backend_options": {"prompt": {"a": 1}}}, "prompt"),
        ({"backend_options": {"temperature": float("inf")}}, "temperature"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        BuildPlan(**settings)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tires = 3", "tiers"),
        ("tiers = 'four'", "tiers"),
        ("tiers = [1]", "tiers"),
        ("backend = 3", "backend"),
        ("[backend]\nname = 3", "backend"),
        ("[backend]\nname = 'wordnet'\n[backend.more]\nx = 1", "more"),
        ("tiers = ", "TOML"),
        ("[[backend]]\nname = 'x'", "backend"),
    ],
)
def test_files_that_are_no_plan_are_refused_by_name(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=named):
        read_plan(path)


def test_a_backend_is_a_name_or_a_table() -> None:
    assert of_table({"backend": {"name": "openai:m", "concurrency": 4}}) == BuildPlan(
        backend="openai:m", backend_options={"concurrency": 4}
    )
    assert of_table({"backend": {"depth": 4}}) == BuildPlan(backend_options={"depth": 4})


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["tiers", "backend", "judge"]), st.from_type(object) | OPTIONS
    )
)
def test_any_table_is_a_plan_or_refused(table: dict[str, Any]) -> None:
    with suppress(HiergeoError):
        BuildPlan(**table)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("concurrency=4", ("concurrency", 4)),
        ("base-url=http://h:1/v1?a=b", ("base_url", "http://h:1/v1?a=b")),
        ("temperature=0.5", ("temperature", 0.5)),
        ('name="4"', ("name", "4")),
        ("x=null", ("x", "null")),
        ("x=NaN", ("x", "NaN")),
        ('stop=["a", "b"]', ("stop", ["a", "b"])),
    ],
)
def test_options_of_the_command_line(text: str, option: tuple[str, Any]) -> None:
    assert option_of(text) == option


@pytest.mark.parametrize("text", ["", "=4", "concurrency", " =1"])
def test_options_without_name_or_value_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="NAME=VALUE"):
        option_of(text)


def test_a_secret_is_not_repeated_by_its_refusal() -> None:
    with pytest.raises(InputError) as refusal:
        BuildPlan(backend_options={"api_key": "sk-123"})
    assert "sk-123" not in str(refusal.value)
