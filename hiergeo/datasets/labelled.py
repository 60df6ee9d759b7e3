"""Images with one class each and the prompts that name the classes: what zero-shot classification is tried on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hiergeo.datasets._base import ImageRef
from hiergeo.datasets.pictures import open_rgb
from hiergeo.errors import InputError

PHOTO_TEMPLATES = ("a photo of a {}.", "a photo of one {}.", "a close-up photo of a {}.", "a picture of a {}.", "a {}.")
"""What is said of a photograph, in the manner of CLIP's prompts."""


@dataclass(frozen=True)
class Labelled:
    """Images, each of one class.

    Attributes:
        name: what the set is called.
        images: n of them.
        labels: (n,) the class of each, a position in `classes`.
        classes: at least two different names.
        templates: prompts with one ``{}`` each, where the name of a class goes.

    Raises:
        InputError: fewer than two classes, a name twice or empty, a class without images, labels that do not fit, or a
            template without ``{}``.
    """

    name: str
    images: tuple[ImageRef, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    templates: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes) or not all(map(str.strip, self.classes)):
            raise InputError(f"{self.name} needs at least two classes of different names, not {list(self.classes)}.")
        if len(self.labels) != len(self.images) or not set(self.labels) <= set(range(len(self.classes))):
            raise InputError(f"{self.name} needs a label below {len(self.classes)} for each of its images.")
        empty = [name for label, name in enumerate(self.classes) if label not in self.labels]
        if empty:
            raise InputError(f"the class '{empty[0]}' of {self.name} has no images: leave it out.")
        if not self.templates:
            raise InputError(f"{self.name} has no prompt templates: give at least one, such as 'a photo of a {{}}.'.")
        for template in self.templates:
            if template.count("{}") != 1:
                raise InputError(f"the template '{template}' must hold {{}} once, where the name of a class goes.")

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of all classes, class by class."""
        return tuple(template.replace("{}", name) for name in self.classes for template in self.templates)


def labelled(source: str | Path, templates: Sequence[str] | None = None) -> Labelled:
    """A set of labelled images: ``scenes``, or a folder that holds one subfolder of images a class.

    Of a folder, subfolders name the classes (underscores become spaces) and every file in them that is not hidden is
    an image; all are opened once.

    Args:
        source: ``scenes``, or the folder.
        templates: prompts in place of those that belong to the source.

    Raises:
        InputError: there is no such folder, it holds fewer than two classes, a class has no images, a file cannot be
            read as an image, or as `Labelled`.
    """
    if source == "scenes":
        from hiergeo.datasets.scenes import lone_shapes

        return lone_shapes() if templates is None else lone_shapes(templates=templates)
    return _folder(Path(source).expanduser(), tuple(PHOTO_TEMPLATES if templates is None else templates))


def _folder(folder: Path, templates: tuple[str, ...]) -> Labelled:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} of labelled images: name 'scenes', or a folder that exists.")
    classes = _visible(path for path in folder.iterdir() if path.is_dir())
    files = [(label, path) for label, part in enumerate(classes) for path in _visible(part.iterdir())]
    for _, path in files:
        open_rgb(path)
    return Labelled(
        name=folder.name,
        images=tuple(ImageRef(place, partial(open_rgb, path), path) for place, (_, path) in enumerate(files)),
        labels=tuple(label for label, _ in files),
        classes=tuple(part.name.replace("_", " ") for part in classes),
        templates=templates,
    )


def _visible(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))
