"""Self-contained HTML pages of comparisons, studies, audits and suites: one renderer and one family of templates."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiergeo._core.errors import InputError
from hiergeo._core.limits import CAPTION_CHARACTERS
from hiergeo._core.records import number
from hiergeo._core.storage.files import atomic_write_text
from hiergeo._core.text import caption, listing, shortened, tame, without_folders
from hiergeo.adapters import ADAPTERS
from hiergeo.datasets import DATASETS
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.auditing.record import Audit
from hiergeo.evaluation.experiment import Contrast
from hiergeo.evaluation.length import baseline_name
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import curves, drawing, plot, summary
from hiergeo.report.assets import downloading
from hiergeo.report.ladders import cards, exhibits
from hiergeo.report.radii import distributions, tallest
from hiergeo.report.shown import before_and_after, results, shown
from hiergeo.report.terminal import said
from hiergeo.training.study import Study, StudyCell
from hiergeo.training.study.result import DRIFT

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from hiergeo.training.suite import Leaderboard


@dataclass(frozen=True)
class PageSection:
    """A section of a page: its template without the ending, which is also its id, its heading, and whether it folds."""

    name: str
    title: str
    folded: bool = True


def write_page(result: Comparison | Study, path: Path, *, images: int = 12, seed: int = 0) -> Path:
    """Write one HTML file that needs nothing else: no network and no fonts; it is readable without scripts.

    Args:
        result: what to show; ladders appear where the protocol made them.
        path: the file, replaced whole or left as it was.
        images: number of images to show with their ladders, at least 1; drawn at random with `seed`.
        seed: of that draw.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: the file cannot be written.
    """
    if images < 1:
        raise InputError(f"a page shows at least 1 image, not {images}.")
    context = _study(result, images, seed) if isinstance(result, Study) else _comparison(result, images, seed)
    return write_html(path, "page.html", seed=seed, **context)


def write_audit(audit: Audit, path: Path) -> Path:
    """Write the page of an audit: one HTML file that needs nothing else.

    Raises:
        UnavailableError: the file cannot be written.
    """
    settings = audit.settings
    model, data = without_folders(str(settings["model"])), f"{settings['dataset']} {settings['split']}"
    count = sum(name.startswith("curvature_factor") for name in audit.numbers)
    return write_html(
        path,
        "audit.html",
        picture=summary.of_audit(audit),
        audit=audit,
        conclusion=audit,
        title=f"Audit of {caption(model)} on {caption(data)}",
        kicker=("audit", model, data, str(settings["geometry"])),
        factors=[(at, audit.numbers[f"curvature_factor{at}"]) for at in range(count)],
        chart=audit.u_quantiles and drawing.svg(plot.operating_point(audit), "Share of captions up to u against u"),
        settings=spaced(settings),
    )


def write_leaderboard(table: "Leaderboard", path: Path) -> Path:
    """Write the page of a suite, one HTML file that needs nothing else.

    Args:
        table: what to show.
        path: the file, replaced whole or left as it was.

    Raises:
        UnavailableError: the file cannot be written.
    """
    standings = [
        (PageSection(f"benchmark{at}", standing.name), standing) for at, standing in enumerate(table.standings)
    ]
    return write_html(
        path,
        "leaderboard.html",
        picture=summary.of_leaderboard(table),
        title=caption(table.plan.title),
        kicker=("suite", table.plan.title),
        conclusion=table.conclusion,
        table=table,
        standings=standings,
        counts=Counter(cell.status for cell in table.cells.values()),
        settings=_of_suite(table),
    )


def write_html(
    path: Path,
    template: str,
    *,
    picture: summary.DotPlots,
    **context: Any,
) -> Path:
    """Write one HTML file that needs nothing else from a template; returns the path.

    Args:
        path: the file, replaced whole or left as it was.
        template: its name.
        picture: what stands below the headline.
        context: what else the template shows.

    Raises:
        UnavailableError: the file cannot be written.
    """
    page = environment().get_template(template)
    shared = {"scripts": downloading(), "summary": pictured(picture)}
    atomic_write_text(path, _without_folders(page.render(**shared, **context)))
    return path


def _without_folders(text: str) -> str:
    """A page in which the specs of models and data name files, not the folders of the machine that they are in."""
    kinds = "|".join(map(re.escape, (*ADAPTERS.names(), *DATASETS.names())))
    spec = rf"\b(?:{kinds}):[^\s<>\"'&,;()]+"
    return re.sub(spec, lambda match: without_folders(match.group()), text)


def environment() -> "Environment":
    """Jinja templates of this package: text from outside stays text, and unknown names are errors.

    Everything a template prints is escaped and `tame`, and per cent stay on the line of their figure. What can hold a
    caption or a name of the user's goes through the filter `outside`, which isolates its writing direction, or
    `isolated` where no element can stand.
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
        "record": find_metric,
        "number": number,
        "listing": listing,
        "baseline_name": baseline_name,
        "outside": _outside,
        "isolated": caption,
        "reach": reach,
    }
    return made


