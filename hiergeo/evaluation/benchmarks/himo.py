"""HiMo@K: does an image match its caption better with every part that the caption gains."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.captioned import Captioned, caption_table, scene_parts
from hiergeo.evaluation.benchmarks.benchmark import check_choice, check_count
from hiergeo.evaluation.benchmarks.retrieval import CaptionedBenchmark
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.registry import correlation, declare
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space
from hiergeo.geometry.points import row_by_row

PAIR_SCORES = ("cosine", "distance")
"""What images and captions are compared by: the cosine of embeddings, or minus the distance of the space."""

LINES = (".jsonl", ".ndjson")  # endings of files that hold the parts of captions


@final
class HiMo(CaptionedBenchmark):
    """Growing captions: Pearson correlation of 1..K with the score of an image and its caption up to part k.

    Beside it stands the same correlation with the image of the next row in place of the right one: what a model scores
    that only follows the length of texts.

    Args:
        data: ``scenes``, or a JSON Lines file (``.jsonl``, ``.ndjson``) of ``{"image": NAME, "parts": [TEXT, ...]}`` a
            line; those of DOCCI are not shipped.
        images: the folder of the images, where it is not beside the file.
        k: parts of each caption that are used; images with fewer are left out. None uses all parts of every image that
            has at least two.
        score: ``cosine``, as published, or ``distance``, minus the distance of the space.
        take: use the first so many images; None is all.
    """

    name = "himo"
    label = "HiMo"
    primary = "himo"
    metrics = declare(
        correlation("himo", "HiMo", unit="images", measures="correlation"),
        correlation("himo_other_image", "HiMo, other image", None, unit="images", measures="correlation"),
    )
    needs = "a JSON Lines file of images and lists of parts (DOCCI's are not shipped), or scenes"

    def __init__(
        self,
        data: str = "scenes",
        images: str | None = None,
        k: int | None = None,
        score: str = "cosine",
        take: int | None = None,
    ) -> None:
        check_count("k", k, 2)
        check_count("take", take)
        check_choice("score", score, PAIR_SCORES)
        if data != "scenes" and path_of(data).suffix not in LINES:
            raise InputError(f"{data} is not a JSON Lines file of images and parts: name a .jsonl file, or scenes.")
        self._source, self._folder, self._k, self._score, self._take = data, images, k, score, take

    @cached_property
    def captioned(self) -> Captioned:
        """The images, each with its caption built up part by part."""
        if self._source == "scenes":
            data = scene_parts()
        else:
            folder = None if self._folder is None else path_of(self._folder)
            data = caption_table(path_of(self._source), folder, "image", "parts", once=True)
        least = 2 if self._k is None else self._k
        chosen = [index for index, parts in enumerate(data.captions) if len(parts) >= least][: self._take]
        if not chosen:
            raise InputError(
                f"no image of {data.name} has {least} parts of a caption: name other data, or a smaller k."
            )
        parts = (data.captions[index][: self._k] for index in chosen)
        grown = tuple(tuple(accumulate(caption, "{} {}".format)) for caption in parts)
        return replace(data, images=tuple(data.images[index] for index in chosen), captions=grown)

    @property
    def protocol(self) -> str:
        parts = f"the first {self._k} parts" if self._k is not None else f"all {self.captioned.counts} parts"
        return f"{self.captioned.convention}, {parts}, {self._score}"

    def score(self, space: Space, images: Tensor, texts: Tensor) -> Outcome:
        captions = self.captioned.captions
        owner, bounds = torch.tensor(self.captioned.owner), np.cumsum(list(map(len, captions)))[:-1]

        def correlations(shift: int) -> np.ndarray:
            scores = self._scores(space, texts, images, ((owner + shift) % len(images)).to(texts.device))
            return himo_rows(np.split(scores, bounds))

        words = [list(map(word_count, parts)) for parts in captions]
        outcome = Outcome()
        outcome.add("himo", mean_of(correlations(0)), chance=0.0, length=float(himo_rows(words).mean()))
        if len(images) > 1:
            outcome.add("himo_other_image", mean_of(correlations(1)))
        return outcome

    def _scores(self, space: Space, texts: Tensor, images: Tensor, owner: Tensor) -> np.ndarray:
        """(m,) the score of each text with its image (m,), float64."""

        def of(text: Tensor, image: Tensor) -> Tensor:
            if self._score == "distance":
                return -space.distance(texts[text], images[image]).double()
            return torch.nn.functional.cosine_similarity(texts[text].double(), images[image].double(), dim=-1)

        return row_by_row(of, torch.arange(len(texts)).to(texts.device), owner).cpu().numpy()


def himo_rows(scores: Sequence[np.ndarray | Sequence[float]]) -> np.ndarray:
    """Pearson correlation of 1..K with the scores (K,) of each image, K >= 2: (n,) in [-1, 1]; 0 where they are level.

    Source: HiMo@K of HiMo-CLIP (arXiv 2511.06653).
    """
    level = [np.ptp(row) == 0 for row in scores]
    pairs = zip(scores, level, strict=True)
    return np.array([0.0 if flat else np.corrcoef(np.arange(len(row)), row)[0, 1] for row, flat in pairs])
