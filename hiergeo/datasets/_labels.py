"""What zero-shot classification is tried on: images with one class each and the prompts that name the classes."""

from dataclasses import dataclass

from hiergeo.datasets._base import ImageRef
from hiergeo.errors import InputError


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
