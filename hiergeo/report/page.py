"""The self-contained HTML page of a comparison: findings, table, figures, ladders, settings, and how to read them."""

from pathlib import Path

from hiergeo.evaluation import Comparison, Result
from hiergeo.report.environment import environment
from hiergeo.report.exhibits import check_images, exhibits
from hiergeo.report.figures import panels, tallest
from hiergeo.report.findings import Findings
from hiergeo.report.table import WIDE
from hiergeo.report.words import data_name, protocol_name, short_model
from hiergeo.storage.files import atomic_write_text


def write_page(comparison: Comparison, path: Path, *, images: int = 12, seed: int = 0) -> Path:
    """Write one HTML file that needs nothing else: no network, no fonts, no scripts.

    Args:
        comparison: what to show; ladders appear when the protocol made them.
        path: the file, replaced whole or left as it was.
        images: how many images to show with their ladders, at least 1; drawn at random with `seed`.
        seed: of that draw.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: the file cannot be written.
    """
    check_images(images)
    atomic_write_text(path, render(comparison, images, seed))
    return path


def render(comparison: Comparison, images: int, seed: int) -> str:
    """The page as HTML."""
    findings = Findings(comparison)
    first = comparison.results[0]
    by_geometry = {result.geometry: result for result in comparison.results}
    drawn = panels(by_geometry)
    return (
        environment()
        .get_template("page.html")
        .render(
            findings=findings,
            results=comparison.results,
            across=len(findings.metrics) <= WIDE,
            model=short_model(str(first.settings["model"])),
            data=data_name(first),
            protocol=protocol_name(first),
            settings=_common(first),
            panels=drawn,
            tallest=tallest(drawn),
            chains=len(first.radii),
            exhibits=exhibits(comparison.embedded, by_geometry, images, seed),
            available=len(first.ladders),
            seed=seed,
        )
    )


def _common(result: Result) -> dict[str, str | int | float]:
    """The settings that all geometries share."""
    return {name: value for name, value in result.settings.items() if name != "geometry"}
