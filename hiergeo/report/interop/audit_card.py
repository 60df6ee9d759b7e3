"""Model cards with an audit: results that the Hugging Face hub reads (``model-index``), and a paragraph of verdict."""

import math
import re
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
    about = {"task_type": "feature-extraction", "task_name": TASK, "dataset_type": data, "dataset_name": data}
    about |= {"dataset_config": geometry, "dataset_split": split}
    measured = {key: audit.settings[key] for key in ("rows", "root", "min_radius") if key in audit.settings}
    made = import_module("huggingface_hub").EvalResult
    labels = {name: find_metric(name).label for name in audit.attribution} | BESIDE
    results = [
        made(
            metric_type=name,
            metric_name=label,
            metric_value=audit.numbers[name],
            metric_args={"interval": list(audit.intervals[name])} if name in audit.intervals else None,
            dataset_args=measured,
            **about,
        )
        for name, label in labels.items()
        if math.isfinite(audit.numbers.get(name, math.nan))
    ]
    metadata: Any = card.data
    metadata.eval_results = [r for r in metadata.eval_results or () if _key(r) != _key(results[0])] + results
    metadata.model_name = metadata.model_name or settings["model"]
    start, end = (f"<!-- {mark}hiergeo-audit: {plain(f'{data} {split} {geometry}')} -->" for mark in ("", "/"))
    paragraph = f"On {data} ({split}) in {geometry}, by hiergeo {__version__}: {' '.join(audit.sentences)}"
    section = f"{start}\n{plain(paragraph)}\n{end}"
    former = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if former.search(card.text):
        card.text = former.sub(lambda _: section, card.text)
    else:
        head, heading, rest = card.text.partition(f"\n{HEADING}\n")
        card.text = f"{head.rstrip()}\n\n{HEADING}\n\n{section}\n{rest if heading else ''}"
    atomic_write_text(Path(path), f"{card}")


def _key(result: "EvalResult") -> tuple[object, ...]:
    return result.task_name, *result.unique_identifier
