"""Chains of embeddings that heads learn from: their sources, their split, and guards that keep the test apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo import datasets
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, warn
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.adapters import Model
from hiergeo.adapters.model import unit_rows
from hiergeo.adapters.store import cached
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.chains import NAME as OWN
from hiergeo.datasets.hierarcaps import NAME as HIERARCAPS
from hiergeo.datasets.hierarcaps import check_no_leakage

FILE = {
    "text": Array("f", (2,)),
    "positive": Array("iu", (2,)),
    "negative": Array("iu", (2,)),
    "root": Array("f", (1,)),
    "chain_image_id": Array("iu", (1,), required=False),
    "image_id": Array("iu", (1,), required=False),
    "caption": Array("U", (1,), required=False),
    "dataset": Array("U", (0,), required=False),
    "model": Array("U", (0,), required=False),
    "fingerprint": Array("U", (0,), required=False),
    "coordinates": Array("U", (0,), required=False),
}
"""The arrays of a training file; in one of ``hiergeo embed`` `image_id` is of images and `chain_image_id` of chains."""

MARKS = {"heldout": Array("b", (1,), required=False), "image_id": Array("iu", (1,), required=False)}
"""The arrays of an embedding file that mark held-out images."""


@dataclass(frozen=True)
class Chains:
    """Chains over frozen unit embeddings.

    Attributes:
        text: (U, D), the embeddings of the distinct captions.
        positive: (n, T) int64 positions in `text`, general to specific.
        negative: (n, T) int64, the captions that the positives at each tier do not entail.
        root: (D,), the embedding of the empty caption.
        group: (n,) int64; rows of one group (of one image) never part between training and validation.
        origin: where they come from.
        base: the spec and the fingerprint of the frozen model, or None.
        texts: (U,), the caption of each row of `text`, or None.
    """

    text: Tensor
    positive: Tensor
    negative: Tensor
    root: Tensor
    group: Tensor
    origin: str
    base: tuple[str, str] | None = None
    texts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_chains(self.origin, len(self.text), self.positive, self.negative)

    def __len__(self) -> int:
        return len(self.positive)

    def take(self, rows: Tensor) -> "Chains":
        """The chains at some positions, int64 (m,), over the same texts."""
        return replace(self, positive=self.positive[rows], negative=self.negative[rows], group=self.group[rows])

    def to(self, device: str | torch.device) -> "Chains":
        """The same chains on another device. Raises InputError as `resolve_device`."""
        where = resolve_device(device)
        tensors = {name: getattr(self, name).to(where) for name in ("text", "positive", "negative", "root", "group")}
        return replace(self, **tensors)

    @property
    def captions(self) -> frozenset[str] | None:
        """Every caption among them, or None."""
        return None if self.texts is None else frozenset(self.texts)

    def frozen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The frozen embeddings of positive and negative chains of some rows, (b, T, D) each."""
        return self.text[self.positive[rows]], self.text[self.negative[rows]]

    def distinct(self, rows: Tensor) -> tuple[list[str], Tensor, Tensor]:
        """The distinct captions of some rows, and their (b, T) positive and negative chains as positions among them."""
        assert self.texts is not None
        both = torch.stack((self.positive[rows], self.negative[rows]))
        used, inverse = torch.unique(both, return_inverse=True)
        return [self.texts[index] for index in used.tolist()], inverse[0], inverse[1]

    @cached_property
    def sha256(self) -> str:
        """The hash of the embeddings and the chains, in hexadecimal."""
        digest = sha256()
        for part in (self.text, self.positive, self.negative, self.root):
            digest.update(part.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


@torch_defaults()
def from_file(path: Path | str, *, base: Model | None = None) -> Chains:
    """Chains of an ``.npz``, such as ``hiergeo embed`` writes where rows have contradicting chains.

    It has text (U, D), positive and negative (n, T) and root (D,); image_id (n,) of MS-COCO and caption (U,) are used
    if present.

    Args:
        path: the file; embeddings may be float16 and are brought to norm one.
        base: the model that the embeddings are of, so that the trained head can name it; None is the one that the file
            names, if it does.

    Raises:
        InputError: the file is damaged or lacks an array, its arrays do not fit each other, its chains cannot be
            learnt from, or rows describe test images.
    """
    path = Path(path)
    arrays = archives.read(path, FILE)
    text, root = (torch.from_numpy(arrays.pop(name)) for name in ("text", "root"))
    if "coordinates" in arrays:
        raise InputError(
            f"{path} holds points in {arrays['coordinates']} coordinates, and heads are trained on flat rows."
        )
    if root.shape != text.shape[1:]:
        raise InputError(
            f"{path} has text of shape {tuple(text.shape)} and root of shape {tuple(root.shape)}, not (U, D) and (D,)."
        )
    if "chain_image_id" in arrays:
        arrays["image_id"] = arrays.pop("chain_image_id")
    positive, negative = (torch.from_numpy(arrays[name].astype(np.int64)) for name in ("positive", "negative"))
    for name, count, kind in (("image_id", len(positive), "rows"), ("caption", len(text), "texts")):
        if name in arrays and arrays[name].shape != (count,):
            raise InputError(f"{path} has {name} of shape {arrays[name].shape}, not one for each of {count} {kind}.")
    rows = torch.empty(len(text) + 1, text.shape[1])
    unit_rows(text, f"embeddings of {path}", rows[:-1])
    unit_rows(root[None], f"the root of {path}", rows[-1:])
    captions = np.char.strip(arrays["caption"]) if "caption" in arrays else None
    image_id = arrays.get("image_id")
    stored = (str(arrays["model"]), str(arrays["fingerprint"])) if {"model", "fingerprint"} <= arrays.keys() else None
    chains = Chains(
        text=rows[:-1],
        positive=positive,
        negative=negative,
        root=rows[-1],
        group=torch.arange(len(positive)) if image_id is None else torch.from_numpy(image_id.astype(np.int64)),
        origin=path.name,
        base=stored if base is None else (base.name, base.fingerprint()),
        texts=None if captions is None else tuple(captions.tolist()),
    )
    if str(arrays.get("dataset", HIERARCAPS)).partition(":")[0] in (HIERARCAPS, OWN):
        check_no_leakage(_rows(positive, image_id, captions))
    return chains


def _rows(positive: Tensor, image_id: NDArray[np.integer] | None, captions: NDArray[np.str_] | None) -> Sequence[Row]:
    """The rows of a training file as far as they can be told from test rows: by image, else by captions, else none."""
    if image_id is not None:
        return [Row(row, (), None, image) for row, image in enumerate(image_id.tolist())]
    if captions is None:
        return ()
    return [Row(row, tuple(chain)) for row, chain in enumerate(captions[positive.numpy()].tolist())]


@torch_defaults()
def from_hierarchy(
    hierarchy: Hierarchy,
    model: Model,
    *,
    device: str | torch.device | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> Chains:
    """Chains of a dataset, its distinct captions embedded once by `model`.

    Rows whose negative the model cannot tell from the positive, because it truncates long captions, are left out with
    a warning that counts them.

    Args:
        hierarchy: a dataset with negative chains.
        model: what embeds.
        device: where the chains are wanted; None is the CPU.
        cache: a folder of embeddings, which are read from it where it has them and kept in it otherwise, a batch at a
            time; None embeds all anew.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: rows without contradicting chains, chains that cannot be learnt from, no row whose negative differs
            from its positive to the model, or a split of HierarCaps that describes test images.
    """
    if not hierarchy.has_negatives:
        raise InputError(
            f"the {hierarchy.split} split of {hierarchy.name} has no negative chains to train on: name another split, "
            "or add contradicting chains (a column negative, or negative0, negative1, ...)."
        )
    origin = f"{hierarchy.name} {hierarchy.split}"
    check_no_leakage(hierarchy)
    index_of = {text: index for index, text in enumerate(hierarchy.texts)}
    groups = {row.image_id: index for index, row in enumerate(hierarchy.rows)}
    positive = torch.tensor([[index_of[text] for text in row.positive] for row in hierarchy.rows])
    negative = torch.tensor([[index_of[text] for text in row.negative or ()] for row in hierarchy.rows])
    check_chains(origin, len(index_of), positive, negative)
    group = [index if row.image_id is None else groups[row.image_id] for index, row in enumerate(hierarchy.rows)]
    embedder = model if cache is None else cached(model, cache)
    text = embedder.encode_text(hierarchy.texts, device=device, progress=progress)
    chains = Chains(
        text=text,
        positive=positive.to(text.device),
        negative=negative.to(text.device),
        root=model.root(device),
        group=torch.tensor(group).to(text.device),
        origin=origin,
        base=(model.name, model.fingerprint()),
        texts=hierarchy.texts,
    )
    return _distinguishable(chains, model.name)


COMPARED = 4096
"""Rows that are compared at a time."""


def _distinguishable(chains: Chains, model: str) -> Chains:
    """The rows whose negatives all differ, as embedded, from their positives."""
    parts = zip(chains.positive.split(COMPARED), chains.negative.split(COMPARED), strict=True)
    same = torch.cat([(chains.text[p] == chains.text[n]).all(-1).any(1) for p, n in parts])
    if not bool(same.any()):
        return chains
    reason = f"{model} cuts captions where a negative is still like its positive"
    if bool(same.all()):
        raise InputError(f"{reason}, in every row of {chains.origin}: use a model that reads more.")
    warn(f"{reason}: {int(same.sum())} of {len(same)} rows are left out.")
    return chains.take((~same).nonzero()[:, 0])


def chunks(rows: Tensor, size: int) -> list[Tensor]:
    """Rows in chunks of `size`; a single remaining row joins the chunk before it, since it would have no negatives."""
    parts = list(rows.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def split_groups(chains: Chains, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Ascending positions of training and of validation rows; whole groups go to one side, on every device alike.

    Raises:
        InputError: fewer than two groups.
    """
    groups, member = torch.unique(chains.group, return_inverse=True)
    if len(groups) < 2:
        raise InputError(f"{chains.origin} describes a single image: nothing would be left to validate on.")
    count = min(len(groups) - 1, max(1, round(share * len(groups))))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).to(groups.device)
    validates = torch.zeros(len(groups), dtype=torch.bool, device=groups.device)
    validates[order[:count]] = True
    return (~validates[member]).nonzero()[:, 0], validates[member].nonzero()[:, 0]


def held_out_of(model: Model) -> frozenset[int] | None:
    """Ids of the images that stored embeddings mark in ``heldout`` (m,); None if none are marked.

    Raises:
        InputError: the mark does not fit the images of the file.
    """
    kind, _, path = model.name.partition(":")
    arrays = archives.read(path, MARKS) if kind == "npz" else {}
    if "heldout" not in arrays:
        return None
    marked, ids = arrays["heldout"], arrays.get("image_id")
    if ids is None or marked.shape != ids.shape:
        raise InputError(f"{path} marks held-out images in an array that does not fit its image_id.")
    return frozenset(ids[marked].tolist())


def unseen_rows(captions: frozenset[str] | None, test: Hierarchy) -> np.ndarray | None:
    """Mask (rows of `test`,) of those that share no caption with the training set; None if empty or unknown.

    Unknown captions, of a file of embeddings alone, are taken for those of HierarCaps' split without its test images.
    """
    if captions is None and test.name == "hierarcaps":
        captions = frozenset(datasets.load("hierarcaps", "expanded-train").texts)
    if captions is None:
        return None
    rows = np.array([captions.isdisjoint(row.positive) for row in test.rows])
    return rows if rows.any() else None


def check_chains(origin: str, texts: int, positive: Tensor, negative: Tensor) -> None:
    """Raise InputError unless (n, T) `positive` and `negative` are distinct positions among `texts`."""
    if not len(positive):
        raise InputError(f"{origin} is empty: there is no chain to train on.")
    if positive.shape != negative.shape:
        raise InputError(
            f"{origin} has positive chains of shape {tuple(positive.shape)} and negative ones of shape "
            f"{tuple(negative.shape)}: both must be (n, T)."
        )
    if positive.shape[1] < 2:
        raise InputError(
            f"{origin} has chains of {positive.shape[1]} tier: at least 2 are needed, general to specific."
        )
    both = torch.cat((positive, negative))
    if int(both.min()) < 0 or int(both.max()) >= texts:
        raise InputError(f"{origin} has chains that point beyond its {texts} texts.")
    same = (positive == negative).any(1)
    if bool(same.any()):
        raise InputError(
            f"{origin} has {int(same.sum())} rows with a negative identical to its positive (the first is row "
            f"{int(same.nonzero()[0])}, counted from 0): leave them out."
        )
    if len(torch.unique(torch.cat((positive, negative), dim=1), dim=0)) == 1 and len(positive) > 1:
        raise InputError(f"{origin} is one and the same row {len(positive)} times: there is nothing to learn.")
