"""``hiergeo compare``: one model, several geometries, one table and one page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from hiergeo import adapters
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, space_of, write_json
from hiergeo.evaluation import Comparison
from hiergeo.evaluation import compare as run
from hiergeo.evaluation.evaluate import check

GEOMETRIES = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]

Images = Annotated[int, typer.Option(help="Image ladders on the page.", metavar="N", min=0)]


def compare(
    model: options.Model,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.Geometries = GEOMETRIES,
    protocol: options.Protocol = "re",
    steps: options.Steps = 50,
    root: options.Root = "model",
    html: options.Html = Path("hiergeo-compare.html"),
    images: Images = 12,
    json: options.Json = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
) -> None:
    """Compare geometries on the same embeddings, with paired intervals, and write a page with pictures."""
    check_writable(json, html)
    check(protocol, steps)
    spaces = [space_of(spec, root) for spec in geometry]
    hierarchy = load_data(data, split, rows)
    loaded = adapters.load(model, device=device)
    comparison = run(loaded, hierarchy, spaces, protocol, steps, seed, progress=True)
    publish(comparison, html, json, images, seed)


def publish(comparison: Comparison, html: Path, json: Path | None, images: int, seed: int) -> None:
    """Write the page and the JSON, print the table and the verdicts."""
    from hiergeo.report import comparison_table, write_page

    write_json(json, comparison.to_json())
    write_page(comparison, html, images=images, seed=seed)
    console = Console()
    console.print(comparison_table(comparison))
    for result in comparison.results:
        console.print(Text.assemble((result.geometry, "bold"), f": {result.verdict}"))
    console.print(f"Page: {html.absolute()}", soft_wrap=True, markup=False, highlight=False)
