"""Conformance suite for datasets: chains of captions from general to specific, and the images that they describe."""

import unittest
from itertools import pairwise
from typing import ClassVar

from hiergeo import datasets
from hiergeo.datasets import Hierarchy
from hiergeo.testing.assertions import assert_refused, assert_text


class DatasetConformance:
    """Inherit from this, define `load`, and pytest checks that your dataset is a hierarchy as hiergeo understands it.

    ```python
    class TestPets(DatasetConformance):
        name, splits = "pets", ("train", "test")

        def load(self, split):
            return my_package.load(split)
    ```

    Attributes:
        name: the name that it is registered under; None leaves the look-up out.
        splits: every split that is tried.
        opened: how many images of a split are opened.
    """

    name: ClassVar[str | None] = None
    splits: ClassVar[tuple[str, ...]] = ("test",)
    opened: ClassVar[int] = 5

    def load(self, split: str) -> Hierarchy:
        """A split."""
        raise NotImplementedError

    def test_splits_are_hierarchies_that_say_what_they_are(self) -> None:
        for split in self.splits:
            hierarchy = self.load(split)
            assert isinstance(hierarchy, Hierarchy), f"{split} is a {type(hierarchy).__name__}"
            assert hierarchy.split == split, f"{split} says that it is {hierarchy.split}"
            assert self.name in (None, hierarchy.name), f"{self.name} says that it is {hierarchy.name}"

    def test_it_is_found_by_its_name(self) -> None:
        if self.name is None:
            raise unittest.SkipTest("no name is given")
        for split in self.splits:
            assert datasets.load(self.name, split) == self.load(split), f"datasets.load gives another {split}"

    def test_the_same_split_is_the_same_again(self) -> None:
        for split in self.splits:
            assert self.load(split) == self.load(split), f"{split} differs from itself when it is loaded again"

    def test_unknown_splits_are_refused(self) -> None:
        assert_refused(lambda: self.load("no-such-split"), "no-such-split")

    def test_rows_are_told_apart(self) -> None:
        for split in self.splits:
            rows = self.load(split).rows
            assert len({row.row_id for row in rows}) == len(rows), f"two rows of {split} have one row_id"

    def test_captions_are_stripped_text(self) -> None:
        for split in self.splits:
            for caption in self.load(split).texts:
                assert_text(caption, f"a caption of {split}")
                caption.encode()

    def test_a_caption_differs_from_its_neighbours(self) -> None:
        for split in self.splits:
            for row in self.load(split).rows:
                tiers = [tier.casefold() for tier in row.positive]
                repeated = [a for a, b in pairwise(tiers) if a == b]
                assert not repeated, f"row {row.row_id} of {split} says {repeated[:1]} twice in a row"
                if row.negative is not None:
                    assert len(row.negative) == len(row.positive), f"chains of row {row.row_id} of {split} differ"
                    same = [a for a, b in zip(row.positive, row.negative, strict=True) if a.casefold() == b.casefold()]
                    assert not same, f"row {row.row_id} of {split} has {same[:1]} as its own contradiction"

    def test_rows_and_images_fit_each_other(self) -> None:
        for split in self.splits:
            hierarchy = self.load(split)
            ids = [image.image_id for image in hierarchy.images]
            assert len(set(ids)) == len(ids), f"an image of {split} is there twice"
            if ids:
                lost = {row.image_id for row in hierarchy.rows} - set(ids) - {None}
                assert not lost, f"rows of {split} describe images that are not there: {sorted(map(str, lost))[:3]}"

    def test_images_open_as_rgb_pictures(self) -> None:
        for split in self.splits:
            images = self.load(split).images
            for image in images[:: max(1, len(images) // self.opened)]:
                with image.open() as picture:
                    assert picture.mode == "RGB", f"image {image.image_id} of {split} is {picture.mode}"
                    assert min(picture.size) > 0, f"image {image.image_id} of {split} has no pixels"
