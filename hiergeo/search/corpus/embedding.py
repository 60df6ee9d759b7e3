"""Samples become rows of an index: batches of texts of like length, pictures decoded ahead, poisoned ones set aside."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, final

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, reason
from hiergeo._core.jobs import ahead
from hiergeo.adapters import Model
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import ImageLike, decoded, open_rgb
from hiergeo.datasets.reading import Defect, Items, Sample
from hiergeo.geometry import Space
from hiergeo.search.corpus.records import INPUT_BITS
from hiergeo.search.layout import DTYPES
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import Labelled
from hiergeo.search.shards import Labels

if TYPE_CHECKING:
    from PIL.Image import Image

Input = TypeVar("Input")

Defects: TypeAlias = dict[int, Defect]
"""What is set aside, by its row."""

IMAGE_BIT = 1 << (INPUT_BITS - 1)
"""Set in the id of an image whose caption is an item too; the rest of both ids is the same."""

DECODERS = 4
"""Threads that decode pictures."""

PIXELS = 1 << 27
"""Pixels of a batch of pictures, after which another one is begun."""


@final
class ItemEmbedder:
    """Embeds windows of samples. Batches depend on the window alone, so that every worker makes the same rows of it."""

    def __init__(self, model: Model, space: Space, dtype: str, items: Items, batch_size: int | None = None) -> None:
        self.model, self.space, self.dtype, self.items = model, space, DTYPES[dtype], items
        self.text_batch = batch_size or model.text_batch
        self.image_batch = batch_size or model.image_batch

    def embed(self, number: int, samples: Sequence[Sample]) -> tuple[list[Labelled], list[Defect]]:
        """The items of a window of samples of the input of that number, and the defects among them.

        The id of an item is (number << 32) + row, with the bit 31 for the image of a pair.
        """
        defects: Defects = {}
        items: list[Labelled] = []
        first = number << INPUT_BITS
        if self.items != "captions":
            encode = partial(self.model.encode_image, batch_size=self.image_batch)
            linked = first + (IMAGE_BIT if self.items == "pairs" else 0)
            for batch, pictures in self._decoded(samples, defects):
                items += self._lifted(linked, batch, pictures, encode, defects)
        if self.items != "images":
            embed = partial(self.model.encode_text, batch_size=self.text_batch)
            order = sorted(
                (sample for sample in samples if sample.row not in defects),
                key=lambda sample: len(sample.caption or ""),
            )
            for start in range(0, len(order), self.text_batch):
                batch = order[start : start + self.text_batch]
                items += self._lifted(first, batch, [sample.caption or "" for sample in batch], embed, defects)
        if self.items == "pairs":
            items = [_without(part, defects) for part in items]
        return items, [defects[row] for row in sorted(defects)]

    def _decoded(self, samples: Sequence[Sample], defects: Defects) -> Iterator[tuple[list[Sample], list["ImageLike"]]]:
        """Samples and their pictures, a batch at a time."""
        batch: list[Sample] = []
        pictures: list[ImageLike] = []
        pixels = 0
        for sample, picture in zip(samples, ahead(_picture, samples, DECODERS, DECODERS), strict=True):
            if isinstance(picture, HiergeoError):
                defects[sample.row] = Defect(sample.row, reason(picture))
                continue
            batch.append(sample)
            pictures.append(picture)
            pixels += picture.width * picture.height
            if len(batch) == self.image_batch or pixels >= PIXELS:
                yield batch, pictures
                batch, pictures, pixels = [], [], 0
        if batch:
            yield batch, pictures

    def _lifted(
        self,
        first: int,
        samples: Sequence[Sample],
        inputs: Sequence[Input],
        encode: Callable[[Sequence[Input]], Tensor],
        defects: Defects,
    ) -> Iterator[Labelled]:
        """The items of a batch; where it fails, those of its halves, down to the sample that is to blame."""
        try:
            rows = Rows.of(
                torch.tensor([first + sample.row for sample in samples]), encode(inputs), self.space, self.dtype
            )
        except (UnavailableError, MemoryError):
            raise
        except Exception as error:  # a model may fail on a strange input in any way
            if len(samples) == 1:
                if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
                    raise
                problem = reason(error) if isinstance(error, InputError) else described(error)
                defects[samples[0].row] = Defect(samples[0].row, problem)
                return
            half = len(samples) // 2
            for part in (slice(half), slice(half, None)):
                yield from self._lifted(first, samples[part], inputs[part], encode, defects)
        else:
            yield rows, Labels([sample.caption for sample in samples], [sample.reference for sample in samples])


def _without(items: Labelled, defects: Defects) -> Labelled:
    """Items without those of rows that are set aside: of a pair both."""
    rows, labels = items
    sound = [at for at, row in enumerate((rows.ids & (IMAGE_BIT - 1)).tolist()) if row not in defects]
    columns = ([column[at] for at in sound] for column in (labels.captions, labels.images))  # ids are those of inputs
    return rows.take(torch.tensor(sound, dtype=torch.int64)), Labels(*columns)


def _picture(sample: Sample) -> "Image | HiergeoError":
    image = sample.image
    try:
        return open_rgb(image if isinstance(image, Path) else ImageRef(sample.row, partial(decoded, image or b"")))
    except HiergeoError as error:
        return error
