"""The options that several verbs share, each defined once, and how verbs read theirs."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.records import check_format
from hiergeo._core.storage.files import path_of
from hiergeo.cli._terminal import note
from hiergeo.cli.defaults import AUTO as AUTO
from hiergeo.cli.defaults import COMPARED as COMPARED
from hiergeo.cli.defaults import OWN_LOSSES
from hiergeo.cli.defaults import SHARPEN as SHARPEN


def path(value: Path | list[Path] | None) -> Path | list[Path] | None:
    """A path that a user named, checked and with its ~ expanded; a list of them alike."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [checked_path(part) for part in value]
    return checked_path(value)


def checked_path(named: Path) -> Path:
    """A path that a user named, with its ~ expanded. Raises InputError for one that stands for a standard stream."""
    if str(named) == "-":
        raise InputError("'-' does not stand for a standard stream here: name a file.")
    return path_of(named)


def option(metavar: str, help: str, *names: str, **settings: Any) -> Any:
    """An option; without `names` it is called like its parameter."""
    return typer.Option(*names, metavar=metavar, help=help, **settings)


def argument(metavar: str, help: str, **settings: Any) -> Any:
    """An argument."""
    return typer.Argument(metavar=metavar, help=help, **settings)


def path_option(metavar: str, help: str, *names: str, **settings: Any) -> Any:
    """An option that is a path."""
    return option(metavar, help, *names, callback=path, **settings)


def path_argument(metavar: str, help: str, **settings: Any) -> Any:
    """An argument that is a path."""
    return argument(metavar, help, callback=path, **settings)


CAPTIONS = "hiergeo.captions"
"""Where a command keeps which texts the rows of its model embed, until its names are checked."""


def keep_captions(context: typer.Context, value: str | None) -> None:
    """Keep which texts the rows of a model embed."""
    if value is not None:
        context.meta[CAPTIONS] = value


def flag(name: str, help: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=help)


Recipe = TypeVar("Recipe")

SEPARATE = {"losses": "--loss"}
"""Settings of recipes that have an option of their own -> that option."""


def setting_name(pair: str) -> str:
    """The name of a setting in ``KEY=VALUE``."""
    return pair.partition("=")[0].strip().replace("-", "_")


