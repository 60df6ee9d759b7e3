"""How chains are built: the settings of a build, checked, as a table of TOML, and what its specs name."""

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, described, unknown_name
from hiergeo._core.plugins import Plugins
from hiergeo._core.storage.documents import Document, Raising, parse_toml, toml_text
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text

Made = TypeVar("Made")

FILE = "plan.toml"  # the plan in the folder of a build

TABLES = ("backend", "judge")
"""Settings that have options of their own, in a table of TOML: ``[backend]``, ``name = "openai:MODEL"``, options."""


def option(value: Any) -> Any:
    """The value of an option; raises ValueError unless it is text, a finite number, a flag or a list of them."""
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str | int) or (isinstance(item, float) and math.isfinite(item)) for item in items):
        raise ValueError("must be text, a number, a flag or a list of them")
    return items if isinstance(value, list | tuple) else value


def _without_secrets(options: dict[str, Any]) -> dict[str, Any]:
    if "api_key" in options:
        raise ValueError(
            "the option 'api_key' is a secret, and plans are stored: leave it out and set the environment variable "
            "that the engine reads, such as OPENAI_API_KEY"
        )
    return options


Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")]
Options = Annotated[dict[str, Annotated[Any, AfterValidator(option)]], AfterValidator(_without_secrets)]


class BuildPlan(Raising, Document):
    """The settings of a build.

    Attributes:
        backend: what writes texts: ``wordnet``, ``transformers:PATH``, ``openai:MODEL`` or a plug-in; as in a file also
            a table of its ``name`` and its options.
        backend_options: keyword options of the backend: text, numbers, flags and lists of them.
        judge: what decides which text entails or contradicts which: ``transformers:PATH`` or a plug-in; without
            one the first answer of the backend is taken.
        judge_options: keyword options of the judge.
        tiers: texts of a chain, the caption included, 2 to 8.
        entailment: least probability that a text entails the next more general one, 0 to 1.
        contradiction: least probability that a negative contradicts the text of its tier, 0 to 1.
        test_fraction: share of the images that go to the test split, 0 to 1; the others are for training.
        seed: of the split, and of a backend that draws at random.
        shard_rows: captions that are worked on and stored together.
        caption_column: None is the first that is called caption or text.
        image_column: None is the first that is called image, image_path, file_name, image_url or url.
        title: of the data, for its card.
        licence: of the data, for its card.

    Raises:
        InputError: an unknown setting (the nearest one is suggested), a value out of its range, or an option that holds
            a secret.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    backend: Name = "wordnet"
    backend_options: Options = Field(default_factory=dict)
    judge: Name | None = None
    judge_options: Options = Field(default_factory=dict)
    tiers: Annotated[int, Field(ge=2, le=8)] = 4
    entailment: Share = 0.5
    contradiction: Share = 0.5
    test_fraction: Share = 1.0
    seed: Annotated[int, Field(ge=0, le=limits.SEED)] = 0
    shard_rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    caption_column: Name | None = None
    image_column: Name | None = None
    title: str = ""
    licence: str = ""

    @model_validator(mode="before")
    @classmethod
    def _parted(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with tables of ``backend`` and ``judge`` as their names and options."""
        parted = dict(settings)
        for part in TABLES:
            if isinstance(table := settings.get(part), dict):
                if f"{part}_options" in settings:
                    raise ValueError(f"{part}_options and a table of {part} cannot both be given")
                parted[f"{part}_options"] = {key: value for key, value in table.items() if key != "name"}
                parted[part] = table.get("name", cls.model_fields[part].default)
        if parted.get("judge_options") and parted.get("judge") is None:
            raise ValueError("the judge has options but no name, such as transformers:PATH")
        return parted

    def as_table(self) -> dict[str, Any]:
        """The table of the plan's TOML file, with every default, of which `BuildPlan` makes the same plan."""
        values = self.model_dump(exclude_none=True)
        return {
            name: {"name": value, **values[f"{name}_options"]} if name in TABLES else value
            for name, value in values.items()
            if not name.endswith("_options")
        }

    def as_toml(self) -> str:
        """The text of the plan's file, which ``hiergeo chains build --config`` reads."""
        return toml_text(self.as_table())

    def difference(self, other: "BuildPlan") -> list[str]:
        """The settings that differ in `other`, one a sentence: ``tiers was 4, now 3``."""
        old, new = _flat(self.as_table()), _flat(other.as_table())
        names = [name for name in old | new if old.get(name) != new.get(name)]
        return [f"{name} was {_shown(old.get(name))}, now {_shown(new.get(name))}" for name in names]


def read_plan(path: Path | str) -> BuildPlan:
    """The plan in a TOML file; raises UnavailableError if it does not exist, InputError as `BuildPlan`."""
    file = path_of(path)
    table = parse_toml(read_text(file, "name a TOML file with the settings of a build"), file)
    try:
        return BuildPlan(**table)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    """A table with the entries of tables in it as ``backend``, its name, and ``backend.OPTION``."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        entries = value if isinstance(value, dict) else {"name": value}
        flat |= {name if key == "name" else f"{name}.{key}": entry for key, entry in entries.items()}
    return flat


def _shown(value: object) -> str:
    return "not set" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def made(
    plugins: Plugins[Callable[..., Made]], kind: Any, spec: str, options: Mapping[str, Any], **defaults: Any
) -> Made:
    """A `kind` made by the factory of a spec, such as ``openai:MODEL``, out of options and the defaults that it takes.

    Raises InputError for an unknown name or option, HiergeoError for what it lacks.
    """
    name, _, rest = spec.partition(":")
    factory = plugins.get(name)
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    names = [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        allowed = [option for option in names if option != "answers"]
        if unknown := [option for option in options if option not in allowed]:
            raise unknown_name(f"option of the {plugins.kind} '{name}'", unknown[0], allowed or ["none"])
    with plugins.running(name, "cannot be made"):
        try:
            thing = factory(rest, **{key: value for key, value in defaults.items() if key in names} | dict(options))
        except HiergeoError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"the {plugins.kind} '{spec}' cannot be made: {described(error)}.") from error
    if not isinstance(thing, kind):
        raise InputError(f"the {plugins.kind} '{name}' is a {type(thing).__name__}, not a {kind.__name__}.")
    return thing
