"""``hiergeo benchmark``: one model on one benchmark of the field, or the table of all benchmarks."""

import inspect
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.records import WRITTEN, Record, Records, check_format
from hiergeo.cli import options
from hiergeo.cli._io import SpaceOptions, check_writable, publish, write_json
from hiergeo.cli.options import argument, flag, option
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from hiergeo.evaluation.benchmarks import Benchmark

CLIP_BENCHMARK = "clip-benchmark"
INDENT = (0, 0, 0, 2)


def benchmark_command(
    name: Annotated[str | None, argument("NAME", "A benchmark; see --list.")] = None,
    model: Annotated[str | None, option("SPEC", "tiny, open_clip:ARCH/TAG, npz:FILE, ...", "--model", "-m")] = None,
    config: Config = None,
    captions: options.RowTexts = None,
    listed: Annotated[
        bool, flag("--list", "Print every benchmark, or only NAME, and whether its data is here.")
    ] = False,
    geometry: options.MeasuredGeometry = None,
    set: Annotated[list[str], option("KEY=VALUE", "An option of the benchmark; repeat it for more.")] = [],  # noqa: B006 - typer copies it
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: Annotated[
        str,
        option(
            "NAME",
            f"table; or {', '.join(WRITTEN)}, json or clip-benchmark (the JSON of CLIP_benchmark, for retrieval and "
            "zero_shot) alone on standard output.",
        ),
    ] = "table",
    json: options.Json = None,
    seed: options.Seed = 0,
    samples: options.Samples = 1000,
    device: options.Device = options.AUTO,
) -> None:
    """Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them."""
    from hiergeo.evaluation.benchmarks import BENCHMARKS
    from hiergeo.evaluation.benchmarks.benchmark import BenchmarkResult, benchmark_named, measure
    from hiergeo.report.interop.clip_benchmark import check_clip_benchmark, to_clip_benchmark

    if format == CLIP_BENCHMARK:
        check_clip_benchmark(name or "")
    else:
        check_format(format)
    check_writable(json)
    if listed or name is None:
        _print_list(json, "table" if format == CLIP_BENCHMARK else format, name)
        return
    task = benchmark_named(name, **options.settings_of(name, inspect.signature(BENCHMARKS.get(name)).parameters, set))
    if model is None:
        raise InputError(f"name the model to measure on {name}: --model SPEC.")
    chosen = SpaceOptions(geometry, root, min_radius)
    chosen.check()
    task.load()
    loaded, space = chosen.load(model, device)
    result = measure(loaded, task, space, seed=seed, samples=samples, device=device, progress=True)
    if format == CLIP_BENCHMARK:
        write_json(json, result)
        print(jsonlib.dumps(to_clip_benchmark(result), indent=2))
        return
    publish(result, json, format, BenchmarkResult(result, task.published))


def _print_list(json: Path | None, form: str, only: str | None) -> None:
    """Every benchmark, or one: its data and whether it is here, its options and metrics, and figures of papers."""
    from hiergeo.evaluation.benchmarks import BENCHMARKS
    from hiergeo.evaluation.benchmarks.benchmark import published_lines

    if only is not None:
        BENCHMARKS.get(only)
    rows: list[Record] = []
    screen: list[RenderableType] = []
    benchmarks: dict[str, dict[str, Any]] = {}
    for name in BENCHMARKS.names() if only is None else [only]:
        try:
            kind = BENCHMARKS.get(name)
            missing = _missing(kind)
        except HiergeoError as error:
            screen += [Text(name, style="bold"), Text(f"  cannot be used: {error}")]
            rows.append({"benchmark": name, "runs": False, "missing": str(error)})
            continue
        parameters = inspect.signature(kind).parameters.values()
        defaults = ", ".join(f"{parameter.name}={parameter.default}" for parameter in parameters) or "none"
        metrics = ", ".join(kind.metrics)
        lines = [
            f"data: {kind.needs or 'none'}",
            f"options: {defaults}",
            f"runs with these options here: {f'no, {missing}' if missing else 'yes'}",
            f"metrics: {metrics}",
            *published_lines(kind.published),
        ]
        screen += [Text.assemble((name, "bold"), f"  {kind.label}"), *(Padding(Text(line), INDENT) for line in lines)]
        row = {"benchmark": name, "runs": not missing, "data": kind.needs or None, "missing": missing or None}
        rows.append({**row, "options": defaults, "metrics": metrics})
        benchmarks[name] = {
            "label": kind.label,
            "needs": kind.needs,
            "missing": missing,
            "primary": kind.primary,
            "metrics": list(kind.metrics),
            "options": [parameter.name for parameter in parameters],
            "published": [vars(figure) for figure in kind.published],
        }
    document = {"metrics": {"benchmarks": len(benchmarks)}, "benchmarks": benchmarks}
    publish(document, json, form, Records(rows), screen=screen)


def _missing(kind: "type[Benchmark]") -> str:
    """Why the data of a benchmark with its default options cannot be read here; empty where it can."""
    try:
        kind().load()
    except HiergeoError as error:
        return str(error)
    except TypeError:
        return "it has options without default values"
    return ""
