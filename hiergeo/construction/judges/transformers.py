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
    is cut in its longer text, with a warning.

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
        read: Any = np.zeros((len(pairs), 3))
        tokens = self._tokens(pairs)
        order = sorted(range(len(pairs)), key=lambda row: (-len(tokens[row]["input_ids"]), row))
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            batch = self._model.tokenizer.pad([tokens[row] for row in rows], return_tensors="pt")
            try:
                with torch.inference_mode():
                    scores = self._model.network(**batch.to(self._model.device)).logits
            except torch.OutOfMemoryError as error:
                raise UnavailableError(
                    f"{self._model.device} has not enough memory for {len(rows)} pairs: lower batch_size."
                ) from error
            shares = scores.double().softmax(-1).cpu().numpy()
            for label, column in enumerate(self._columns):
                read[rows, column] += shares[:, label]
        return read / read.sum(1, keepdims=True)

    def _tokens(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, list[int]]]:
        tokenizer, most = self._model.tokenizer, self._most_tokens()
        premises, hypotheses = map(list, zip(*pairs, strict=True))
        with_all = tokenizer(premises, hypotheses, truncation=False, verbose=False)
        lengths = list(map(len, with_all["input_ids"]))
        cut = sum(length > most for length in lengths)
        if cut:
            warn(f"{cut} of {len(pairs)} pairs are longer than the {most} tokens that {self._model.source} reads.")
            with_all = tokenizer(premises, hypotheses, truncation="longest_first", max_length=most)
        return [{name: values[row] for name, values in with_all.items()} for row in range(len(pairs))]

    def _most_tokens(self) -> int:
        positions = getattr(self._model.config, "max_position_embeddings", None) or 0
        reserved = 2 if self._model.config.model_type in OFFSET else 0
        usable = (positions - reserved, self._model.tokenizer.model_max_length)
        return min((length for length in usable if 1 < length < 1 << 20), default=LONGEST)


OFFSET = {"roberta", "xlm-roberta", "camembert", "longformer", "mpnet"}
"""Types of models whose positions begin at 2, so that two fewer can be read than there are."""


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
