"""What a tower is trained on: chains of captions, with the embeddings that the frozen model gives them."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError
from hiergeo.training.chains import Chains, from_hierarchy


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

    Raises:
        InputError: as `hiergeo.training.from_hierarchy`, and where the model cannot tell a negative from its positive
            (it cuts long captions).
    """
    data = CaptionChains(from_hierarchy(hierarchy, model, force=force, progress=progress), hierarchy.texts)
    positive, negative = data.chains.positive, data.chains.negative
    same = (data.chains.text[positive] == data.chains.text[negative]).all(-1).any(1)
    if bool(same.any()):
        raise InputError(
            f"{model.name} cannot tell a negative of {hierarchy.name} {hierarchy.split} from its positive in "
            f"{int(same.sum())} rows (the first is row {int(same.nonzero()[0])}, counted from 0), for it cuts captions "
            "where they are still alike: leave these rows out."
        )
    return data
