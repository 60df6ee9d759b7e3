"""The options that several verbs share, each defined once, and how verbs read theirs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hiergeo import training
from hiergeo._core import limits
from hiergeo._core.devices import AUTO as AUTO
from hiergeo._core.devices import resolve_device, resolve_dtype
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo.cli._terminal import note
from hiergeo.geometry import MIN_RADIUS


def path(value: Path | list[Path] | None) -> Path | list[Path] | None:
    """A path that a user named, checked and with its ~ expanded; a list of them alike."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [checked_path(each) for each in value]
    return checked_path(value)


def checked_path(named: Path) -> Path:
    """A path that a user named, with its ~ expanded. Raises InputError for one that stands for a standard stream."""
    if str(named) == "-":
        raise InputError("'-' is no standard stream here: name a file.")
    return path_of(named)


def embedding(device: str, dtype: str, batch_size: int | None) -> dict[str, Any]:
    """Where, in which dtype and in how large batches to embed, as keyword arguments; names are checked."""
    return {"device": resolve_device(device), "dtype": resolve_dtype(dtype), "batch_size": batch_size}


def spelled(losses: Mapping[str, float]) -> list[str]:
    """Losses as their option spells them."""
    return [f"{name}={weight:g}" for name, weight in losses.items()]


def fitting(losses: Mapping[str, float], inputs: int, outputs: Iterable[int]) -> dict[str, float]:
    """Default losses for heads of these dimensions: the prior, which compares with the model's own, where it can."""
    if all(dim == inputs for dim in outputs):
        return dict(losses)
    return {name: weight for name, weight in losses.items() if name != "prior"}


def note_prior(losses: Mapping[str, float], inputs: int) -> None:
    """Print a note if the prior is left out of the default losses."""
    if "prior" not in losses:
        note(f"the prior among the default losses is left out: it needs heads of the model's own dimension, {inputs}.")


FLOAT32 = "float32"
COMPARED = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]
"""Geometries that are compared where none is named."""

LOSSES = spelled(training.SHARPEN)
LOSS_HELP = f"A loss, NAME=WEIGHT; give it once for each: re, {', '.join(training.LOSSES.own)}."

Loss = Annotated[list[str], typer.Option("--loss", help=LOSS_HELP, metavar="NAME=WEIGHT")]
Hidden = Annotated[int, typer.Option(help="Width of the residual perceptron; 0 is a linear head.", metavar="N", min=0)]
FreeNorms = Annotated[bool, typer.Option("--free-norms", help="Do not normalise the head's output.")]
LearnCurvature = Annotated[bool, typer.Option("--learn-curvature", help="Learn the curvature of curved geometries.")]
Force = Annotated[
    bool, typer.Option("--force", help="Train on rows of test images all the same; every result says so.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="tiny, open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, mteb:NAME, npz:FILE, head:DIR, "
        "meru:FILE, hycoclip:FILE, ...",
        metavar="SPEC",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data", "-d", help="hierarcaps, scenes, or chains of your own: chains:DIR, chains:FILE.csv.", metavar="NAME"
    ),
]
Split = Annotated[str, typer.Option(help="Split of the dataset.", metavar="NAME")]
Rows = Annotated[int | None, typer.Option(help="Only the first N rows.", metavar="N", min=1)]
Worker = Annotated[
    str | None,
    typer.Option(
        "--worker",
        help="Only the share of worker I of N, for many machines on one folder; auto: as Slurm, torchrun or Kubernetes "
        "say. (by default all)",
        metavar="I/N|auto",
    ),
]
CaptionColumn = Annotated[
    str | None,
    typer.Option("--caption-column", help="The column of captions. (by default caption or text)", metavar="NAME"),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        help="The column of images. (by default image, image_path, file_name, image_url or url)",
        metavar="NAME",
    ),
]
Geometry = Annotated[
    str,
    typer.Option(
        "--geometry", "-g", help="euclidean, lorentz:-1, poincare:-0.5, sphere:0.25, product:...", metavar="SPEC"
    ),
]
MeasuredGeometry = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        "-g",
        help="euclidean, lorentz:-1, poincare:-0.5, sphere:0.25, product:... (by default the space that the model "
        "brings, and euclidean for a model that brings none)",
        metavar="SPEC",
    ),
]
IndexGeometry = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        "-g",
        help="euclidean, lorentz:-1, poincare:-0.5, sphere:0.25, product:... (by default the space of the index)",
        metavar="SPEC",
    ),
]
OpenPage = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open", help="Open the page in a browser.  [default: when run from a terminal]", show_default=False
    ),
]
Geometries = Annotated[
    list[str],
    typer.Option("--geometry", "-g", help="A geometry; give the option once for each.", metavar="SPEC"),
]
MeasuredGeometries = Annotated[
    list[str] | None,
    typer.Option(
        "--geometry",
        "-g",
        help="A geometry; give the option once for each. (by default the space that the model brings, if any, and "
        f"{', '.join(COMPARED)})",
        metavar="SPEC",
    ),
]
Protocol = Annotated[str, typer.Option("--protocol", "-p", help="re, traversal, pairs, hyper3 or pep.", metavar="NAME")]
Steps = Annotated[
    int,
    typer.Option(help="Thresholds of re, points of traversal.", metavar="N", min=1, max=limits.PROTOCOL_STEPS),
]
Root = Annotated[
    str | None,
    typer.Option(
        help="model: the embedding of the empty caption; none: no root. (by default that of the space that the model "
        "brings, and model in a space named here)",
        metavar="model|none",
    ),
]


def known_format(name: str) -> str:
    """The name of a format of `hiergeo.report`. Raises InputError for one that is not known."""
    from hiergeo.report.formats import check_format

    check_format(name)
    return name


Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="table; or csv, markdown, latex or json alone on standard output.",
        metavar="NAME",
        callback=known_format,
    ),
]
MinRadius = Annotated[
    float | None,
    typer.Option(
        help="Scale of the cones: points up to this radius have half-spaces as cones. (by default that of the space "
        f"that the model brings, and {MIN_RADIUS} in a space named here)",
        metavar="X",
    ),
]
IndexFolder = Annotated[
    Path, typer.Argument(help="The folder of the index.", metavar="PATH", callback=path, show_default=False)
]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the result here.", metavar="FILE", callback=path)]
Seed = Annotated[
    int,
    typer.Option(help="Seed of whatever is drawn at random.", metavar="N", min=0, max=limits.SEED),
]
Samples = Annotated[int, typer.Option(help="Bootstrap resamples.", metavar="N", min=1, max=limits.COUNT)]
Device = Annotated[
    str,
    typer.Option(
        help="Where everything is computed: auto (the accelerator, if there is one), cpu, cuda:1, ...", metavar="NAME"
    ),
]
Dtype = Annotated[str, typer.Option(help="Dtype of the embeddings: float32 or bfloat16.", metavar="NAME")]
BatchSize = Annotated[
    int | None,
    typer.Option(
        help="Captions or images that are embedded at a time. (by default the model's own choice)",
        metavar="N",
        min=1,
        max=limits.COUNT,
    ),
]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave out shards that are damaged, instead of refusing the index.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that is there already.")]
Html = Annotated[Path, typer.Option(help="Where the page goes.", metavar="FILE", callback=path)]
