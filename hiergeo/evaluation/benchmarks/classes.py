"""What the benchmarks of classifiers share: the items that their options name."""

from abc import abstractmethod
from collections import Counter
from functools import cached_property

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.adapters import Model
from hiergeo.datasets.imagenet import WNID, load_classes, with_names
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Run, check_choice, check_unused
from hiergeo.evaluation.classification import AVERAGING, Classified, EmbeddedLabels, check_labels, embed_labels
from hiergeo.geometry import Space

CLASSES = 1000
"""How many classes ImageNet has."""

SYNONYMS = "imagenet-synonyms"
"""Other names that WordNet has for ImageNet's classes, as texts to classify."""


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
    return Classified.of(found if data == "scenes" else with_names(found, names or None))


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


class ClassifierBenchmark(Benchmark):
    """A benchmark of zero-shot predictions, whose published figures are of ImageNet with each model's own averages.

    Args:
        data: ``scenes``, ``imagenet-synonyms``, or a folder with one subfolder of images a class.
        averaging: of the prompts of a class, one of `AVERAGING`.
        names: a file of ``key<TAB>name`` lines where subfolders are not called by name; wnids of ImageNet need none.
        templates: a file of one prompt a line with ``{}``, in place of those that belong to the data.

    Raises:
        InputError: an unknown average, or names for data that has its own.
    """

    def __init__(self, data: str, averaging: str, names: str, templates: str) -> None:
        check_choice("averaging", averaging, AVERAGING)
        check_unused(data, {"names": bool(names) and is_named(data)})
        self.data, self.averaging, self.names, self.templates = data, averaging, names, templates
        self.images = data != SYNONYMS
        if averaging == "normalised" or not may_be_imagenet(data):
            self.published = ()

    @cached_property
    def items(self) -> Classified:
        """The items, read when first needed."""
        return read_items(self.data, self.names, self.templates)

    @property
    def protocol(self) -> str:
        return self.protocol_by(self.averaging)

    @abstractmethod
    def protocol_by(self, averaging: str) -> str:
        """The protocol with the averaging of a model."""

    def facts(self, embedded: EmbeddedLabels) -> dict[str, str | int]:
        """What a result says of the items and of the averaging that was used."""
        used = {"averaging": embedded.averaging, "protocol": self.protocol_by(embedded.averaging)}
        return {"split": self.data, "items": len(self.items.items), "classes": len(self.items.classes), **used}

    def load(self) -> None:
        _ = self.items

    def check(self, model: Model, space: Space) -> None:
        check_labels(model, self.items)

    def embed(self, model: Model, how: Run) -> EmbeddedLabels:
        """The items and prompts."""
        return embed_labels(model, self.items, self.averaging, compute=how.compute, progress=how.progress)
