"""``hiergeo benchmark``: one model on one benchmark of the field, or the table of all benchmarks."""

import inspect
import json as jsonlib
from typing import Annotated, Any, get_args

import typer
from rich.table import Table

from hiergeo import adapters
from hiergeo.benchmarks import BENCHMARKS, Benchmark, benchmark_named, measure
from hiergeo.cli import options
from hiergeo.cli._io import Asked, check_writable, note_geometry, printed_alone, write_json
from hiergeo.cli._terminal import console
from hiergeo.cli.plans import Config
from hiergeo.errors import HiergeoError, InputError, unknown_name

Name = Annotated[str | None, typer.Argument(help="A benchmark; see --list.", metavar="NAME")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="tiny, open_clip:ARCH/TAG, npz:FILE, ...", metavar="SPEC"),
]
Set = Annotated[
    list[str],
    typer.Option("--set", help="An option of the benchmark; give it once for each.", metavar="KEY=VALUE"),
]
List = Annotated[bool, typer.Option("--list", help="Print every benchmark, and whether its data is here.")]
BenchmarkFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="table; or csv, markdown, latex, json or clip-benchmark (the JSON of CLIP_benchmark, for retrieval and "
        "zero_shot) alone on standard output.",
        metavar="NAME",
    ),
]
CLIP_BENCHMARK = "clip-benchmark"
Samples = Annotated[int, typer.Option(help="Bootstrap resamples.", metavar="N", min=1)]


def benchmark_command(
    name: Name = None,
    model: Model = None,
    config: Config = None,
    listed: List = False,
    geometry: options.MeasuredGeometry = None,
    set: Set = [],  # noqa: B006 - typer copies it
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: BenchmarkFormat = "table",
    json: options.Json = None,
    seed: options.Seed = 0,
    samples: Samples = 1000,
    device: options.Device = options.AUTO,
    dtype: options.Dtype = options.FLOAT32,
    batch_size: options.BatchSize = None,
) -> None:
    """Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them."""
    from hiergeo.interop.clip_benchmark import check_clip_benchmark, to_clip_benchmark
    from hiergeo.report import check_format
    from hiergeo.report.benchmarks import benchmark_markdown, benchmark_table, published_line

    if format == CLIP_BENCHMARK:
        check_clip_benchmark(name or "")
    else:
        check_format(format)
    check_writable(json)
    if listed or name is None:
        _print_list(json)
        return
    task = benchmark_named(name, **settings_of(name, set))
    if model is None:
        raise InputError(f"name the model to measure on {name}: --model SPEC.")
    asked = Asked(geometry, root, min_radius)
    asked.check()
    wanted = options.embedding(device, dtype, batch_size)
    loaded = adapters.load(model, device=device)
    space = asked.space(loaded)
    note_geometry(loaded, [space], geometry is not None)
    result = measure(loaded, task, space, seed=seed, samples=samples, **wanted, progress=True)
    write_json(json, result.to_json())
    if format == CLIP_BENCHMARK:
        print(jsonlib.dumps(to_clip_benchmark(result), indent=2))
    elif format == "markdown":
        print(benchmark_markdown(result, task))
    elif not printed_alone(result, format):
        screen = console()
        screen.print(benchmark_table(result))
        for each in task.published:
            screen.print(published_line(each))


def settings_of(name: str, pairs: list[str]) -> dict[str, Any]:
    """The options of a benchmark from ``KEY=VALUE``, of the types that its constructor names.

    Raises:
        InputError: an unknown benchmark or option (the nearest is suggested), one given twice, or a value that cannot
            be read.
    """
    known = inspect.signature(BENCHMARKS.get(name)).parameters
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise InputError(f"--set {pair}: write KEY=VALUE.")
        if key not in known:
            raise unknown_name(f"option of {name}", key, known)
        if key in found:
            raise InputError(f"--set {key} is given twice.")
        found[key] = _value(f"--set {key}", text, known[key].annotation)
    return found


def _value(where: str, text: str, kind: Any) -> Any:
    """A value as the annotation of its parameter wants it; text where that is not bool, int or float, or None."""
    kind = next((each for each in get_args(kind) if each in (bool, int, float)), kind)
    if kind is bool:
        known = {"true": True, "false": False}
        if text.casefold() not in known:
            raise InputError(f"{where} must be true or false, not '{text}'.")
        return known[text.casefold()]
    if kind in (int, float):
        try:
            return kind(text)
        except (ValueError, OverflowError):
            raise InputError(f"{where} must be a number, not '{text}'.") from None
    return text


def _print_list(json: Any) -> None:
    table = Table("benchmark", "needs", "here", "metrics", "published", box=None, pad_edge=False)
    found: dict[str, dict[str, Any]] = {}
    for name in BENCHMARKS.names():
        try:
            kind = BENCHMARKS.get(name)
            missing = _missing(kind)
        except HiergeoError as error:
            table.add_row(name, "-", f"no: {error}", "-", "-")
            continue
        published = len(kind.published)
        table.add_row(name, kind.needs or "-", "no" if missing else "yes", ", ".join(kind.metrics), str(published))
        found[name] = {
            "label": kind.label,
            "needs": kind.needs,
            "missing": missing,
            "primary": kind.primary,
            "metrics": list(kind.metrics),
            "options": list(inspect.signature(kind).parameters),
            "published": [vars(each) for each in kind.published],
        }
    write_json(json, jsonlib.dumps({"metrics": {"benchmarks": len(found)}, "benchmarks": found}, indent=2))
    console().print(table)


def _missing(kind: type[Benchmark]) -> str:
    """Why the data of a benchmark with its default options cannot be read here; empty where it can."""
    try:
        kind().load()
    except HiergeoError as error:
        return str(error)
    except TypeError:
        return "it has options without default values"
    return ""
