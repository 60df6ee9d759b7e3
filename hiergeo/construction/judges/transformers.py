"""Natural-language inference by sequence classifiers of transformers, whatever the order of their classes."""

import re
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch

from hiergeo._core.errors import InputError, UnavailableError, check_whole, warn
from hiergeo.construction.engines.local import LocalModel
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL, Judge

COLUMNS = (
    (re.compile("(entail|support)[a-z]*"), ENTAILMENT),
    (re.compile("(contradict|refut)[a-z]*"), CONTRADICTION),
    (re.compile("neutral|unknown|undetermined|no[nt][a-z]+"), NEUTRAL),
)
"""Names of classes, in small letters alone -> columns. What is not entailed may be neutral or contradict."""

LONGEST = 512
"""Tokens of a pair where neither the model nor its tokenizer says how many it takes."""


@final
class TransformersJudge(Judge):
    """A sequence classifier of transformers that was trained for natural-language inference.

    Pairs of about the same length make a batch; equal pairs are read once. A pair that is longer than the model takes
    is cut in its longer text.

    Args:
        model: a folder, or a name on the hub.
        device: where it runs.
        batch_size: pairs at a time.
        labels: names of the classes in the order of the model, for one whose configuration does not name them.
    """

    name = "transformers"

    def __init__(
        self, model: str, *, device: str = "auto", batch_size: int = 64, labels: str | Sequence[str] = ()
    ) -> None:
        check_whole("batch_size", batch_size, 1, 1 << 16)
        self._model, self._batch_size = LocalModel(model, "AutoModelForSequenceClassification", device), batch_size
        given = labels.split(",") if isinstance(labels, str) else labels
        self._columns = _columns(model, self._model.config.id2label, [str(each) for each in given])

    @property
    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, **self._model.identity, "columns": list(self._columns)}

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        rows = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
        return self._distinct(list(rows))[[rows[pair] for pair in pairs]] if pairs else np.zeros((0, 3))

    def _distinct(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        model, scored = self._model, np.zeros((len(pairs), 3))
        positions = getattr(model.config, "max_position_embeddings", None) or 0
        usable = (positions - 2, model.tokenizer.model_max_length)  # positions of RoBERTa begin at 2
        most = min((length for length in usable if 1 < length < 1 << 20), default=LONGEST)
        premises, hypotheses = map(list, zip(*pairs, strict=True))
        tokens = model.tokenizer(premises, hypotheses, truncation="longest_first", max_length=most)
        order = sorted(range(len(pairs)), key=lambda row: (-len(tokens["input_ids"][row]), row))
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            items = [{name: values[row] for name, values in tokens.items()} for row in rows]
            batch = model.tokenizer.pad(items, return_tensors="pt")
            try:
                with torch.inference_mode():
                    scores = model.network(**batch.to(model.device)).logits
            except torch.OutOfMemoryError as error:
                sentence = f"{model.device} has not enough memory for {len(rows)} pairs: lower batch_size."
                raise UnavailableError(sentence) from error
            shares = scores.double().softmax(-1).cpu().numpy()
            for label, column in enumerate(self._columns):
                scored[rows, column] += shares[:, label]
        return scored / scored.sum(1, keepdims=True)


def _columns(model: str, named: Any, given: Sequence[str]) -> tuple[int, ...]:
    """The column of each class of a model; raises InputError for names that are not those of inference."""
    count = len(named)
    if given and len(given) != count:
        raise InputError(f"labels names {len(given)} classes, and '{model}' has {count}.")
    names = list(given) or [str(named[row]) for row in range(count)]
    bare = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    if all(re.fullmatch(r"label\d*|\d+", name) for name in bare):
        raise InputError(
            f"'{model}' calls its classes {', '.join(names)}: give their order as the option labels, such as "
            "labels = ['entailment', 'neutral', 'contradiction']."
        )
    columns = tuple(column for each in bare for pattern, column in COLUMNS if pattern.fullmatch(each))
    if len(columns) < count or len(set(columns)) < count or ENTAILMENT not in columns:
        raise InputError(f"the classes of '{model}' are {', '.join(names)}: it was not trained for inference.")
    if CONTRADICTION not in columns:
        warn(
            f"'{model}' knows no contradiction, only {' and '.join(names)}: every negative counts as not contradicting."
        )
    return columns
