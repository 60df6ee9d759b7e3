"""HiMo@K: does an image match its caption better with every part that the caption gains."""

from dataclasses import replace
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import Model
from hiergeo.datasets.captioned import Captioned, caption_table, scene_parts
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Run, check_choice, check_unused
from hiergeo.evaluation.metrics import himo_rows
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.registry import correlation, declare
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space
from hiergeo.geometry.points import row_by_row

PAIR_SCORES = ("cosine", "distance")
"""What images and captions are compared by: the cosine of embeddings, or minus the distance of the space."""

LINES = (".jsonl", ".ndjson")
"""Endings of files that hold the parts of captions."""


@final
class HiMo(Benchmark):
    """Growing captions: Pearson correlation of 1..K with the score of an image and its caption up to part k.

    Beside it stands the same correlation with the image of the next row in place of the right one: what a model scores
    that only follows the length of texts.

    Args:
        data: ``scenes``, or a JSON Lines file (``.jsonl``, ``.ndjson``), a line an image with its list of parts; those
            of DOCCI are not shipped.
        images: the folder of the images, where it is not beside the file.
        k: parts of each caption that are used; images with fewer are left out. None uses all parts of every image that
            has at least two.
        score: ``cosine``, as published, or ``distance``, minus the distance of the space.
        take: use the first so many images; None is all.
        image_key: key of the image in the file.
        parts_key: key of the list of parts.
    """

    name = "himo"
    label = "HiMo"
    primary = "himo"
    metrics = declare(
        correlation("himo", "HiMo", unit="images", measures="correlation"),
        correlation("himo_other_image", "HiMo, other image", None, unit="images", measures="correlation"),
    )
    images = True
    needs = "a JSON Lines file of images and lists of parts (DOCCI's are not shipped), or scenes"

    def __init__(
        self,
        data: str = "scenes",
        images: str | None = None,
        k: int | None = None,
        score: str = "cosine",
        take: int | None = None,
        image_key: str = "image",
        parts_key: str = "parts",
    ) -> None:
        if k is not None:
            check_whole("k", k, 2, limits.COUNT)
        if take is not None:
            check_whole("take", take, 1, limits.COUNT)
        check_choice("score", score, PAIR_SCORES)
        if data == "scenes":
            own_keys = {"image_key": image_key != "image", "parts_key": parts_key != "parts"}
            check_unused(data, {"images": images is not None} | own_keys)
        elif path_of(data).suffix not in LINES:
            raise InputError(f"{data} is not a JSON Lines file of images and parts: name a .jsonl file, or scenes.")
        self._source, self._folder, self._keys = data, images, (image_key, parts_key)
        self._k, self._score, self._take = k, score, take

    @cached_property
    def growing(self) -> Captioned:
        """The images, each with its caption built up part by part; read when first needed."""
        if self._source == "scenes":
            data = scene_parts()
        else:
            folder = None if self._folder is None else path_of(self._folder)
            data = caption_table(path_of(self._source), folder, *self._keys, once=True)
        least = 2 if self._k is None else self._k
        kept = [place for place, parts in enumerate(data.captions) if len(parts) >= least][: self._take]
        if not kept:
            raise InputError(
                f"no image of {data.name} has {least} parts of a caption: name other data, or a smaller k."
            )
        built = (data.captions[place][: self._k] for place in kept)
        grown = tuple(tuple(" ".join(parts[: k + 1]) for k in range(len(parts))) for parts in built)
        return replace(data, images=tuple(data.images[place] for place in kept), captions=grown)

    @property
    def protocol(self) -> str:
        parts = f"the first {self._k} parts" if self._k is not None else f"all {self.growing.counts} parts"
        return f"{self.growing.convention}, {parts}, {self._score}"

    def load(self) -> None:
        _ = self.growing

    def check(self, model: Model, space: Space) -> None:
        model.check_texts(self.growing.texts)
        model.check_images(self.growing.images)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        data = self.growing
        images = model.encode_image(data.images, **how.place, progress=how.progress)
        texts = model.encode_text(data.texts, **how.place, progress=how.progress)
        rooted = space.rooted(model.root(texts.device, texts.dtype))
        owner = torch.tensor(data.owner)
        bounds = np.cumsum([len(captions) for captions in data.captions])[:-1]

        def correlations(shift: int) -> np.ndarray:
            found = self._scores(rooted, texts, images, ((owner + shift) % len(images)).to(texts.device))
            return himo_rows(np.split(found, bounds))

        words = [[word_count(text) for text in captions] for captions in data.captions]
        outcome = Outcome()
        outcome.add("himo", mean_of(correlations(0)), chance=0.0, length=float(himo_rows(words).mean()))
        if len(images) > 1:
            outcome.add("himo_other_image", mean_of(correlations(1)))
        facts = {"data": data.name, "split": data.split, "images": len(images), "texts": len(texts)}
        return self.result(outcome, model, rooted, texts, how, **facts)

    def _scores(self, space: Space, texts: Tensor, images: Tensor, owner: Tensor) -> np.ndarray:
        """(m,) the score of each text with its image (m,), float64."""

        def of(text: Tensor, image: Tensor) -> Tensor:
            if self._score == "distance":
                return -space.distance(texts[text], images[image]).double()
            return torch.nn.functional.cosine_similarity(texts[text].double(), images[image].double(), dim=-1)

        return row_by_row(of, torch.arange(len(texts)).to(texts.device), owner).cpu().numpy()
