"""The report of a study as one HTML file: what was found, how sure it is, and what it looks like."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hiergeo.evaluation import Result
from hiergeo.evaluation.comparison import SAME_RADIUS
from hiergeo.report.environment import environment
from hiergeo.report.exhibits import check_images, exhibits
from hiergeo.report.figures import panels, tallest
from hiergeo.report.study import curves, disk
from hiergeo.report.study.heads import Shown, shown
from hiergeo.report.study.retained import Retained
from hiergeo.report.study.roc import roc_curves, unheaded
from hiergeo.report.study.scores import tables
from hiergeo.report.study_table import DRIFT
from hiergeo.report.words import data_name, short_model
from hiergeo.storage.files import atomic_write_text
from hiergeo.study import Study

SCRIPT = "disk.js"
"""The one script of the page; its hash is all that the page's content security policy lets run."""


SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
"""Where one sentence ends and the next begins."""


def write_study(study: Study, path: Path, *, images: int = 12, seed: int = 0) -> Path:
    """Write one HTML file that needs nothing else: no network, no fonts, and readable without its one script.

    Args:
        study: what to show.
        path: the file, replaced whole or left as it was.
        images: how many images to show with their ladders, at least 1; drawn at random with `seed`.
        seed: of that draw, of the chains on the disk, and of the false pairs where the data have none.

    Raises:
        InputError: `images` is below 1.
        UnavailableError: the file cannot be written.
    """
    check_images(images)
    atomic_write_text(path, render(study, images, seed))
    return path


def render(study: Study, images: int, seed: int) -> str:
    """The page as HTML."""
    heads = shown(study)
    script = (files("hiergeo.report") / "templates" / SCRIPT).read_text(encoding="utf-8")
    by_dim = tables(study)
    headline, *lede = SENTENCES.split(study.conclusion)
    first = next(iter(study.before.values()))
    return (
        environment()
        .get_template("study.html")
        .render(
            study=study,
            headline=headline,
            lede=lede,
            model=short_model(study.frozen.model),
            data=data_name(first),
            tables=by_dim,
            retained=[Retained(scores) for scores in by_dim],
            drift=DRIFT,
            curves=[(each, curves.learning(each), curves.radii(each), curves.curvatures(each)) for each in by_dim],
            heads=heads,
            roc=roc_curves(study, heads, seed),
            first=first,
            seed=seed,
            script=script,
            script_hash=base64.b64encode(sha256(script.encode()).digest()).decode(),
            **_radii(study, heads),
            **_ladders(study, heads, images, seed),
            **_disk(study, heads, seed),
        )
    )


def _radii(study: Study, heads: tuple[Shown, ...]) -> dict[str, Any]:
    before = {f"before, {name}": result for name, result in _distinct(study.before).items()}
    after = {f"after, {head.cell.geometry}": head.run.summary.after for head in heads}
    drawn = panels(before | after)
    return {"panels": drawn, "tallest": tallest(drawn), "chains": len(study.frozen.hierarchy.rows)}


def _distinct(before: dict[str, Result]) -> dict[str, Result]:
    """One result where radii are the same in every geometry, as they are without a head; then it is of no curvature."""
    first, *others = before.values()
    same = all(np.allclose(result.radii, first.radii, rtol=SAME_RADIUS, atol=0) for result in others)
    return {"every geometry": replace(first, diagnostics={})} if same else before


def _ladders(study: Study, heads: tuple[Shown, ...], images: int, seed: int) -> dict[str, Any]:
    results = {}
    for head in heads:
        results[f"{head.cell.geometry}, before"] = head.run.summary.before
        results[f"{head.cell.geometry}, after"] = head.run.summary.after
    ladders = exhibits(study.frozen, results, images, seed)
    return {"exhibits": ladders, "available": len(next(iter(results.values())).ladders)}


def _disk(study: Study, heads: tuple[Shown, ...], seed: int) -> dict[str, Any]:
    spec = heads[0].cell.geometry
    spaces = {f"before, {spec}": (study.frozen, unheaded(study, spec))}
    spaces |= {head.cell.geometry: (head.embedded, head.space) for head in heads}
    rows = disk.drawn(study.frozen, seed)
    return {"views": disk.views(spaces, rows), "disk_chains": disk.chains(study.frozen, rows)}
