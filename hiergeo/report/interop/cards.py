"""Model cards of heads and image-text models: what they are, measurements and an audit, from stored files."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from hiergeo._core import markdown
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json, Open, validated
from hiergeo._core.storage.files import atomic_write_text
from hiergeo._core.storage.texts import read_text
from hiergeo._core.version import __version__
from hiergeo.adapters.head import HUB, read_head_config
from hiergeo.adapters.trained import DESCRIPTION, read_description
from hiergeo.evaluation.length import baseline_name
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report.interop.audit_card import TAGS, eval_results
from hiergeo.training.clip.card import clip_card

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARD, EVALUATION, AUDIT = "README.md", "evaluation.json", "audit.json"
"""The files beside a head or a model: its card, and what the card tells of its measurements and its audit."""

TASK = "Hierarchy of captions (hiergeo)"
"""The name of the task of what a card tells of a measurement."""

HASHED = "SHA-256 of the weights"
"""The row of a card by which it belongs to the weights of a head."""


class StoredResult(Open):
    """The JSON of a result, as far as cards use it."""

    metrics: dict[str, float | None]
    intervals: dict[str, list[float | None]] = Field(default_factory=dict)
    baselines: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    settings: dict[str, Json] = Field(default_factory=dict)


class StoredAudit(Open):
    """The JSON of an audit, as far as cards use it."""

    verdict: str
    settings: dict[str, Json] = Field(default_factory=dict)


WEIGHTS = "weights_sha256"
"""The key by which a measurement belongs to the weights it was made of."""

FILES = ("npz", "lvis", "meru", "hycoclip", "meru-clip", "uncha", "phyclip")
"""Adapters whose specs name files; ``lvis:clip`` alone names none."""

FOLDERS = ("hyper3", "prolip")
"""Adapters whose specs name a folder, or a repository as ORG/NAME."""

TEMPLATE = Path(__file__).parent.parent / "templates" / "model_card.md"


class HasJson(Protocol):
    """A result, an audit, or anything else that tells of itself in JSON."""

    def to_json(self) -> str:
        """A JSON object."""


def write_card(
    folder: Path | str,
    result: HasJson | Mapping[str, Any] | None = None,
    audit: str | HasJson | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    license: str | None = None,
) -> Path:
    """Store a measurement and an audit beside a head, and write its card from all that is stored; returns the card.

    What is stored belongs to the present weights: once the head is trained again, its card leaves it out.

    Args:
        folder: of the head, or of a model of `hiergeo.training.train_clip`.
        result: of `evaluate` or `measure`, or its JSON as an object; None keeps what is stored.
        audit: of `hiergeo.audit`, or its JSON as an object, or a verdict in words; None keeps what is stored.
        name: of the repository, as for `head_card`.
        license: identifier of the licence, as the hub knows it, such as ``cc-by-4.0``.

    Raises:
        InputError: there is no head, its files are damaged, or `result` or `audit` is not such an object.
        UnavailableError: the folder cannot be written.
    """
    folder = Path(folder)
    _config(folder)
    if result is not None:
        store_result(folder, result)
    if audit is not None:
        _store(folder / AUDIT, {"verdict": audit} if isinstance(audit, str) else audit, StoredAudit)
    card = folder / CARD
    atomic_write_text(card, head_card(folder, name, license=license))
    return card


def store_result(folder: Path, result: HasJson | Mapping[str, Any]) -> None:
    """Store a measurement beside a head, for its card; arguments and errors as for `write_card`."""
    _store(folder / EVALUATION, result, StoredResult)


def of_these_weights(path: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is stored beside a head; None if nothing is, or if it is of other weights.

    Raises:
        InputError: the file is damaged.
    """
    stored = documents.read(path, dict[str, Json], hashed=True) if path.is_file() else {}
    return stored if stored.get(WEIGHTS) == config[WEIGHTS] else None


def is_outdated(card: Path, config: Mapping[str, Any]) -> bool:
    """Whether a card was written here for other weights than those of the head; false for a card that people wrote."""
    named = re.search(rf"^\| {HASHED} \| ([0-9a-f]{{64}}) \|$", read_text(card, "write the card anew"), re.MULTILINE)
    return named is not None and named[1] != config[WEIGHTS]


def _config(folder: Path) -> dict[str, Any]:
    return read_description(folder) if (folder / DESCRIPTION).is_file() else read_head_config(folder)


def _store(path: Path, value: HasJson | Mapping[str, Any], kind: type[Open]) -> None:
    """Write what was measured, without the paths of this machine: the command and the spec of the model."""
    try:
        values = json.loads(json.dumps(dict(value)) if isinstance(value, Mapping) else value.to_json())
        validated(kind, values)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} cannot be stored beside the head: {reason(error)}.") from error
    shared = {name: part for name, part in values.items() if name not in (documents.HASH, "command")}
    if "settings" in shared:
        shared["settings"] = {name: part for name, part in shared["settings"].items() if name != "model"}
    documents.write(path, {**shared, WEIGHTS: _config(path.parent)[WEIGHTS]})


