"""The vocabulary of the tiny model: byte-pair merges learnt from its captions, over an alphabet of all bytes."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from hiergeo.storage.files import atomic_write

MERGES = 400
"""More merges than the words of `scenes` can use; training stops when every word is one token."""


def learn_merges(captions: Iterable[str]) -> list[str]:
    """Byte-pair merges, most frequent first, each as ``left right``; the last piece of a word ends in ``</w>``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=2 * 26 + MERGES, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(captions, trainer)
    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def save_merges(path: Path, merges: list[str]) -> None:
    """Write merges in the form open_clip's `SimpleTokenizer` reads: gzip, one header line, no newline at the end."""
    text = "\n".join(["#version: 0.2", *merges])
    with atomic_write(path) as handle:
        handle.write(gzip.compress(text.encode("utf-8"), mtime=0))
