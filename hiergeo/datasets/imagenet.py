"""The classes of ImageNet by their wnids: names for prompts, and the other names that WordNet has for them."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import Count, Document, parse_json, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_columns, read_text
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import Labelled

T = TypeVar("T")

FILE = Path("imagenet_names") / "imagenet1k_classes.json"
"""Path of the list in the data home."""

WNID = re.compile(r"n\d{8}")

Words = Annotated[str, Field(pattern=r"\S")]


class _Class(Document):
    """A class in the list."""

    index: Count
    wnid: Annotated[str, Field(pattern=f"^{WNID.pattern}$")]
    wordnet_lemmas: Words
    torchvision_name: Words | None = None


CURE = "write a JSON list of objects with index, wnid, wordnet_lemmas and torchvision_name there"


class ImageNetClass(NamedTuple):
    """A class: its wnid, and a name for prompts that no other class has."""

    wnid: str
    name: str


def load_classes(path: Path | str | None = None) -> tuple[ImageNetClass, ...]:
    """The classes of a list, by default `FILE` in the data home. A name that two of them have gets the wnid behind it.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not such a list.
    """
    path = data_home() / FILE if path is None else path_of(path)
    classes = read_list(path, list[_Class], "ImageNet classes", CURE)
    names = [listed.torchvision_name or listed.wordnet_lemmas.partition(",")[0].strip() for listed in classes]
    count = Counter(names)
    return tuple(
        ImageNetClass(listed.wnid, f"{name} ({listed.wnid})" if count[name] > 1 else name)
        for listed, name in zip(classes, names, strict=True)
    )


def read_list(path: Path, kind: type[T], what: str, cure: str) -> T:
    """A JSON list of what `kind` declares and `what` says in words.

    Raises:
        UnavailableError: there is no such file, or it cannot be read; `cure` says what to do.
        InputError: it is not JSON or does not fit.
    """
    text = read_text(path, cure)
    try:
        return validated(kind, parse_json(text.encode()))
    except ValueError as error:
        raise InputError(f"{path} is not a list of {what} ({str(error).rstrip('.')}): {cure}.") from error


def read_names(path: Path | str) -> dict[str, str]:
    """Names of classes by their keys, from a file of one ``key<TAB>name`` a line.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not text, a line is not a pair, or a key is there twice.
    """
    path = path_of(path)
    names: dict[str, str] = {}
    expected = "a key and a name separated by a tab"
    for number, cells in read_columns(path, "write one `key<TAB>name` a line there", expected):
        if cells[0] in names:
            raise InputError(f"{path}, line {number}: the key {cells[0]} is there twice.")
        names[cells[0]] = cells[1]
    return names


def with_names(labelled: Labelled, names: Path | str | None = None) -> Labelled:
    """Labelled images whose classes are called as people call them, by a file for `read_names`.

    Without one, classes whose keys are all wnids get the names of ImageNet, and others stay.

    Raises:
        UnavailableError: keys are wnids, and there is no list of ImageNet's names.
        InputError: a class has no name in the file, or two have one.
    """
    keys = labelled.keys or labelled.classes
    if names is None and not all(WNID.fullmatch(key) for key in keys):
        return labelled
    name_of = {one.wnid: one.name for one in load_classes()} if names is None else read_names(names)
    if unnamed := [key for key in keys if key not in name_of]:
        raise InputError(f"{len(unnamed)} classes of {labelled.name} have no name, the first {unnamed[0]}.")
    return replace(labelled, classes=tuple(name_of[key] for key in keys), keys=keys)
