"""Natural-language inference by sequence classifiers of transformers."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch

from hiergeo._core.errors import InputError, UnavailableError, check_whole
from hiergeo.construction.engines.local import LocalModel
from hiergeo.construction.judges import Judge

BEGINNINGS = ("entail", "neutral", "contradict")  # how the names of classes begin, in the order of a judge's columns
LONGEST = 512  # tokens of a pair where neither the model nor its tokenizer says how many it takes


@final
class TransformersJudge(Judge):
    """A sequence classifier of transformers that was trained for natural-language inference, by its folder or name.

    Pairs of about the same length make a batch; equal pairs are read once. A pair that is longer than the model takes
    is cut in its longer text.
    """

    name = "transformers"

    def __init__(self, model: str, *, device: str = "auto", batch_size: int = 64) -> None:
        check_whole("batch_size", batch_size, 1, 1 << 16)
        self._model, self._batch_size = LocalModel(model, "AutoModelForSequenceClassification", device), batch_size
        classes = self._model.config.id2label
        names = [str(classes[row]) for row in sorted(classes)]
        order = [row for start in BEGINNINGS for row, name in enumerate(names) if name.lower().startswith(start)]
        if sorted(order) != [0, 1, 2] or len(names) > len(order):
            raise InputError(
                f"the classes of '{model}' are {', '.join(names)}, and those of inference are entailment, neutral and "
                "contradiction: choose another model, or name them in id2label of its config.json."
            )
        self._order = order

    @property
    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, **self._model.identity, "columns": self._order}

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
            shares = scores.cpu().double().softmax(-1).numpy()
            scored[rows] = shares[:, self._order]
        return scored
