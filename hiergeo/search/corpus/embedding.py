"""Samples become rows of an index: batches of texts of like length, pictures decoded ahead, poisoned ones set aside."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, reason
from hiergeo._core.jobs import ahead
from hiergeo.adapters import Model
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import ImageLike, decoded, open_rgb
from hiergeo.datasets.reading import Defect, Items, Sample
from hiergeo.geometry import Space
from hiergeo.search.layout import DTYPES
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import Labelled
from hiergeo.search.shards import Labels

if TYPE_CHECKING:
    from PIL.Image import Image

Input = TypeVar("Input")

INPUT_BITS = 32
"""Bits of an id below the number of its input."""

IMAGE_BIT = 1 << 31
"""Set in the id of an image whose caption is an item too; the rest of both ids is the same."""

DECODERS = 4
"""Threads that decode pictures."""

PIXELS = 1 << 27
"""Pixels of a batch of pictures, after which another one is begun."""


def item_id(number: int, row: int, *, image: bool = False) -> int:
    """The id of a row of an input: (number << 32) + row, with the bit 31 for the image of a pair."""
    return (number << INPUT_BITS) + row + (IMAGE_BIT if image else 0)


@final
class ItemEmbedder:
    """Embeds windows of samples. Batches depend on the window alone, so that every worker makes the same rows of it."""

    def __init__(self, model: Model, space: Space, dtype: str, items: Items, batch_size: int | None = None) -> None:
        self.model, self.space, self.dtype, self.items = model, space, DTYPES[dtype], items
        self.text_batch = batch_size or model.text_batch
        self.image_batch = batch_size or model.image_batch

    def embed(self, number: int, samples: Sequence[Sample]) -> tuple[list[Labelled], list[Defect]]:
        """The items of a window of samples of the input of that number, and the defects among them."""
        defects: dict[int, Defect] = {}
        found: list[Labelled] = []
        if self.items != "captions":
            found += self._images(number, samples, defects)
        if self.items != "images":
            kept = [sample for sample in samples if sample.row not in defects]
            found += self._texts(number, kept, defects)
            if self.items == "pairs":
                found = [_without(each, defects) for each in found]
        return found, [defects[row] for row in sorted(defects)]

    def _texts(self, number: int, samples: Sequence[Sample], defects: dict[int, Defect]) -> Iterator[Labelled]:
        order = sorted(samples, key=lambda sample: len(sample.caption or ""))
        encode = partial(self.model.encode_text, batch_size=self.text_batch)
        for start in range(0, len(order), self.text_batch):
            batch = order[start : start + self.text_batch]
            yield from self._lifted(number, batch, [sample.caption or "" for sample in batch], encode, False, defects)

    def _images(self, number: int, samples: Sequence[Sample], defects: dict[int, Defect]) -> Iterator[Labelled]:
        encode = partial(self.model.encode_image, batch_size=self.image_batch)
        batch: list[Sample] = []
        pictures: list[ImageLike] = []
        pixels = 0
        linked = self.items == "pairs"
        for sample, picture in zip(samples, ahead(_picture, samples, DECODERS, DECODERS), strict=True):
            if isinstance(picture, HiergeoError):
                defects[sample.row] = Defect(sample.row, reason(picture))
                continue
            batch.append(sample)
            pictures.append(picture)
            pixels += picture.width * picture.height
            if len(batch) == self.image_batch or pixels >= PIXELS:
                yield from self._lifted(number, batch, pictures, encode, linked, defects)
                batch, pictures, pixels = [], [], 0
        if batch:
            yield from self._lifted(number, batch, pictures, encode, linked, defects)

    def _lifted(
        self,
        number: int,
        samples: Sequence[Sample],
        inputs: Sequence[Input],
        encode: Callable[[Sequence[Input]], Tensor],
        linked: bool,
        defects: dict[int, Defect],
    ) -> Iterator[Labelled]:
        """The items of a batch; where it fails, those of its halves, down to the sample that is to blame."""
        ids = torch.tensor([item_id(number, sample.row, image=linked) for sample in samples])
        try:
            rows = Rows.of(ids, encode(inputs), self.space, self.dtype)
        except (UnavailableError, MemoryError):
            raise
        except Exception as error:  # a model may fail on a strange input in any way
            if len(samples) == 1:
                if _out_of_memory(error):
                    raise
                problem = reason(error) if isinstance(error, InputError) else described(error)
                defects[samples[0].row] = Defect(samples[0].row, problem)
                return
            half = len(samples) // 2
            for part in (slice(half), slice(half, None)):
                yield from self._lifted(number, samples[part], inputs[part], encode, linked, defects)
            return
        yield rows, Labels([sample.caption for sample in samples], [sample.reference for sample in samples])


def _without(items: Labelled, defects: dict[int, Defect]) -> Labelled:
    """Items without those of rows that are set aside: of a pair both."""
    if not defects:
        return items
    rows, labels = items
    kept = [at for at, row in enumerate((rows.ids & (IMAGE_BIT - 1)).tolist()) if row not in defects]
    columns = ([column[at] for at in kept] for column in (labels.captions, labels.images))
    return rows.take(torch.tensor(kept, dtype=torch.int64)), Labels(*columns)


def _picture(sample: Sample) -> "Image | HiergeoError":
    image = sample.image
    try:
        if isinstance(image, Path):
            return open_rgb(image)
        return open_rgb(ImageRef(sample.row, partial(decoded, image or b"")))
    except HiergeoError as error:
        return error


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
