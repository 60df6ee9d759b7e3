"""A classifier into a tree of labels that stays: fitted once, asked again and again, saved and loaded."""

import inspect
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, reason
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.plugins import quoting
from hiergeo._core.progress import track
from hiergeo._core.storage import documents, tensors
from hiergeo._core.storage.files import atomic_folder, path_of, refuse_existing
from hiergeo._core.storage.locks import locked
from hiergeo.adapters import Model, load
from hiergeo.datasets.labels.label_tree import Entry, LabelTree
from hiergeo.datasets.labels.tree_files import TreeLike, load_tree
from hiergeo.evaluation.classifying.item_batches import Items, ItemSource
from hiergeo.evaluation.classifying.methods import (
    METHODS,
    TEMPERATURE,
    LabelPoints,
    Method,
    Paths,
    check_method,
    embed_tree,
)
from hiergeo.evaluation.classifying.placing import (
    Calibrate,
    Chosen,
    Classified,
    calibrated,
    embed_items,
    joined,
    part_of,
    read_labelled,
)
from hiergeo.evaluation.classifying.promise import Promise, check_alpha
from hiergeo.evaluation.embedded import Compute
from hiergeo.evaluation.measuring import check_readable, described_space, ready
from hiergeo.geometry import Geometry, Space
from hiergeo.geometry.spec import recorded

CONFIG, ROWS = "classifier.json", "labels.safetensors"
"""The files of a saved classifier: what it is, and the rows of its labels, its root and its floors."""


class Saved(documents.Document):
    """What `CONFIG` says."""

    model: str
    fingerprint: str
    geometry: str
    law: dict[str, Any]
    min_radius: float
    method: Method
    temperature: float
    templates: list[str]
    labels: list[tuple[str, list[str], str, list[str]]]
    """Key, keys of parents, name and synonyms of each label, parents before their children."""
    alpha: float | None
    calibrated: int
    tuning: int
    depth: float | None
    error: float | None
    curve: dict[float, float]


