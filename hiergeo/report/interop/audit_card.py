"""Model cards with an audit: results that the Hugging Face hub reads (``model-index``), and a paragraph of verdict."""

import math
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiergeo._core.errors import InputError, reason
from hiergeo._core.markdown import plain
from hiergeo._core.storage.files import atomic_write_text
from hiergeo._core.storage.texts import read_text
from hiergeo._core.text import without_folders
from hiergeo._core.version import __version__
from hiergeo.evaluation.auditing.record import Audit
from hiergeo.evaluation.metrics import find_metric

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

TASK = "Hierarchy of captions (hiergeo audit)"
"""The name of the task of the results, by which those of an earlier audit are known."""

HEADING = "## Hierarchy"

BESIDE = {
    "length_tau_d": "tau_d of the number of words",
    "right_equal_length": "right among equally many words",
    "cone_gain": "cone gain",
}
"""Numbers that stand beside the metrics of hierarchy, and what they are called: what length gives, and cones."""


OF_SPACE = ("radii", "curvature", "cones")
"""Questions about the space, whose answers are a paragraph of their own."""

TAGS = ("hiergeo", "hierarchy", "vision-language")
"""By which hubs find what hiergeo has measured or made."""


def eval_results(
    task: str,
    numbers: Mapping[str, float | None],
    intervals: Mapping[str, Sequence[float | None]],
    settings: Mapping[str, Any],
    labels: Mapping[str, str],
) -> "list[EvalResult]":
    """Finite numbers by the names of metrics as results that hubs read, with what they were measured on."""
    said = {name: without_folders(str(settings.get(name, "unknown"))) for name in ("dataset", "geometry", "split")}
    about = {"task_type": "feature-extraction", "task_name": task, "dataset_type": said["dataset"]}
    about |= {"dataset_name": said["dataset"], "dataset_config": said["geometry"], "dataset_split": said["split"]}
    measured = {key: settings[key] for key in ("rows", "root", "min_radius", "protocol") if key in settings}
    made = import_module("huggingface_hub").EvalResult
    return [
        made(
            metric_type=name,
            metric_name=labels[name],
            metric_value=value,
            metric_args={"interval": list(intervals[name])} if name in intervals else None,
            dataset_args=measured,
            **about,
        )
        for name, value in numbers.items()
        if value is not None and math.isfinite(value)
    ]


def read_card(path: Path | str, name: str = "model") -> "ModelCard":
    """A model card; where there is no such file an empty one, titled by the name.

    Raises:
        InputError: the file is not text, or what stands at its head is not the metadata of a card.
    """
    path = Path(path)
    text = read_text(path, "") if path.exists() else f"---\n{{}}\n---\n\n# {plain(name)}\n"
    try:
        card: ModelCard = import_module("huggingface_hub").ModelCard(text)
        return card
    except Exception as error:  # those of PyYAML are no ValueError
        raise InputError(f"{path} is not a model card: {reason(error)}; correct it, or name another file.") from error


def write_audit_card(path: Path | str, audit: Audit) -> None:
    """Write a model card with an audit, or add the audit to a card; that of the same data and geometry is replaced.

    Args:
        path: of the card, such as ``README.md``.
        audit: of `hiergeo.audit`.

    Raises:
        InputError: the file is not a model card.
        UnavailableError: it cannot be written.
    """
    settings = {name: without_folders(str(value)) for name, value in audit.settings.items()}
    card = read_card(path, settings["model"])
    data, split, geometry = (settings[key] for key in ("dataset", "split", "geometry"))
    labels = {name: find_metric(name).label for name in audit.attribution} | BESIDE
    numbers = {name: audit.numbers[name] for name in labels if name in audit.numbers}
    results = eval_results(TASK, numbers, audit.intervals, audit.settings, labels)
    metadata: Any = card.data
    metadata.library_name = metadata.library_name or "hiergeo"
    tags = [metadata.tags] if isinstance(metadata.tags, str) else metadata.tags or []
    metadata.tags = list(dict.fromkeys([*tags, *TAGS]))
    metadata.eval_results = [r for r in metadata.eval_results or () if _key(r) != _key(results[0])] + results
    metadata.model_name = metadata.model_name or settings["model"]
    start, end = (f"<!-- {mark}hiergeo-audit: {plain(f'{data} {split} {geometry}')} -->" for mark in ("", "/"))
    of_order, of_space = (
        " ".join(answer.sentence for question, answer in audit.answers.items() if (question in OF_SPACE) == space)
        for space in (False, True)
    )
    first = f"On {data} ({split}) in {geometry}, by hiergeo {__version__}: {audit.headline}"
    section = "\n\n".join((start, *(plain(part) for part in (first, of_order, of_space) if part), end))
    former = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if former.search(card.text):
        card.text = former.sub(lambda _: section, card.text)
    else:
        head, heading, rest = card.text.partition(f"\n{HEADING}\n")
        card.text = f"{head.rstrip()}\n\n{HEADING}\n\n{section}\n{rest if heading else ''}"
    atomic_write_text(Path(path), f"{card}")


def _key(result: "EvalResult") -> tuple[object, ...]:
    return result.task_name, *result.unique_identifier