def _tame(value: Any) -> Any:
    return tame(value).replace(" %", "\N{NO-BREAK SPACE}%") if type(value) is str else value


def reach(contrasts: Sequence[Contrast]) -> float:
    """The largest distance from 0 of any bound of some contrasts."""
    return max(max(map(abs, contrast.simultaneous)) for contrast in contrasts) or 1.0


def _outside(text: Any) -> "Markup":
    from markupsafe import Markup

    return Markup("<bdi>{}</bdi>").format(tame(shortened(str(text), CAPTION_CHARACTERS)))


def _data_name(result: Result) -> str:
    """The dataset and its split."""
    return f"{result.settings['dataset']} {result.settings['split']}"


def _protocol_name(result: Result) -> str:
    """The protocol, with its steps where they play a part."""
    protocol = str(result.settings["protocol"])
    return protocol if protocol == "pairs" else f"{protocol}, {result.settings['steps']} steps"


def _comparison(comparison: Comparison, images: int, seed: int) -> dict[str, Any]:
    first = comparison.results[0]
    sections = (
        PageSection("results", "Results", folded=False),
        PageSection("ladders", "Ladders, image by image", folded=not first.ladders),
        PageSection("verdicts", "What each geometry amounts to"),
        PageSection("radii", "Radii, tier by tier"),
        PageSection("reading", "How to read this"),
        PageSection("settings", "Settings"),
    )
    model = without_folders(str(first.settings["model"]))
    return {
        "study": None,
        "title": f"{caption(model)} on {caption(_data_name(first))}",
        "kicker": (model, _data_name(first), _protocol_name(first)),
        "sections": sections,
        "verdicts": [
            (f"{geometry}, {question.replace('_', ' ')}: {answer.word}", answer.sentence)
            for geometry, answers in comparison.answers.items()
            for question, answer in answers.items()
        ],
        "exhibits": exhibits(comparison.embedded, results(comparison), images, seed),
        "cards": cards(comparison.embedded, results(comparison)),
        "settings": [*spaced(first.settings, "geometry"), ("geometries", ", ".join(results(comparison)))],
        "picture": summary.of_comparison(comparison.board),
        **_shared(comparison, first, model),
        "available": len(first.ladders),
    }


def _study(study: Study, images: int, seed: int) -> dict[str, Any]:
    first = next(iter(study.before.values()))
    by_dim = {dim: [cell for cell in study.cells if cell.dim == dim] for dim in study.board.dims}
    several = len(by_dim) > 1
    sections = (
        PageSection("results", "Geometries side by side", folded=False),
        PageSection("retained", "What training changed and what it kept"),
        PageSection("ladders", "Ladders before and after"),
        PageSection("radii", "Radii, tier by tier"),
        PageSection("curves", "How the heads learned"),
        PageSection("verdicts", "What each geometry amounts to"),
        PageSection("reading", "How to read this"),
        PageSection("settings", "Settings"),
    )
    model = without_folders(study.frozen.model)
    return {
        "study": study,
        "title": f"Study of {caption(model)} on {caption(_data_name(first))}",
        "kicker": ("study", model, _data_name(first), f"{len(study.plan.seeds)} seeds"),
        "sections": sections,
        "verdicts": [
            (
                f"{cell.geometry}, {cell.dim} dimensions" if several else cell.geometry,
                "; ".join(f"{name}: {fact}" for name, fact in cell.facts.items()),
            )
            for cell in study.cells
        ],
        "drift": DRIFT,
        "heads": shown(study),
        "curves": [(dim, _learning(cells, dim)) for dim, cells in by_dim.items()],
        "exhibits": exhibits(study.frozen, before_and_after(study), images, seed),
        "settings": [*spaced(first.settings, "geometry"), *_of_study(study)],
        "picture": summary.of_study(study),
        **_shared(study, first, model),
        "available": len(next(iter(before_and_after(study).values())).ladders),
    }


