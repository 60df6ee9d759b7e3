"""What the benchmarks of classifiers share: items of known classes, and class points made of prompts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.adapters import Model
from hiergeo.datasets import ImageRef, Labelled
from hiergeo.datasets.imagenet import WNID, load_classes, with_names
from hiergeo.evaluation.benchmarks.base import Benchmark, Run
from hiergeo.evaluation.benchmarks.options import check_choice, check_unused
from hiergeo.evaluation.retrieval import EmbeddedLabels
from hiergeo.geometry import Space

AVERAGING = ("tangent", "normalised")
"""How the prompts of a class become one point.

``tangent``: the mean of the embeddings, which is their mean in the tangent space at the root, is lifted.
``normalised``: they are brought to norm one, averaged, and the mean is brought to norm one (as CLIP_benchmark does).
"""

CLASSES = 1000
"""How many classes ImageNet has."""

SYNONYMS = "imagenet-synonyms"
"""Other names that WordNet has for ImageNet's classes, as texts to classify."""


@dataclass(frozen=True)
class Classified:
    """Images or texts, each of one class.

    Attributes:
        name: what the set is called.
        items: images, or texts.
        labels: (n,) the class of each, a position in `classes`.
        classes: their names, for prompts.
        keys: what a tree calls them.
        templates: prompts with one ``{}`` each.
    """

    name: str
    items: tuple[ImageRef, ...] | tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    templates: tuple[str, ...]

    @property
    def images(self) -> bool:
        """Whether the items are images."""
        return not isinstance(self.items[0], str)

    @property
    def prompts(self) -> list[str]:
        """The prompts of all classes, class by class."""
        return [template.replace("{}", name) for name in self.classes for template in self.templates]

    def renamed(self, classes: Sequence[str], labels: Sequence[int]) -> "Classified":
        """The same items among other classes."""
        return replace(self, classes=tuple(classes), keys=tuple(classes), labels=tuple(labels))


def of_images(labelled: Labelled) -> Classified:
    """Labelled images as items."""
    keys = labelled.keys or labelled.classes
    return Classified(labelled.name, labelled.images, labelled.labels, labelled.classes, keys, labelled.templates)


def read_items(data: str, names: str = "", templates: str = "") -> Classified:
    """The items that a benchmark's options name.

    Args:
        data: ``scenes``, `SYNONYMS`, or a folder with one subfolder of images a class.
        names: a file of ``key<TAB>name`` lines for the classes of a folder; empty where the folders are called by name,
            or by ImageNet's wnids.
        templates: a file of one prompt a line with one ``{}`` each; empty is what belongs to the data.

    Raises:
        UnavailableError: files that are not there.
        InputError: files that cannot be used.
    """
    prompts = [line for line in _lines(templates) if line.strip()] if templates else None
    if data == SYNONYMS:
        return _synonyms(tuple(prompts or ("{}",)))
    found = datasets.labelled(data, prompts)
    return of_images(found if data == "scenes" else with_names(found, names or None))


def is_named(data: str) -> bool:
    """Whether the classes of data have names of their own, so that a file of names has no effect."""
    return data in ("scenes", SYNONYMS)


def may_be_imagenet(data: str) -> bool:
    """Whether data may be images of ImageNet: a folder with a subfolder for each of 1,000 wnids, or not there yet."""
    if is_named(data):
        return False
    try:
        folder = path_of(data)
        found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else None
    except (InputError, OSError):
        return False
    return found is None or sum(WNID.fullmatch(name) is not None for name in found) == CLASSES


def _lines(path: str) -> list[str]:
    found = read_lines(path, "write one prompt a line there")
    wrong = next((line for line in found if line.strip() and line.count("{}") != 1), None)
    if wrong is not None or not any(map(str.strip, found)):
        raise InputError(
            f"{path} must hold prompts with {{}} once, where the name of a class goes, not '{wrong or ''}'."
        )
    return found


def _synonyms(templates: tuple[str, ...]) -> Classified:
    """Every lemma of one class alone that is not the name of a class; items are read without a prompt."""
    classes = load_classes()
    owners = Counter(lemma.casefold() for each in classes for lemma in each.lemmas)
    named = {each.name.casefold() for each in classes}
    pairs = [
        (lemma, label)
        for label, each in enumerate(classes)
        for lemma in each.lemmas
        if owners[lemma.casefold()] == 1 and lemma.casefold() not in named
    ]
    if not pairs:
        raise InputError("no class of the list of ImageNet's classes has a second name.")
    texts, labels = zip(*pairs, strict=True)
    wnids, names = zip(*((each.wnid, each.name) for each in classes), strict=True)
    return Classified(SYNONYMS, texts, labels, names, wnids, templates)


def check_items(model: Model, items: Classified) -> None:
    """Raise InputError where a model cannot embed the items or the prompts."""
    if items.images and not model.has_images:
        raise InputError(f"{model.name} embeds texts only, and {items.name} holds images.")
    model.check_texts(items.prompts)
    if items.images:
        model.check_images(items.items)
    else:
        model.check_texts([str(item) for item in items.items])


def embed_items(model: Model, items: Classified, averaging: str, how: Run) -> EmbeddedLabels:
    """Embed items and class points; `EmbeddedLabels.prompt` is (C, 1, D) where prompts are averaged by `normalised`."""
    prompt = model.encode_text(items.prompts, **how.place, progress=how.progress)
    prompt = prompt.view(len(items.classes), len(items.templates), -1)
    if averaging == "normalised":
        prompt = normalize(normalize(prompt, dim=-1).mean(1, keepdim=True), dim=-1)
    if items.images:
        item = model.encode_image(items.items, **how.place, progress=how.progress)
    else:
        item = model.encode_text([str(each) for each in items.items], **how.place, progress=how.progress)
    return EmbeddedLabels(prompt, item, items.labels, model.root(prompt.device, prompt.dtype))


@torch.no_grad()
def predicted(embedded: EmbeddedLabels, space: Space) -> np.ndarray:
    """The nearest class of each item, (n,) int64, by the distance of a space with its root; ties go to the first."""
    return _array(space.nearest(embedded.image, embedded.prompt.mean(1))[1])


def _array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.cpu().numpy()
    return found


class ClassifierBenchmark(Benchmark):
    """A benchmark of zero-shot predictions, whose published figures are of ImageNet with averages in the tangent space.

    Args:
        data: ``scenes``, ``imagenet-synonyms``, or a folder with one subfolder of images a class.
        averaging: of the prompts of a class, one of `AVERAGING`.
        names: a file of ``key<TAB>name`` lines where subfolders are not called by name.
        templates: a file of one prompt a line, in place of those that belong to the data.

    Raises:
        InputError: an unknown average, or names for data that has its own.
    """

    def __init__(self, data: str, averaging: str, names: str, templates: str) -> None:
        check_choice("averaging", averaging, AVERAGING)
        check_unused(data, {"names": bool(names) and is_named(data)})
        self.data, self.averaging, self.names, self.templates = data, averaging, names, templates
        self.images = data != SYNONYMS
        if averaging != "tangent" or not may_be_imagenet(data):
            self.published = ()

    @cached_property
    def items(self) -> Classified:
        """The items, read when first needed."""
        return read_items(self.data, self.names, self.templates)

    @property
    def facts(self) -> dict[str, str | int]:
        """What a result says of the items."""
        return {"split": self.data, "items": len(self.items.items), "classes": len(self.items.classes)}

    def load(self) -> None:
        _ = self.items

    def check(self, model: Model, space: Space) -> None:
        check_items(model, self.items)