@final
class Classifier:
    """Classifies texts, images or embeddings into a tree of labels, each down to the level that can be believed.

    It keeps the conventions of scikit-learn: what is fitted ends in ``_``, `get_params` gives the arguments, and
    ``cross_val_predict`` and pipelines take it.

    ```python
    classifier = Classifier(tree, "sentence-transformers:all-MiniLM-L6-v2", alpha=0.1).fit(texts, labels)
    classifier.predict(["a small dog"])
    classifier.save("my-classifier")
    ```

    Args:
        tree: the labels; see `hiergeo.evaluation.classifying.load_tree`.
        model: an adapter, or the spec that loads one; it embeds items and labels.
        space: a space, a geometry, or its spec; None is the model's own space, else Euclidean space around its root.
        method: see `hiergeo.evaluation.classifying.methods`. ``auto`` is the one with which labelled items stop
            deepest at the promised error; without them ``flat``.
        temperature: of the softmax, above 0; None is chosen with labelled items, and 0.05 without.
        templates: texts of a label, with ``{}`` for its name or ``{path}`` for the name and what is above it; several
            are averaged.
        alpha: the error to promise, in (0, 1): the share of items whose label is wrong. Fitting then takes labels.
        floor: without alpha, the least confidence of a label that is believed.
        device: where everything is computed.
        batch_size: texts or images that are embedded at a time; None is what the model prefers.

    Attributes:
        tree_: the labels.
        classes_: what `predict` gives, (N,): their names, or their keys where several have one name.
        model_: what embeds.
        promise_: the floors, and what they promise.
        chosen_: method and temperature.
    """

    def __init__(
        self,
        tree: TreeLike,
        model: Model | str,
        *,
        space: Space | Geometry | str | None = None,
        method: Method | Literal["auto"] = "auto",
        temperature: float | None = None,
        templates: Sequence[str] = ("{}",),
        alpha: float | None = None,
        floor: float = 0.0,
        device: str | torch.device = AUTO,
        batch_size: int | None = None,
    ) -> None:
        self.tree, self.model, self.space, self.method, self.temperature = tree, model, space, method, temperature
        self.templates, self.alpha, self.floor, self.device, self.batch_size = (
            templates,
            alpha,
            floor,
            device,
            batch_size,
        )

    @torch_defaults()
    def fit(
        self,
        items: Items | None = None,
        labels: Sequence[Any] | None = None,
        *,
        column: str | None = None,
        label_column: str | None = None,
        among: ItemSource | None = None,
        progress: bool = False,
    ) -> Self:
        """Embed the labels, and with labelled items choose how to classify and set the floors of the promise.

        Args:
            items: labelled items, such as those to be classified: texts, images or embeddings; or a table or folder
                with labels. A third of them, where that is enough, chooses method, temperature and branches; the others
                make the promise.
            labels: of the items, where they bring none: keys, names, synonyms or paths.
            column: the column of the items in a table; None is the first of the usual names.
            label_column: that of the labels.
            among: items to which the ids of a table of ids and labels alone belong.
            progress: show bars for work that outlasts a second.

        Raises:
            InputError: a tree, items or labels that cannot be used, too few labels for alpha (says how many it takes),
                or settings that contradict each other.
            UnavailableError: files, weights or packages that are not there.
        """
        how = Chosen(
            "flat" if self.method == "auto" else self.method,
            TEMPERATURE if self.temperature is None else self.temperature,
        )
        self._check(how, items is not None)
        tree, compute = load_tree(self.tree), self._compute
        labelled = None
        if items is not None:
            given: Calibrate = items if labels is None else (items, labels)
            labelled = read_labelled(given, tree, column, label_column, self.alpha or 1, among)
        model, space = ready(self.model, self.space, compute.device)
        check_readable(model, space.geometry)
        if among is not None:
            among.check(model)
        points = embed_tree(model, space, tree, self.templates, compute, progress=progress)
        promise = Promise(float(torch.logit(torch.tensor(self.floor, dtype=torch.float64))), {})
        if labelled is not None and self.alpha is not None:
            batches, truth = labelled
            rows = embed_items(model, batches, compute, progress=progress)
            methods = METHODS if self.method == "auto" else (self.method,)
            how, promise = calibrated(points, rows, truth, self.alpha, methods, self.temperature)
        return self._fitted(tree, model, points, how, promise)

    def _fitted(self, tree: LabelTree, model: Model, points: LabelPoints, how: Chosen, promise: Promise) -> Self:
        self.tree_, self.model_, self.points_, self.chosen_, self.promise_ = tree, model, points, how, promise
        self.classes_ = np.array(tree.keys if tree.namesakes else tree.names)
        return self

    def _check(self, how: Chosen, labelled: bool) -> None:
        check_method(*how)
        if self.alpha is not None:
            check_alpha(self.alpha)
        if (self.alpha is None) == labelled:
            raise InputError(
                "a promise takes both alpha, the error, and calibrate, labelled items: give both or neither."
            )
        floor = self.floor
        if not isinstance(floor, int | float) or not 0 <= floor < 1 or (floor and self.alpha is not None):
            raise InputError(f"a floor is a number in [0, 1), and with alpha labelled items set it; it is {floor!r}.")

    @property
    def _compute(self) -> Compute:
        return Compute(resolve_device(self.device), "float32", self.batch_size)

    @torch_defaults()
    def classify(
        self,
        items: Items | ItemSource,
        *,
        column: str | None = None,
        work: Path | str | None = None,
        progress: bool = False,
    ) -> Classified:
        """The path of each item, with a confidence a level and the level where it stops.

        Args:
            items: texts, images or embeddings (n, D); or a file or folder of them.
            column: the column of the items in a table; None is the first of the usual names.
            work: a folder for what is done so far: the same call goes on there after a crash.
            progress: show bars for work that outlasts a second.

        Raises:
            InputError: it is not fitted, or items that cannot be used.
            UnavailableError: files that are not there.
        """
        self._check_fitted()
        source = items if isinstance(items, ItemSource) else ItemSource(_kept(items), column)
        source.check(self.model_)
        compute, settings = self._compute, self.settings_
        key = None if work is None else json.dumps([settings, self.model_.fingerprint()])
        names, images, ids, parts = list[str](), list[Any](), list[str](), list[Paths]()
        with nullcontext() if work is None else locked(Path(work)):
            bar = track(source.batches(), "classifying items", enabled=progress, size=lambda b: len(b.names))
            for number, batch in enumerate(bar):
                names += batch.names
                ids += batch.ids or ()
                images += [None if isinstance(item, str | bytes | Tensor) else item for item in batch.data]
                done = None if work is None else Path(work) / f"{batch.digest(f'{number} {key}')}.safetensors"
                parts.append(part_of(done, batch, self.points_, self.model_, self.chosen_, compute))
        path, odds = joined(parts)
        pictures = tuple(images) if any(image is not None for image in images) else ()
        return Classified(self.tree_, tuple(names), path, odds, self.promise_, settings, pictures, tuple(ids))

    def predict(self, items: Items) -> np.ndarray:
        """The label (`classes_`) at which each item stops, (n,) of texts; empty at the root. Raises as `classify`."""
        done = self.classify(items)
        at = np.take_along_axis(done.path, np.maximum(done.level - 1, 0)[:, None], 1)[:, 0]
        return np.where(done.level > 0, self.classes_[at], "")

    @property
    def settings_(self) -> dict[str, str | int | float]:
        """How it classifies, as results tell it."""
        return {
            "model": self.model_.name,
            **described_space(self.points_.space, self.model_.root(self._compute.device)),
            "method": self.chosen_.method,
            "temperature": self.chosen_.temperature,
            "templates": " | ".join(self.templates),
            "tree": self.tree_.digest,
        }

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise InputError("the classifier is not fitted: call fit, with labelled items where it promises an error.")

    # what scikit-learn asks

    def __sklearn_is_fitted__(self) -> bool:
        return "points_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        targets, texts = TargetTags(required=False), InputTags(two_d_array=True, string=True)
        return Tags("classifier", targets, classifier_tags=ClassifierTags(), input_tags=texts)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments by their names; `deep` changes nothing."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set arguments by their names; raises InputError for an unknown one."""
        for name, value in params.items():
            if name not in _parameters():
                raise InputError(f"a classifier has no parameter '{name}': it has {', '.join(_parameters())}.")
            setattr(self, name, value)
        return self

    # what stays

    def save(self, folder: Path | str, *, overwrite: bool = False) -> Path:
        """Write what was fitted into a folder, whole or not at all: rows of labels, floors, and the name of the model.

        Raises:
            InputError: it is not fitted, or there is such a folder, which is no classifier or not to be overwritten.
            UnavailableError: the folder cannot be written.
        """
        self._check_fitted()
        folder, points, promise, tree = path_of(folder), self.points_, self.promise_, self.tree_
        refuse_existing(folder, overwrite and (folder / CONFIG).is_file())
        space, labels = points.space, []
        for at, key in enumerate(tree.keys):
            parents = [tree.keys[parent] for parent in tree.parents[at]]
            labels.append((key, parents, tree.names[at], list(tree.synonyms[at])))
        saved = Saved(
            model=self.model_.name,
            fingerprint=self.model_.fingerprint(),
            geometry=space.geometry.fixed().spec,
            law=dict(space.geometry.learnt),
            min_radius=space.min_radius,
            method=self.chosen_.method,
            temperature=self.chosen_.temperature,
            templates=list(self.templates),
            labels=labels,
            alpha=promise.alpha,
            calibrated=promise.labels,
            tuning=promise.tuning,
            depth=None if math.isnan(promise.depth) else promise.depth,
            error=None if math.isnan(promise.error) else promise.error,
            curve=promise.curve,
        )
        rows = {
            "rows": points.rows,
            **({} if space.root is None else {"root": space.root}),
            "floor": torch.tensor([promise.floor], dtype=torch.float64),
            "branches": torch.tensor(list(promise.branches), dtype=torch.int64),
            "branch_floors": torch.tensor(list(promise.branches.values()), dtype=torch.float64),
        }
        with atomic_folder(folder) as scratch:
            documents.write(scratch / CONFIG, saved.model_dump(mode="json"), indent=None)
            (scratch / ROWS).write_bytes(tensors.packed(rows))
        return folder

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        model: Model | str | None = None,
        device: str | torch.device = AUTO,
        batch_size: int | None = None,
    ) -> "Classifier":
        """The classifier that `save` wrote.

        Args:
            folder: of it.
            model: the model that it was fitted with, if it is loaded already or lies elsewhere; None loads it by name.
            device: where everything is computed.
            batch_size: texts or images that are embedded at a time.

        Raises:
            InputError: there is no classifier, its files are damaged, or the model is another one.
            UnavailableError: the model cannot be loaded.
        """
        folder = path_of(folder)
        if not (folder / CONFIG).is_file():
            raise InputError(f"{folder} holds no classifier: name a folder that --save has made.")
        saved, rows = documents.read(folder / CONFIG, Saved, hashed=True), tensors.read(folder / ROWS)
        with quoting() if model is None else nullcontext():
            loaded = load(saved.model if model is None else model, device=str(device))
        if loaded.fingerprint() != saved.fingerprint:
            raise InputError(
                f"{folder} was fitted with {saved.model} (fingerprint {saved.fingerprint}), and {loaded.name} has the "
                f"fingerprint {loaded.fingerprint()}: give that model, or fit anew."
            )
        tree = LabelTree((Entry(key, tuple(above), name, tuple(more)) for key, above, name, more in saved.labels))
        own = cls(
            tree,
            loaded,
            method=saved.method,
            temperature=saved.temperature,
            templates=tuple(saved.templates),
            alpha=saved.alpha,
            device=device,
            batch_size=batch_size,
        )
        try:
            at = own._compute.device
            root: Tensor | Literal["none"] = rows["root"].to(at) if "root" in rows else "none"
            own.space = Space(recorded(saved.geometry, saved.law or None), root, min_radius=saved.min_radius)
            points = LabelPoints.of(tree, own.space, rows["rows"].to(at))
            floors = dict(zip(rows["branches"].tolist(), rows["branch_floors"].tolist(), strict=True))
            floor = rows["floor"].item()
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(f"{folder / ROWS} is damaged ({reason(error)}): save the classifier again.") from error
        depth, wrong = (math.nan if value is None else value for value in (saved.depth, saved.error))
        promise = Promise(floor, floors, saved.alpha, saved.calibrated, saved.tuning, depth, wrong, saved.curve)
        return own._fitted(tree, loaded, points, Chosen(saved.method, saved.temperature), promise)


