"""Self-contained HTML pages of comparisons and studies: one renderer and one family of templates for both."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiergeo._core.limits import CAPTION_CHARACTERS
from hiergeo._core.storage.files import atomic_write_text
from hiergeo._core.text import caption, shortened, tame
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.comparison import SAME_RADIUS
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import curves, disk, summary
from hiergeo.report.assets import downloading, script
from hiergeo.report.ladders import check_image_count, exhibits
from hiergeo.report.radii import panels, tallest
from hiergeo.report.words import (
    baseline,
    baseline_heading,
    data_name,
    label,
    listing,
    number,
    protocol_name,
    short_model,
)
from hiergeo.training.study import Study
from hiergeo.training.study.result import DRIFT

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A section of a page: its template without the ending, which is also its id, and its heading."""

    name: str
    title: str


def write_page(result: Comparison | Study, path: Path, *, images: int = 12, seed: int = 0) -> Path:
    """Write one HTML file that needs nothing else: no network and no fonts; it is readable without scripts.

    Args:
        result: what to show; ladders appear where the protocol made them.
        path: the file, replaced whole or left as it was.
        images: number of images to show with their ladders, at least 1; drawn at random with `seed`.
        seed: of that draw, and of the chains on the disk.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: the file cannot be written.
    """
    check_image_count(images)
    context = _study(result, images, seed) if isinstance(result, Study) else _comparison(result, images, seed)
    atomic_write_text(path, environment().get_template("page.html").render(seed=seed, **context))
    return path


def write_study(study: Study, path: Path, *, images: int = 12, seed: int = 0) -> Path:
    """The page of a study: see `write_page`."""
    return write_page(study, path, images=images, seed=seed)