def _shared(source: Comparison | Study, first: Result, model: str) -> dict[str, Any]:
    """What pages of comparisons and of studies both show."""
    board = source.board
    return {
        "board": board,
        "conclusion": source.conclusion,
        "omissions": source.omissions,
        "said": said(source.results if isinstance(source, Comparison) else ()),
        "first": first,
        "model": model,
        "pictured": summary.main_metrics(board, max(board.dims)),
        **_radii(source),
    }


def spaced(settings: Mapping[str, object], *left_out: str) -> list[tuple[str, object]]:
    """Settings by their names in words, but for those that are left out."""
    return [(name.replace("_", " "), value) for name, value in settings.items() if name not in left_out]


def _of_study(study: Study) -> list[tuple[str, object]]:
    plan, recipe = study.plan, study.plan.recipe
    rows: list[tuple[str, object]] = [
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
        states = [
            f"seed {run.seed}: state of step {run.trained.best}{f' ({run.problem})' if run.problem else ''}"
            for run in cell.runs
        ]
        rows.append(
            (f"{cell.geometry}, {cell.dim} dimensions", "; ".join((f"learning rate {cell.learning_rate}", *states)))
        )
    return rows


def pictured(picture: summary.DotPlots) -> dict[str, Any]:
    """The SVG elements of a summary, and what they show in words."""
    return {"plots": [drawing.svg(plot.dots(dots), str(dots)) for dots in picture.plots], "caption": picture.caption}


def _radii(source: Comparison | Study) -> dict[str, Any]:
    drawn = distributions(results(source))
    highest = tallest(drawn)
    panels = []
    for space in drawn:
        means = ", ".join(f"{number(mean)} in tier {tier}" for tier, mean in enumerate(space.means.tolist()))
        panels.append(drawing.svg(plot.radii(space, highest=highest), f"Radii, {space.title}: mean {means}"))
    return {
        "panels": panels,
        "growth": any(space.growth is not None for space in drawn),
        "tallest": highest,
        "tiers": len(drawn[0].means),
        "chains": int(drawn[0].counts[0].sum()),
    }


def _learning(cells: Sequence[StudyCell], dim: int) -> "list[Markup]":
    """Charts of losses, tau_d and curvatures by step."""
    geometries = [cell.geometry for cell in cells]
    return [
        drawing.svg(plot.curve_panel(lines, geometries), f"{lines.title} against training step, {dim} dimensions")
        for lines in curves.learning_curves(cells)
    ]


def _of_suite(table: "Leaderboard") -> list[tuple[str, Any]]:
    plan, cells = table.plan, table.cells.values()
    measured = [cell.result.settings for cell in cells if cell.result is not None]
    versions, devices = (sorted({str(of[key]) for of in measured if key in of}) for key in ("hiergeo", "device"))
    return [
        ("seed", plan.seed),
        ("bootstrap samples", plan.samples),
        ("dtype", plan.dtype),
        ("devices", ", ".join(devices) or "none yet"),
        ("hiergeo", ", ".join(versions) or "none yet"),
        ("seconds of measuring", number(sum(cell.seconds for cell in cells), 0)),
        *((f"model: {model.name}", _described(model.spec, model.train)) for model in plan.models),
    ]


def _described(spec: str, train: Any) -> str:
    if train is None:
        return spec
    rows = "" if train.rows is None else f", {train.rows} rows"
    return f"{spec}, then {train.kind} on {train.data} {train.split}{rows} in {train.geometry}"
