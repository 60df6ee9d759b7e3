"""What ``hiergeo train head`` and ``hiergeo train re`` share: options, the labelled images, what they report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.tables import light
from hiergeo.cli._io import publish
from hiergeo.cli.options import option, path_option

if TYPE_CHECKING:
    from hiergeo.adapters import Model
    from hiergeo.datasets import Labelled
    from hiergeo.training import EvalRecord, Summary

TrainingSplit = Annotated[str | None, option("NAME", "Split to train on.  [expanded-train or train]")]
ZeroShot = Annotated[
    str | None,
    option(
        "scenes|DIR",
        "Labelled images that --evaluate classifies as well: scenes, or a folder with one subfolder a class.",
    ),
]
TrainingSeed = Annotated[
    int, option("N", "Seed of weights, batches, validation and resampling.", min=0, max=limits.SEED)
]


LearningRate = Annotated[float, option("X", "Learning rate of the optimiser.")]
Batch = Annotated[int, option("N", "Chains a batch.", min=1, max=limits.COUNT)]
Every = Annotated[int, option("N", "Steps between looks at the validation rows.", min=1)]
Patience = Annotated[int, option("N", "Stop after so many looks without a better one; 0 takes all the steps.", min=0)]
Out = Annotated[Path, path_option("DIR", "The folder of what is trained.", "--out", "-o")]


def chosen_split(data: str, split: str | None) -> str:
    """The split to train on where none is named."""
    return split or ("expanded-train" if data == "hierarcaps" else "train")


def labelled_images(source: str | None, judge: "Model | None") -> "Labelled | None":
    """The labelled images that a name or a folder stands for, checked against the model that is to classify them."""
    from hiergeo import datasets
    from hiergeo.evaluation.classification import check_labels

    if source is None:
        return None
    if judge is None:
        raise InputError("--zero-shot compares the model before and after: ask for that with --evaluate.")
    images = datasets.labelled(source)
    check_labels(judge, images)
    return images


def report(
    history: Sequence["EvalRecord"],
    best: int,
    leakage: str | None,
    settings: Mapping[str, Any],
    summary: "Summary | None",
    result: str,
    json: Path | None,
    form: str,
) -> None:
    """Write the JSON, metrics first, print before and after, and where the result is."""
    from hiergeo._core.records import signed
    from hiergeo.report.labels import baseline, baseline_heading, label, number
    from hiergeo.training.trainer import at_step

    kept = at_step(history, best)
    validation = {f"validation_{name}": value for name, value in kept.validation.items()}
    document = {
        "metrics": validation | {"validation_tau_d": kept.tau_d} | ({} if summary is None else summary.metrics()),
        "intervals": {} if summary is None else summary.intervals(),
        "baselines": {} if summary is None else summary.after.baselines,
        "leakage": leakage,
        "settings": dict(settings),
        "history": [look.as_dict() for look in history],
    }
    heading = None if summary is None else baseline_heading(summary.after.baselines.values())
    figures = ("before", "after", "difference, 95 %")
    table = light("", *figures, heading or "", numbers=(*figures, *([heading] if heading else [])))
    table.add_row("validation tau_d", number(history[0].tau_d, 4), number(kept.tau_d, 4), "")
    for name, change in ({} if summary is None else summary.changes).items():
        low, high = change.difference
        found = None if summary is None else baseline(summary.after.baselines.get(name, {}))
        beside = "" if found is None else number(found[1], 4)
        difference = f"{signed(low, 4)} to {signed(high, 4)}"
        table.add_row(label(name), number(change.before, 4), number(change.after, 4), difference, beside)
    drift = [f"{label(name)} {value:.4f}" for name, value in ({} if summary is None else summary.drift).items()]
    warned = [f"Trained on test data: {leakage}"] if leakage else []
    publish(document, json, form, [table], *drift, lines=[*warned, result])