def settings_of(of: str, parameters: Mapping[str, inspect.Parameter], pairs: Iterable[str]) -> dict[str, Any]:
    """Settings of a signature from ``KEY=VALUE``; `of` says what has them.

    Raises InputError for an unknown one (the nearest is suggested), one given twice, or a value that cannot be read.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, (_, equals, text) = setting_name(pair), pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: write KEY=VALUE.")
        if key not in parameters:
            raise unknown_name(f"setting of {of}", key, parameters)
        if key in values:
            raise InputError(f"--set {key} is given twice.")
        values[key] = _setting(f"--set {key}", text, parameters[key].annotation)
    return values


def _setting(where: str, text: str, annotation: Any) -> Any:
    """A value as the annotation of its parameter wants it; text where that names neither bool, int nor float."""
    from pydantic import TypeAdapter, ValidationError

    from hiergeo._core.errors import sentence

    kinds = get_args(annotation) or (annotation,)
    if type(None) in kinds and text.casefold() == "none":
        return None
    kind = next((kind for kind in (bool, int, float) if kind in kinds), str)
    try:
        return TypeAdapter(kind).validate_strings(text)
    except ValidationError as error:
        raise InputError(sentence(error, where)) from error


def recipe_of(kind: type[Recipe], pairs: Sequence[str], separate: Mapping[str, str] = SEPARATE, **given: Any) -> Recipe:
    """A recipe from ``KEY=VALUE`` and from options of their own, of which `separate` holds setting -> option."""
    parameters = inspect.signature(kind).parameters
    for name in map(setting_name, pairs):
        if name in separate and name in parameters:
            raise InputError(f"--set {name} has an option of its own: {separate[name]}.")
    return kind(**given, **settings_of("the recipe", parameters, pairs))


def fitting(losses: Mapping[str, float], inputs: int, outputs: Iterable[int]) -> dict[str, float]:
    """Default losses for heads of these dimensions: without the prior, and with a note, where it cannot compare."""
    if all(dim == inputs for dim in outputs):
        return dict(losses)
    note(f"the prior among the default losses is left out: it needs heads of the model's own dimension, {inputs}.")
    return {name: weight for name, weight in losses.items() if name != "prior"}


LOSS_HELP = f"A loss, NAME=WEIGHT; repeat it for more: re, {', '.join(OWN_LOSSES)}."

Settings = Annotated[
    list[str],
    option("KEY=VALUE", "A setting of the recipe, such as steps=500 or batch=64; repeat it for more."),
]
Loss = Annotated[list[str], option("NAME=WEIGHT", LOSS_HELP)]
Model = Annotated[
    str,
    option(
        "SPEC",
        "tiny, open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, mteb:NAME, npz:FILE, head:DIR, "
        "meru:FILE, hycoclip:FILE, ...",
        "--model",
        "-m",
    ),
]
RowTexts = Annotated[
    str | None,
    option(
        "FILE[:COLUMN]",
        "The texts that the rows of a model embed which is a file of them (.npy, ...), in their order: one a line, or "
        "a column of a table.",
        "--captions",
        expose_value=False,
        callback=keep_captions,
    ),
]
Data = Annotated[
    str, option("NAME", "hierarcaps, scenes, or chains of your own: chains:DIR, chains:FILE.csv.", "--data", "-d")
]
Split = Annotated[str, option("NAME", "Split of the dataset.")]
Rows = Annotated[int | None, option("N", "Only the first N rows.", min=1)]
Worker = Annotated[
    str | None,
    option(
        "I/N|auto",
        "Only the share of worker I of N, for many machines on one folder; auto: as Slurm, torchrun or Kubernetes "
        "say. (by default all)",
    ),
]
CaptionColumn = Annotated[str | None, option("NAME", "The column of captions. (by default caption or text)")]
ImageColumn = Annotated[
    str | None, option("NAME", "The column of images. (by default image, image_path, file_name, image_url or url)")
]


def geometry_option(help: str = "") -> Any:
    """An option that names one geometry; `help` is what is said after examples."""
    examples = "euclidean, lorentz:-1, lorentz:-1?learnable, poincare:-0.5, sphere:0.25, product:..."
    return option("SPEC", f"{examples} {help}".strip(), "--geometry", "-g")


Geometry = Annotated[str, geometry_option()]
MeasuredGeometry = Annotated[
    str | None,
    geometry_option("(by default the space that the model brings, and euclidean for a model that brings none)"),
]
IndexGeometry = Annotated[str | None, geometry_option("(by default the space of the index)")]
OpenPage = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open", help="Open the page in a browser.  [default: when run from a terminal]", show_default=False
    ),
]
Geometries = Annotated[list[str], option("SPEC", "A geometry; repeat the option for more.", "--geometry", "-g")]
MeasuredGeometries = Annotated[
    list[str] | None,
    option(
        "SPEC",
        "A geometry; repeat the option for more. (by default the space that the model brings, if any, and "
        f"{', '.join(COMPARED)})",
        "--geometry",
        "-g",
    ),
]
Protocol = Annotated[str, option("NAME", "re, traversal, pairs or hyper3.", "--protocol", "-p")]
Steps = Annotated[int, option("N", "Thresholds of re, points of traversal.", min=1, max=limits.PROTOCOL_STEPS)]
Root = Annotated[str | None, option("model|none", "Where radii begin: at the empty caption, or at no root.")]


def known_format(name: str) -> str:
    """The name of a format. Raises InputError for an unknown one."""
    check_format(name)
    return name


Format = Annotated[
    str, option("NAME", "table; or csv, markdown, latex or json alone on standard output.", callback=known_format)
]
Full = Annotated[
    bool, flag("--full", "Print the details too: every metric, differences and intervals, what each space is like.")
]
MinRadius = Annotated[
    float | None, option("X", "Scale k of cones: half-spaces up to a radius of about 2 k / sqrt(|K|), 2 k at K = 0.")
]
IndexFolder = Annotated[Path, path_argument("PATH", "The folder of the index.", show_default=False)]
Json = Annotated[Path | None, path_option("FILE", "Also write the result to this file.")]
Seed = Annotated[int, option("N", "Random seed.", min=0, max=limits.SEED)]
Twins = Annotated[
    int, option("N", "Untrained copies of the model to compare with; 0 leaves them out.", min=0, max=limits.TWINS)
]
Samples = Annotated[int, option("N", "Bootstrap resamples.", min=1, max=limits.COUNT)]
Device = Annotated[str, option("NAME", "Device: auto (an accelerator if there is one), cpu, cuda:1, ...")]
BatchSize = Annotated[
    int | None,
    option(
        "N",
        "Captions or images that are embedded at a time. (by default the model's own choice)",
        min=1,
        max=limits.COUNT,
    ),
]
Overwrite = Annotated[bool, flag("--overwrite", "Replace an existing result.")]
Html = Annotated[
    Path | None, path_option("FILE", "File of the page.  [hiergeo-VERB-MODEL-DATA.html]", show_default=False)
]
Page = Annotated[Path | None, path_option("FILE", "Also write a page here.")]
