"""How chains are built: the settings of a build, checked, and as a table of TOML."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, model_validator

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole, unknown_name
from hiergeo._core.storage.documents import Document, Open, parse_toml, toml_text, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text

FILE = "plan.toml"
"""The plan in the folder of a build."""

TIERS = (2, 8)
"""The least and the most texts of a chain."""

GROWTH = ("strict", "weak", "any")
"""Whether a more specific text has more words, no fewer words, or any number."""

LANGUAGES = ("any", "en")
"""Of captions."""

TABLES = ("backend", "judge")
"""Settings that have options of their own, in a table of TOML: ``[backend]``, ``name = "openai:MODEL"``, options."""

ABOUT = ("title", "licence")
"""Settings that only the card of the data tells."""

Scalar = str | bool | int | FiniteFloat

Option = Scalar | list[Scalar]
"""The value of an option."""


@dataclass(frozen=True)
class BuildPlan:
    """The settings of a build.

    Attributes:
        backend: what writes texts: ``wordnet``, ``transformers:PATH``, ``openai:MODEL`` or a plug-in.
        backend_options: keyword options of the backend: text, numbers, flags and lists of them.
        judge: what decides which text entails or contradicts which: ``rules``, ``transformers:PATH`` or a plug-in.
        judge_options: keyword options of the judge.
        tiers: texts of a chain, the caption included, 2 to 8.
        entailment: least probability that a text entails the next more general one, 0 to 1.
        contradiction: least probability that a negative contradicts the text of its tier, 0 to 1.
        growth: ``strict`` if every text must have more words than the next more general one, ``weak`` if it must not
            have fewer, ``any`` without a rule.
        most_characters: of a caption and of any text, at least 1.
        language: of captions: ``en`` drops those that do not look English before anything is asked of the backend;
            ``any`` leaves it to the backend, of which ``wordnet`` refuses them itself.
        test_fraction: share of the images that go to the test split, 0 to 1.
        seed: of the split, and of a backend that draws at random.
        shard_rows: captions that are worked on and stored together.
        caption_column: None is the first that is called caption or text.
        image_column: None is the first that is called image, image_path, file_name, image_url or url.
        title: of the data, for its card.
        licence: of the data, for its card.

    Raises:
        InputError: a value out of its range, or an option that holds a secret.
    """

    backend: str = "wordnet"
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    judge: str = "rules"
    judge_options: Mapping[str, Any] = field(default_factory=dict)
    tiers: int = 4
    entailment: float = 0.5
    contradiction: float = 0.5
    growth: str = "weak"
    most_characters: int = 1000
    language: str = "any"
    test_fraction: float = 0.1
    seed: int = 0
    shard_rows: int = 1000
    caption_column: str | None = None
    image_column: str | None = None
    title: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        check_whole("tiers", self.tiers, *TIERS)
        check_whole("most_characters", self.most_characters, 1, limits.ITEM_CHARACTERS)
        check_whole("seed", self.seed, 0, limits.SEED)
        check_whole("shard_rows", self.shard_rows, 1, MOST_SHARD_ROWS)
        for name in ("entailment", "contradiction", "test_fraction"):
            _check_share(name, getattr(self, name))
        if self.growth not in GROWTH:
            raise unknown_name("growth", str(self.growth), GROWTH)
        if self.language not in LANGUAGES:
            raise unknown_name("language", str(self.language), LANGUAGES)
        for part in TABLES:
            _check_options(part, getattr(self, f"{part}_options"))

    def as_table(self) -> dict[str, Any]:
        """The table of the plan's TOML file, with every default; `of_table` makes the same plan of it."""
        told: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in TABLES:
                told[each.name] = {"name": value, **getattr(self, f"{each.name}_options")}
            elif not each.name.endswith("_options") and value is not None:
                told[each.name] = value
        return told

    def as_toml(self) -> str:
        """The text of the plan's file, which ``hiergeo chains build --config`` reads."""
        return toml_text(self.as_table())

    def difference(self, other: "BuildPlan") -> list[str]:
        """What `other` says otherwise, one setting a sentence: ``tiers was 4, now 3``."""
        return [f"{name} was {_shown(old)}, now {_shown(new)}" for name, old, new in _changes(self, other)]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all settings that chains depend on: all but the title and the licence."""
        told = {name: value for name, value in self.as_table().items() if name not in ABOUT}
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


MOST_SHARD_ROWS = 100_000
"""Captions of a shard, which is held in memory with its texts."""

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")]


class _Part(Open):
    """A table ``[backend]`` or ``[judge]``; other keys are options."""

    name: Name = ""

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class _Plan(Document):
    """A whole file; `BuildPlan` checks the ranges of its settings."""

    backend: _Part = _Part()
    judge: _Part = _Part()
    tiers: int = 0
    entailment: float = 0
    contradiction: float = 0
    growth: Name = ""
    most_characters: int = 0
    language: Name = ""
    test_fraction: float = 0
    seed: int = 0
    shard_rows: int = 0
    caption_column: Name | None = None
    image_column: Name | None = None
    title: str = ""
    licence: str = ""


def read_plan(path: Path | str) -> BuildPlan:
    """The plan in a TOML file.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is no TOML, or `of_table` refuses it.
    """
    place = path_of(path)
    return of_table(parse_toml(read_text(place, "name a TOML file with the settings of a build"), place), place)


def of_table(table: Mapping[str, Any], where: object = "the plan") -> BuildPlan:
    """A plan from the table of a TOML file.

    Args:
        table: settings by name; ``backend`` and ``judge`` are a name, or a table of ``name`` and options.
        where: named in errors.

    Raises:
        InputError: an unknown setting (the nearest one is suggested) or a value that cannot be used.
    """
    try:
        told = validated(_Plan, dict(table))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    settings = {name: value for name, value in table.items() if name not in TABLES}
    for part in told.model_fields_set & set(TABLES):
        held = getattr(told, part)
        settings |= {part: held.name} if held.name else {}
        settings[f"{part}_options"] = held.__pydantic_extra__
    return BuildPlan(**settings)


def option_of(text: str, part: str) -> tuple[str, Any]:
    """An option as the command line writes it, ``NAME=VALUE``: a number, true, false or text.

    Raises:
        InputError: it is not of that form.
    """
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise InputError(f"an option of the {part} is written NAME=VALUE, not '{text}'.")
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        read = value
    plain = isinstance(read, bool | int) or (isinstance(read, float) and math.isfinite(read))
    return name.strip().replace("-", "_"), read if plain or isinstance(read, str | list) else value


def _check_share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{name} must be a number from 0 to 1, not {value!r}.")


def _check_options(part: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name == "api_key":
            raise InputError(
                f"the option '{name}' of the {part} is a secret, and plans are stored: leave it out and set the "
                "environment variable that the engine reads, such as OPENAI_API_KEY."
            )
        try:
            validated(Option, list(value) if isinstance(value, tuple) else value)  # type: ignore[arg-type]
        except ValueError as error:
            raise InputError(
                f"the option '{name}' of the {part} must be text, a number, a flag or a list of them."
            ) from error


def _changes(before: BuildPlan, now: BuildPlan) -> Iterator[tuple[str, Any, Any]]:
    old, new = (_flat(each.as_table()) for each in (before, now))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name in TABLES:
            found |= {name if key == "name" else f"{name}.{key}": held for key, held in value.items()}
        else:
            found[name] = value
    return found


def _shown(value: object) -> str:
    return "not set" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
