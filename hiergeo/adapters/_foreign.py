"""Configurations of models from elsewhere, looked at before a library builds what they describe."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiergeo import _limits
from hiergeo._text import shortened
from hiergeo.errors import InputError, reason
from hiergeo.storage import documents
from hiergeo.storage.documents import Anything, ListOf, Misfit, Record, Text

REPEATED = re.compile(r"layers?|n_layers?|.*_(layers?|blocks?)|depths?|.*repeats")
"""Keys that say how often a part is built."""

UNLIMITED = "model_max_length"
"""A key of tokenizers that holds 10^30 where there is no limit."""

CODE = "trust_remote_code"
"""The key by which a configuration asks for code of its own to be run."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
"""Endings of files of weights."""

BYTES_PER_WEIGHT = 4
EXPANSION = 8
"""Times its stored size that a model may take in float32, which is 4 for weights of one byte."""

MODULES = ListOf(Record({"type": Text(r"sentence_transformers\.[\w.]+")}, rest=Anything()))
"""What ``modules.json`` of sentence-transformers may list: classes of that library."""


def read(path: Path) -> Any:
    """The value of a JSON file that another library wrote.

    Raises:
        InputError: it cannot be read, is no JSON, or is larger or nested deeper than `hiergeo._limits` allows.
    """
    try:
        return documents.load(path, digits=_limits.FOREIGN_DIGITS)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {reason(error)}.") from error


def check(config: Any, source: str) -> None:
    """Refuse a configuration whose numbers are beyond any model, or that asks for code of its own to be run.

    Args:
        config: JSON values.
        source: whose it is, in words.

    Raises:
        InputError: names the key.
    """
    level: list[tuple[str, Any]] = [("", config)]
    for _ in range(_limits.JSON_DEPTH):
        inner: list[tuple[str, Any]] = []
        for key, value in level:
            if key == CODE and value:
                raise InputError(f"{source} asks for code of its own to be run ('{CODE}'), which hiergeo never does.")
            _check_number(key, value, source)
            if isinstance(value, dict):
                inner += [(str(name), held) for name, held in value.items()]
            elif isinstance(value, list | tuple):
                inner += [(key, held) for held in value]
        level = inner
        if not level:
            return
    raise InputError(f"{source} is nested deeper than {_limits.JSON_DEPTH}.")


def check_modules(path: Path) -> None:
    """Refuse a ``modules.json`` that lists anything but classes of sentence-transformers, or is damaged."""
    try:
        MODULES.check(read(path), "")
    except Misfit as error:
        raise InputError(f"{path} cannot be used: {error}.") from error


def check_size(build: Callable[[], nn.Module], folder: Path, source: str) -> None:
    """Refuse a model that would take far more memory than its folder holds weights, before it does.

    Args:
        build: makes the network; here on torch's meta device, where weights take no memory.
        folder: with the files of weights.
        source: whose they are, in words.

    Raises:
        InputError: it does.
    """
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in WEIGHTS and path.is_file())
    try:
        with torch.device("meta"):
            weights = sum(weight.numel() for weight in build().parameters())
    except Exception as error:  # every library checks what it builds in its own way
        raise InputError(f"{source} describes no model that can be built ({reason(error)}).") from error
    if weights * BYTES_PER_WEIGHT > EXPANSION * max(stored, 1 << 20):
        raise InputError(f"{source} describes {weights:,} weights, and its files hold {stored:,} bytes: it is damaged.")


def _check_number(key: str, value: Any, source: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or key == UNLIMITED:
        return
    most = _limits.LAYERS if REPEATED.fullmatch(key) else _limits.SETTING
    if abs(value) > most:
        raise InputError(f"{source} says that '{key}' is {shortened(str(value), 24)}: no model has more than {most:,}.")