def head_card(folder: Path | str, name: str | None = None, *, license: str | None = None) -> str:
    """The card of a stored head or image-text model, in Markdown with the metadata that the Hugging Face hub reads.

    Args:
        folder: of the head.
        name: of the repository, for the example; by default the folder's.
        license: identifier of the licence, as the hub knows it.

    Raises:
        InputError: there is no head, or its files are damaged.
    """
    folder = Path(folder)
    config = _config(folder)
    measured, audited = (of_these_weights(folder / name, config) for name in (EVALUATION, AUDIT))
    base, title = config.get("base"), name or folder.resolve().name
    settings = (measured or {}).get("settings", {})
    named = (str(settings[key]) for key in ("dataset", "split", "protocol", "geometry") if key in settings)
    shared: dict[str, Any] = {
        "title": title,
        "metrics": None if measured is None else _metrics(measured),
        "about": ", ".join(named),
        "verdict": audited["verdict"] if audited else "",
    }
    results = {} if measured is None else {"eval_results": _results(measured), "model_name": title}
    if (folder / DESCRIPTION).is_file():
        return clip_card(config, license=license, results=results, **shared)
    return markdown.card(
        "ModelCard",
        TEMPLATE,
        _head(config, license) | results,
        spec=f"head:{HUB if '/' in title else ''}{title}{'@SPEC' if base is None or names_a_path(base) else ''}",
        facts=_facts(config),
        **shared,
    )


def names_a_path(spec: str) -> bool:
    """Whether the spec of a model leads to a file or folder, which other machines do not have."""
    adapter, _, rest = spec.partition(":")
    if adapter == "head" and rest.startswith(HUB):
        return names_a_path(rest.partition("@")[2])
    if adapter == "trained":
        return not rest.startswith(HUB)
    if adapter == "head" or (adapter in FILES and rest != "clip"):
        return True
    name, _, options = rest.partition("?")
    values = [pair.partition("=")[2] for pair in options.split("&")]
    return (adapter in FOLDERS and name.count("/") != 1) or any(map(_is_place, (name, *values)))


def _is_place(name: str) -> bool:
    looks = name.startswith((".", "/", "~", "local-dir:")) or "//" in name or "/." in name
    return looks or (bool(name) and os.path.exists(name))


def _head(config: Mapping[str, Any], license: str | None) -> dict[str, Any]:
    """What the hub reads."""
    base = str(config.get("base") or "")
    adapter, _, rest = base.partition(":")
    hosted = adapter in ("hf", "sentence-transformers", "mteb") and not names_a_path(base)
    return {
        "library_name": "hiergeo",
        "license": license or None,
        "base_model": rest.partition("?")[0].partition("@")[0] if hosted else None,
        "tags": list(TAGS),
    }


def _facts(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    data, shape, recipe = config.get("data") or {}, config["shape"], config.get("recipe") or {}
    curvature = config.get("curvature")
    base = config.get("base")
    rows = {
        "frozen model": "named by the user"
        if base is None
        else "stored on its author's machine"
        if names_a_path(base)
        else base,
        "fingerprint of the frozen model": config.get("base_fingerprint"),
        "geometry": config.get("geometry"),
        "curvature at the end of the training": ", ".join(f"{k:.6g}" for k in curvature) if curvature else None,
        "root": config.get("root"),
        "losses": ", ".join(f"{name} x {weight:g}" for name, weight in (config.get("losses") or {}).items()) or None,
        "training data": f"{data['origin']}, {data['rows']:,} rows" if {"origin", "rows"} <= set(data) else None,
        "SHA-256 of the training data": data.get("sha256"),
        "test data in the training": config.get("leakage") or ("none known" if data else None),
        "shape": f"{shape['inputs']} -> {shape['outputs']}, hidden {shape['hidden']}, "
        f"{'unit' if shape['unit'] else 'free'} norms",
        "steps, batch, learning rate": ", ".join(
            str(config[key]) for key in ("steps", "batch", "learning_rate") if key in config
        )
        or None,
        "seed": config.get("seed", recipe.get("seed")),
        HASHED: config["weights_sha256"],
        "versions": f"hiergeo {config.get('hiergeo', __version__)}, torch {config.get('torch', 'unknown')}",
    }
    return [(name, str(value)) for name, value in rows.items() if value is not None]


def _metrics(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows of the table of metrics."""
    intervals, baselines = measured.get("intervals", {}), measured.get("baselines", {})
    return [
        (
            find_metric(name).heading,
            _number(value),
            " to ".join(map(_number, intervals.get(name, []))),
            ", ".join(f"{baseline_name(key)} {_number(reached)}" for key, reached in baselines.get(name, {}).items()),
        )
        for name, value in measured["metrics"].items()
    ]


def _results(measured: Mapping[str, Any]) -> "list[EvalResult]":
    numbers = measured["metrics"]
    labels = {name: find_metric(name).label for name in numbers}
    return eval_results(TASK, numbers, measured.get("intervals", {}), measured.get("settings", {}), labels)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