def environment() -> "Environment":
    """Jinja templates of this package: text from outside stays text, and unknown names are errors.

    Everything a template prints is escaped and `tame`. What can hold a caption or a name of the user's goes through the
    filter `outside`, which isolates its writing direction, or `isolated` where no element can stand.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("hiergeo.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_tame,
    )
    made.filters |= {
        "label": label,
        "less_is_better": lambda metric: find_metric(metric).higher_is_better is False,
        "number": number,
        "listing": listing,
        "baseline": baseline,
        "outside": _outside,
        "isolated": caption,
    }
    return made


def _tame(value: Any) -> Any:
    return tame(value) if type(value) is str else value


def _outside(text: Any) -> "Markup":
    from markupsafe import Markup

    return Markup("<bdi>{}</bdi>").format(tame(shortened(str(text), CAPTION_CHARACTERS)))


def _comparison(comparison: Comparison, images: int, seed: int) -> dict[str, Any]:
    first = comparison.results[0]
    by_geometry = {result.geometry: result for result in comparison.results}
    shown = panels(by_geometry)
    sections = (
        Section("results", "Results"),
        Section("verdicts", "What each geometry amounts to"),
        Section("radii", "Radii, tier by tier"),
        Section("ladders", "Ladders, image by image"),
        Section("reading", "How to read this"),
        Section("settings", "Settings"),
    )
    return {
        "study": None,
        "findings": comparison.findings,
        "conclusion": comparison.conclusion,
        "leakage": None,
        "title": f"{caption(short_model(str(first.settings['model'])))} on {caption(data_name(first))}",
        "kicker": (short_model(str(first.settings["model"])), data_name(first), protocol_name(first)),
        "sections": sections,
        "first": first,
        "beside": baseline_heading(first),
        "model": short_model(str(first.settings["model"])),
        "verdicts": [(result.geometry, str(result.space_verdict)) for result in comparison.results],
        "panels": shown,
        "tallest": tallest(shown),
        "chains": len(first.radii),
        "exhibits": exhibits(comparison.embedded, by_geometry, images, seed),
        "available": len(first.ladders),
        "settings": [*_common(first), ("geometries", ", ".join(by_geometry))],
        "scripts": downloading(),
        "summary": summary.of_comparison(comparison.findings),
    }


def _study(study: Study, images: int, seed: int) -> dict[str, Any]:
    heads = curves.shown(study)
    first = next(iter(study.before.values()))
    by_dim = {dim: [cell for cell in study.cells if cell.dim == dim] for dim in study.findings.dims}
    sections = (
        Section("results", "Geometries side by side"),
        Section("retained", "What training changed and what it kept"),
        Section("disk", "The learned space, around its root"),
        Section("ladders", "Ladders before and after"),
        Section("radii", "Radii, tier by tier"),
        Section("roc", "Telling children from contradicting captions"),
        Section("curves", "How the heads learned"),
        Section("verdicts", "What each geometry amounts to"),
        Section("reading", "How to read this"),
        Section("settings", "Settings"),
    )
    several = len(by_dim) > 1
    return {
        "study": study,
        "findings": study.findings,
        "conclusion": study.conclusion,
        "leakage": study.leakage,
        "title": f"Study of {caption(short_model(study.frozen.model))} on {caption(data_name(first))}",
        "kicker": ("study", short_model(study.frozen.model), data_name(first), f"{len(study.plan.seeds)} seeds"),
        "sections": sections,
        "first": first,
        "beside": baseline_heading(first),
        "model": short_model(study.frozen.model),
        "verdicts": [
            (f"{geometry}, {dim} dimensions" if several else geometry, str(verdict))
            for (geometry, dim), verdict in study.verdicts.items()
        ],
        "drift": DRIFT,
        "tiers": study.frozen.hierarchy.tiers,
        "curves": [
            (
                dim,
                curves.charted([*curves.loss_curves(cells), *curves.curvature_curves(cells)]),
                curves.charted(curves.radius_curves(cells), one_scale=True),
                bool(curves.curvature_curves(cells)),
            )
            for dim, cells in by_dim.items()
        ],
        "heads": heads,
        "rocs": [(dim, curves.roc_figure(study, dim)) for dim in by_dim],
        "settings": [*_common(first), *_of_study(study)],
        "scripts": [script("disk.js"), *downloading()],
        "summary": summary.of_study(study),
        **_radii(study, heads),
        **_ladders(study, heads, images, seed),
        **_disk(study, heads, seed),
    }


def _common(result: Result) -> list[tuple[str, object]]:
    """The settings that all geometries share."""
    return [(name.replace("_", " "), value) for name, value in result.settings.items() if name != "geometry"]


def _of_study(study: Study) -> list[tuple[str, object]]:
    plan, recipe = study.plan, study.plan.recipe
    found: list[tuple[str, object]] = [
        ("geometries", ", ".join(plan.geometries)),
        ("dimensions", ", ".join(map(str, plan.dims))),
        ("seeds of the heads", ", ".join(map(str, plan.seeds))),
        ("learning rates tried", ", ".join(map(str, plan.learning_rates))),
        ("curvatures", "learnt" if plan.learnable else "fixed"),
        ("losses", ", ".join(f"{name} {weight}" for name, weight in recipe.losses.items())),
        *(
            (f"head: {name}", getattr(recipe, name))
            for name in ("hidden", "unit", "steps", "batch", "validation", "every")
        ),
    ]
    for cell in study.cells:
        kept = [
            f"seed {run.seed}: state of step {run.trained.best}{f' ({run.problem})' if run.problem else ''}"
            for run in cell.runs
        ]
        found.append(
            (f"{cell.geometry}, {cell.dim} dimensions", "; ".join((f"learning rate {cell.learning_rate}", *kept)))
        )
    return found


def _radii(study: Study, heads: tuple[curves.Shown, ...]) -> dict[str, Any]:
    before = {f"before, {name}": result for name, result in _distinct(study.before).items()}
    after = {f"after, {head.cell.geometry}": head.run.summary.after for head in heads}
    shown = panels(before | after)
    return {"panels": shown, "tallest": tallest(shown), "chains": len(study.frozen.hierarchy.rows)}


def _distinct(before: dict[str, Result]) -> dict[str, Result]:
    """One result, without curvature, where radii are equal in every geometry, as they are without a head."""
    first, *others = before.values()
    same = all(np.allclose(result.radii, first.radii, rtol=SAME_RADIUS, atol=0) for result in others)
    return {"every geometry": replace(first, diagnostics={})} if same else before


def _ladders(study: Study, heads: tuple[curves.Shown, ...], images: int, seed: int) -> dict[str, Any]:
    results = {}
    for head in heads:
        results[f"{head.cell.geometry}, before"] = head.run.summary.before
        results[f"{head.cell.geometry}, after"] = head.run.summary.after
    shown = exhibits(study.frozen, results, images, seed)
    return {"exhibits": shown, "available": len(next(iter(results.values())).ladders)}


def _disk(study: Study, heads: tuple[curves.Shown, ...], seed: int) -> dict[str, Any]:
    spec = heads[0].cell.geometry
    spaces = {f"before, {spec}": (study.frozen, curves.unheaded(study, spec))}
    spaces |= {head.cell.geometry: (head.embedded, head.space) for head in heads}
    rows = disk.drawn_rows(study.frozen, seed)
    return {"views": disk.views(spaces, rows), "disk_chains": disk.chains(study.frozen, rows)}
