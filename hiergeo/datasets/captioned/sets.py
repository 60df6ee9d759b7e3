"""What a set of captioned images is: images, each with one or more captions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hiergeo._core.errors import InputError
from hiergeo.datasets.hierarchy import ImageRef


@dataclass(frozen=True, repr=False)
class Captioned:
    """Images, each with its captions.

    Attributes:
        name: what the set is called, such as ``coco``.
        split: such as ``val2017``.
        convention: where images and captions are from, for the record of a result, such as ``COCO val2017``.
        images: n of them, of different ids.
        captions: the captions of each image, stripped, at least one.

    Raises:
        InputError: no images, an id twice, an image without captions, or an empty caption.
    """

    name: str
    split: str
    convention: str
    images: tuple[ImageRef, ...]
    captions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.images or len(self.images) != len(self.captions):
            raise InputError(f"{self.name} must have captions for each of its images, and at least one image.")
        seen: set[int] = set()
        for image, captions in zip(self.images, self.captions, strict=True):
            if image.image_id in seen:
                raise InputError(f"the id {image.image_id} belongs to two images of {self.name}: keep one of them.")
            seen.add(image.image_id)
            if not captions:
                raise InputError(f"{title(image)} of {self.name} has no captions: add some, or leave the image out.")
            if not all(captions):
                raise InputError(f"{title(image)} of {self.name} has an empty caption: remove it.")

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}, {len(self.images)} images, {len(self.texts)} captions>"

    @property
    def texts(self) -> tuple[str, ...]:
        """All captions, image by image."""
        return tuple(caption for captions in self.captions for caption in captions)

    @property
    def owner(self) -> tuple[int, ...]:
        """The image of each of `texts`, a position in `images`."""
        return tuple(place for place, captions in enumerate(self.captions) for _ in captions)

    @property
    def counts(self) -> str:
        """How many captions the images have, in words: ``5`` or ``5 to 7``."""
        least, most = min(map(len, self.captions)), max(map(len, self.captions))
        return str(least) if least == most else f"{least} to {most}"

    def limited(self, *, first: int | None = None, announced: int | None = None) -> "Captioned":
        """The same images with the first so many captions of each.

        Args:
            first: captions to keep of each image; None keeps all.
            announced: how many each image must then have; None takes any number.

        Raises:
            InputError: an image that has another number of captions than announced.
        """
        kept = self if first is None else replace(self, captions=tuple(captions[:first] for captions in self.captions))
        for image, captions in zip(kept.images, kept.captions, strict=True):
            if announced is not None and len(captions) != announced:
                cure = f"first={announced}" if len(captions) > announced else "captions=None"
                raise InputError(
                    f"{title(image)} of {self.name} has {len(captions)} captions, and {announced} were announced for "
                    f"each: correct the data, or say {cure}."
                )
        return kept

    def take(self, count: int | None) -> "Captioned":
        """The first `count` images; None is all."""
        return self if count is None else replace(self, images=self.images[:count], captions=self.captions[:count])


def stripped(captions: Iterable[str]) -> tuple[str, ...]:
    """The captions without the white space around them."""
    return tuple(caption.strip() for caption in captions)


def title(image: ImageRef) -> str:
    """How errors name an image: by its file where it has one."""
    return f"image {image.image_id}" if image.path is None else f"image {image.path.name}"