def _parameters() -> list[str]:
    return list(inspect.signature(Classifier).parameters)


def _kept(items: Items) -> Items:
    return list(items) if isinstance(items, Iterator) else items


def classify(
    items: Items,
    tree: TreeLike,
    *,
    model: Model | str,
    calibrate: Calibrate | None = None,
    column: str | None = None,
    label_column: str | None = None,
    work: Path | str | None = None,
    progress: bool = False,
    **settings: Any,
) -> Classified:
    """Classify items into a tree of labels: `Classifier.fit` and `Classifier.classify` in one.

    Args:
        items: texts, images or embeddings (n, D); or a file or folder of them: CSV, TSV, Parquet, JSON Lines, text,
            images, or ``.npz`` (its images, or else its texts).
        tree: the labels; see `load_tree`.
        model: an adapter, or the spec that loads one; it embeds items and labels.
        calibrate: labelled items, such as those to be classified, for a promise of ``alpha``: a table or folder with
            labels, images of `hiergeo.datasets.labelled`, or a pair (items, labels).
        column: the column of the items in a table; None is the first of the usual names.
        label_column: that of the labels.
        work: a folder for what is done so far: the same call goes on there after a crash.
        progress: show bars for work that outlasts a second.
        **settings: space, method, temperature, templates, alpha, floor, device and batch_size of the `Classifier`.

    Raises:
        InputError: a tree, items or labels that cannot be used, too few labels for alpha (says how many it takes), or
            settings that contradict each other.
        UnavailableError: files, weights or packages that are not there.
    """
    source = ItemSource(_kept(items), column, label_column)
    pair = calibrate if isinstance(calibrate, tuple) and len(calibrate) == 2 else (calibrate, None)
    own = Classifier(tree, model, **settings)
    own.fit(*pair, column=column, label_column=label_column, among=source, progress=progress)
    return own.classify(source, work=work, progress=progress)
