"""Natural-language inference by sequence classifiers of transformers."""

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, final

import numpy as np
import torch

from hiergeo._core import extras
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, UnavailableError, check_whole, reason
from hiergeo._core.storage import files
from hiergeo.adapters import hub
from hiergeo.construction.judges import Judge

BEGINNINGS = ("entail", "neutral", "contradict")  # how the names of classes begin, in the order of a judge's columns
LONGEST = 512  # tokens of a pair where neither the model nor its tokenizer says how many it takes
ENDINGS = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja")  # endings of the files that a model is made of


@final
class Classifier:
    """A sequence classifier in a folder or on the hub, loaded when it is first used."""

    def __init__(self, source: str, device: str) -> None:
        if not source.strip():
            raise InputError("name the model: transformers:FOLDER or transformers:ORG/NAME.")
        self._transformers = extras.require("transformers", "a judge")
        self.source = source
        self.device = resolve_device(device)
        self.dtype = "float32" if self.device.type == "cpu" else "auto"  # that of the files
        self.folder = hub.folder_of(source, "transformers:/path/to/folder")
        if not (self.folder / "config.json").is_file():
            raise InputError(f"'{source}' has no config.json: it is not a model of transformers.")
        hub.check_config(hub.foreign_json(self.folder / "config.json"), f"the configuration of '{source}'")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The name of the model without its place, SHA-256 over its files, and the dtype of its weights."""
        named = self.folder.resolve().name if hub.local_folder(self.source) else self.source
        digest = sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in ENDINGS and path.is_file():
                digest.update(f"{path.name} {files.sha256(path)}\n".encode())
        return {"model": named, "sha256": digest.hexdigest(), "dtype": self.dtype}

    @cached_property
    def config(self) -> Any:
        """Its configuration."""
        return self._obtain(self._transformers.AutoConfig.from_pretrained)

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer; raises InputError if it has none, or one that cannot fill up the texts of a batch."""
        tokenizer = self._obtain(self._transformers.AutoTokenizer.from_pretrained)
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise InputError(f"the tokenizer of '{self.source}' has no padding token, so texts cannot be batched.")
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The network, in evaluation mode on its device; raises InputError for weights that do not fit."""
        build = self._transformers.AutoModelForSequenceClassification
        config = self.config
        with hub.quiet_transformers():
            hub.check_size(lambda: build.from_config(config, trust_remote_code=False), self.folder, f"'{self.source}'")
        network, info = self._obtain(build.from_pretrained, output_loading_info=True, dtype=self.dtype)
        for state in ("missing", "mismatched"):
            if info[f"{state}_keys"]:
                names = sorted(map(str, info[f"{state}_keys"]))
                raise InputError(f"'{self.source}' has {len(names)} {state} weights as a classifier: {names[0]}.")
        return network.to(self.device).eval()

    def _obtain(self, get: Callable[..., Any], **options: Any) -> Any:
        with hub.quiet_transformers():
            try:
                return get(str(self.folder), local_files_only=True, trust_remote_code=False, **options)
            except Exception as error:  # transformers, tokenizers and safetensors each raise their own
                raise InputError(f"'{self.source}' cannot be loaded by transformers: {reason(error)}.") from error


@final
class TransformersJudge(Judge):
    """A sequence classifier of transformers that was trained for natural-language inference, by its folder or name.

    Pairs of about the same length make a batch; equal pairs are read once. A pair that is longer than the model takes
    is cut in its longer text.
    """

    name = "transformers"

    def __init__(self, model: str, *, device: str = "auto", batch_size: int = 64) -> None:
        check_whole("batch_size", batch_size, 1, 1 << 16)
        self._model, self._batch_size = Classifier(model, device), batch_size
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
