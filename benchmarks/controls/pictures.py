"""Retrieval on real CLIP embeddings, and HierarCaps by every protocol on stored MiniLM embeddings, space by space."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.controls.findings import Cell, Findings
from hiergeo import adapters, datasets, evaluate
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import archives
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, data_home
from hiergeo.datasets.captioned.loading import FLICKR8K
from hiergeo.evaluation import Result, benchmarks
from hiergeo.evaluation.metrics import percentile_interval

LIT = Path("embeddings") / "hierarcaps_minilm_lit.npz"
TRAINING = Path("embeddings") / "hierarcaps_train_split_minilm.npz"
SPACES = ("euclidean", "lorentz:-0.1", "lorentz:-1", "lorentz:-4", "sphere:0.25")
PROTOCOLS = {
    "re": ("precision", "recall", "tau_d", "tau_d_equal_length"),
    "traversal": ("precision", "recall", "any_hit"),
    "hyper3": (
        "auroc",
        "auroc_margin",
        "auroc_distance",
        "average_precision",
        "average_precision_margin",
        "average_precision_distance",
        "auroc_finest_margin",
        "auroc_finest_distance",
        "auroc_text_alone",
    ),
    "pep": ("auroc", "average_precision"),
}
"""The metrics of each protocol that are shown."""


def run(out: Path | None, scale: str) -> Findings:
    """Every table; with the scale ``quick`` few resamples and two spaces."""
    samples, spaces = (20, SPACES[:2]) if scale == "quick" else (1000, SPACES)
    findings = Findings("pictures", {"samples": samples, "spaces": list(spaces)})
    findings.notes.append(
        f"Intervals: 95 %, bootstrap over images with their captions or over chains, {samples} resamples."
    )
    _retrieval(findings, spaces, samples)
    findings.write(out)
    model = adapters.load(f"npz:{_needed(LIT)}")
    whole = datasets.load("hierarcaps", "test")
    for title, hierarchy in (("1,000 test images", whole), ("the 200 held-out images", _held_out(whole))):
        _protocols(findings, title, model, hierarchy, spaces[:: 2 if len(spaces) > 2 else 1], samples)
        findings.write(out)
    _pairs(findings, spaces[:: 2 if len(spaces) > 2 else 1], samples)
    return findings


def _retrieval(findings: Findings, spaces: Iterable[str], samples: int) -> None:
    path = _needed(FLICKR8K)
    model = adapters.load(f"npz:{path}@mean")
    flat = None
    for spec in spaces:
        result = benchmarks.measure(model, "retrieval", spec, data=str(path), captions=5, samples=samples)
        flat = flat or result
        for name in result.metrics:
            row = {"space": spec, "metric": name, **_measured(result, name)}
            difference = percentile_interval(result.draws[name] - flat.draws[name])
            against = "–" if result is flat else f"{difference.low:+.3f} to {difference.high:+.3f}"
            findings.add("Retrieval: 100 Flickr8k images, 500 captions, CLIP ViT-B/32", {**row, "minus flat": against})


def _protocols(
    findings: Findings, title: str, model: Model, hierarchy: Hierarchy, spaces: Iterable[str], samples: int
) -> None:
    for protocol, metrics in PROTOCOLS.items():
        for spec in spaces:
            result = evaluate(model, hierarchy, spec, protocol, samples=samples)
            for name in metrics:
                row: dict[str, Cell] = {"protocol": protocol, "space": spec, "metric": name}
                findings.add(f"HierarCaps, MiniLM and aligned images, {title}", row | _measured(result, name))
            for name in (each for each in result.metrics if each.startswith("score_ties")):
                ties: dict[str, Cell] = {"protocol": protocol, "space": spec, "metric": name}
                ties |= {"value": result.metrics[name], "95 %": "–", "baselines": "–"}
                findings.add(f"HierarCaps, MiniLM and aligned images, {title}", ties)


def _pairs(findings: Findings, spaces: Iterable[str], samples: int) -> None:
    hierarchy = datasets.load("hierarcaps", "expanded-train")
    with tempfile.TemporaryDirectory() as folder:
        model = adapters.load(f"npz:{_captioned(hierarchy, Path(folder) / 'training.npz')}")
        for spec in spaces:
            result = evaluate(model, hierarchy, spec, "pairs", samples=samples)
            for name in ("tau_d", "tau_d_equal_length", "auroc", "average_precision", "auroc_margin", "auroc_sibling"):
                row: dict[str, Cell] = {"space": spec, "metric": name}
                findings.add("HierarCaps, 18,770 chains without test images, MiniLM", row | _measured(result, name))


def _measured(result: Result, name: str) -> dict[str, Cell]:
    interval = result.intervals.get(name)
    beside = ", ".join(f"{key} {value:.3f}" for key, value in result.baselines.get(name, {}).items())
    between = "–" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
    return {"value": result.metrics[name], "95 %": between, "baselines": beside or "–"}


def _held_out(whole: Hierarchy) -> Hierarchy:
    """The rows of the images that the alignment of pictures and texts did not see."""
    with np.load(_needed(LIT)) as arrays:
        kept = set(arrays["image_id"][arrays["heldout"].astype(bool)].tolist())
    rows = tuple(row for row in whole.rows if row.image_id in kept)
    return Hierarchy(whole.name, "held-out", rows, tuple(image for image in whole.images if image.image_id in kept))


def _captioned(hierarchy: Hierarchy, path: Path) -> Path:
    """The stored embeddings of the training chains with their captions, as ``npz:`` reads them."""
    with np.load(_needed(TRAINING)) as arrays:
        text, root, order = arrays["text"], arrays["root"], {int(row): i for i, row in enumerate(arrays["row"])}
        chains = {"positive": arrays["positive"], "negative": arrays["negative"]}
    captions = [""] * len(text)
    for row in hierarchy.rows:
        for side, places in chains.items():
            for place, caption in zip(places[order[row.row_id]], getattr(row, side), strict=True):
                if captions[place] not in ("", caption):
                    raise InputError(f"the embedding {place} belongs to two captions: these are not the same chains.")
                captions[place] = caption
    archives.write(path, {"text": text, "caption": np.array(captions), "root": root})
    return path


def _needed(name: Path) -> Path:
    path = data_home() / name
    if not path.is_file():
        raise UnavailableError(f"{path} is not there: this control needs the stored embeddings.")
    return path
