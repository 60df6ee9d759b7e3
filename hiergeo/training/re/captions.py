"""What a tower is trained on: chains of captions, with the embeddings that the frozen model gives them."""

import json
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError
from hiergeo.training.chains import Chains, from_hierarchy

ROWS = 4096
"""Rows that are compared at a time."""


@dataclass(frozen=True)
class CaptionChains:
    """Chains, and the captions at their positions.

    Attributes:
        chains: over the embeddings of the frozen model, computed once: the reference of the prior.
        texts: caption i is that of row i of ``chains.text``.
    """

    chains: Chains
    texts: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """The hash of captions, chains and groups, in hexadecimal; embeddings do not enter it."""
        positions = [part.tolist() for part in (self.chains.positive, self.chains.negative, self.chains.group)]
        return sha256(json.dumps([self.texts, *positions]).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Origin, number of rows and hash, as JSON values."""
        return {"origin": self.chains.origin, "rows": len(self.chains), "sha256": self.sha256}

    def frozen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The frozen embeddings of positive and negative chains of some rows, (b, T, D) each."""
        chains = self.chains
        return chains.text[chains.positive[rows]], chains.text[chains.negative[rows]]

    def distinct(self, rows: Tensor) -> tuple[list[str], Tensor, Tensor]:
        """The distinct captions of some rows, and their (b, T) positive and negative chains as places among them."""
        both = torch.stack((self.chains.positive[rows], self.chains.negative[rows]))
        places, inverse = torch.unique(both, return_inverse=True)
        return [self.texts[place] for place in places.tolist()], inverse[0], inverse[1]


def caption_chains(hierarchy: Hierarchy, model: Model, *, force: bool = False, progress: bool = False) -> CaptionChains:
    """Chains of a dataset; each distinct caption is embedded once by the frozen model.

    Rows with a negative that the model cannot tell from its positive, for it cuts long captions, are left out with a
    warning that counts them.

    Raises:
        InputError: as `hiergeo.training.from_hierarchy`, and where no rows are left.
    """
    data = CaptionChains(from_hierarchy(hierarchy, model, force=force, progress=progress), hierarchy.texts)
    positive, negative = data.chains.positive, data.chains.negative
    alike = [
        (data.chains.text[p] == data.chains.text[n]).all(-1).any(1)
        for p, n in zip(positive.split(ROWS), negative.split(ROWS), strict=True)
    ]
    same = torch.cat(alike)
    if not bool(same.any()):
        return data
    told = f"{model.name} cuts captions where a negative is still like its positive"
    if bool(same.all()):
        raise InputError(f"{told}, in every row of {hierarchy.name} {hierarchy.split}: use a model that reads more.")
    warnings.warn(f"{told}: {int(same.sum())} of {len(same)} rows are left out.", stacklevel=3)
    return replace(data, chains=data.chains.take((~same).nonzero()[:, 0]))
