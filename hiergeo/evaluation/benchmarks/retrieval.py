"""Image-text retrieval: recall at 1, 5 and 10 in both directions, with several captions an image."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import UnavailableError
from hiergeo.adapters import Model
from hiergeo.datasets import reading
from hiergeo.datasets.captioned import Captioned, load_captioned
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_count, published
from hiergeo.evaluation.matching import KS, RECALLS, Match, match_pairs
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space

RE_PAPER, MERU, HYCOCLIP = "arXiv 2407.08521", "arXiv 2304.09172", "hycoclip model zoo"
VAL2017, NOT_PUBLIC = "COCO val2017", "COCO; split and captions not public"


class CaptionedBenchmark(Benchmark):
    """A benchmark of images with captions."""

    images = True
    loads = "captioned"

    @property
    @abstractmethod
    def captioned(self) -> Captioned:
        """The images and captions."""

    @abstractmethod
    def score(self, space: Space, images: Tensor, texts: Tensor) -> Outcome:
        """The metrics of embeddings of the images and of all captions, image by image."""

    def check(self, model: Model, space: Space) -> None:
        model.check_texts(self.captioned.texts)
        model.check_images(self.captioned.images)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        data = self.captioned
        images, texts = how.images(model, data.images), how.texts(model, data.texts)
        rooted = space.rooted(model.root(texts.device, texts.dtype))
        facts = {"data": data.name, "split": data.split, "images": len(images), "texts": len(texts)}
        return self.result(self.score(rooted, images, texts), model, rooted, texts, how, **facts)


@final
class Retrieval(CaptionedBenchmark):
    """Find the captions of an image and the image of a caption, by distance.

    A query is a hit where any item that is paired with it is among the nearest K; recall is the mean over queries.
    Captions of other images count as wrong even where they describe the image as well, or are the same text, as in all
    published figures.

    Args:
        data: ``coco``, ``scenes``, ``clip_flickr8k`` or a path; see `hiergeo.datasets.captioned.load_captioned`.
        split: such as ``val2017`` of a COCO folder, ``test`` of Karpathy's splits.
        images: the folder of the images, where it is not beside the captions.
        first: use the first so many captions of each image; None is all.
        take: use the first so many images; None is all.
        image_column: of a table; None is the usual one.
        caption_column: of a table; None is the usual one.
    """

    name = "retrieval"
    label = "Retrieval"
    primary = "image_to_text_r1"
    metrics = RECALLS
    needs = "COCO val2017 (`coco/` in the data home), Karpathy's splits, own files, or scenes"
    published: tuple[Published, ...] = (
        *published("CLIP ViT-B/32", RE_PAPER, NOT_PUBLIC, text_to_image_r1=0.30),
        *published("CLIP ViT-B/32 + RE", RE_PAPER, NOT_PUBLIC, text_to_image_r1=0.31),
        *published("CLIP ViT-B/16 (GRIT)", HYCOCLIP, VAL2017, image_to_text_r10=0.815, text_to_image_r10=0.685),
        *published("MERU ViT-B/16 (GRIT)", HYCOCLIP, VAL2017, image_to_text_r10=0.820, text_to_image_r10=0.686),
        *published("HyCoCLIP ViT-B/16", HYCOCLIP, VAL2017, image_to_text_r10=0.820, text_to_image_r10=0.693),
        *published("MERU ViT-B/16 (RedCaps)", MERU, VAL2017, text_to_image_r5=0.332, image_to_text_r5=0.418),
    )

    def __init__(
        self,
        data: str = "coco",
        split: str | None = None,
        images: str | None = None,
        first: int | None = None,
        take: int | None = None,
        image_column: str | None = None,
        caption_column: str | None = None,
    ) -> None:
        check_count("first", first)
        check_count("take", take)
        self._source = (data, split, images, image_column, caption_column)
        self._first, self._take = first, take
        if first is not None or take is not None:
            self.published = ()
        self.published = tuple(figure for figure in self.published if is_of(figure, data, split))

    @cached_property
    def captioned(self) -> Captioned:
        """The images and captions."""
        try:
            captioned = load_captioned(*self._source)
        except UnavailableError as error:
            if self._source[0] != "coco":
                raise
            hint = "--set data=scenes takes generated pictures, which need no files"
            raise UnavailableError(f"{str(error).rstrip('.')}; {hint}.") from error
        return captioned.take(self._take).limited(first=self._first)

    @property
    def protocol(self) -> str:
        data = self.captioned
        cut = "" if self._first is None else f" (the first {self._first})"
        part = "" if self._take is None else f", the first {len(data.images):,} images"
        return f"{data.convention}{part}, {data.counts} captions an image{cut}, hit if any pair is in the top K"

    def score(self, space: Space, images: Tensor, texts: Tensor) -> Outcome:
        owner, caption = (torch.tensor(index).to(texts.device) for index in (self.captioned.owner, range(len(texts))))
        match = match_pairs(space, space.points(images), space.points(texts), owner, caption)
        return caption_recalls(match, np.array(self.captioned.owner))


def is_of(figure: Published, data: str, split: str | None) -> bool:
    """Whether a published figure is of such data: COCO val2017, or Karpathy's COCO where its split is unknown."""
    if Path(data).name == "dataset_coco.json":
        return split in (None, "test") and figure.protocol != VAL2017
    own = data in ("scenes", "clip_flickr8k") or Path(data).suffix in (".npz", ".json") or reading.is_input(Path(data))
    return not own and split in (None, "val2017")


def caption_recalls(match: Match, owner: np.ndarray) -> Outcome:
    """Recalls in both directions with what chance gives; resamples draw images with all their captions."""
    images, texts = len(match.image_to_text), len(match.text_to_image)
    captions = np.bincount(owner, minlength=images)
    outcome = Outcome()
    for k in KS:
        hits = (match.image_to_text < k).astype(np.float64)
        outcome.add(f"image_to_text_r{k}", mean_of(hits), chance=chance_recall(captions, texts, k))
    for k in KS:
        hits = (match.text_to_image < k).astype(np.float64)
        outcome.add(f"text_to_image_r{k}", _clustered(hits, owner, captions), chance=min(1.0, k / images))
    return outcome


def chance_recall(relevant: np.ndarray, candidates: int, k: int) -> float:
    """Expected R@k of a random order of M candidates, c of them `relevant` (n,): the mean 1 - C(M - c, k) / C(M, k)."""
    ranks = np.arange(min(k, candidates))
    missed = np.clip(candidates - relevant[:, None] - ranks, 0, None) / (candidates - ranks)
    return float(1 - missed.prod(axis=1).mean())


def _clustered(hits: np.ndarray, owner: np.ndarray, captions: np.ndarray) -> Statistic:
    """The mean of hits, one a caption, under resampling of images."""
    of_image = np.bincount(owner, weights=hits, minlength=len(captions))
    if (captions == captions[0]).all():
        return mean_of(of_image / captions)
    return Statistic(len(captions), lambda counts: float(counts @ of_image / (counts @ captions)))
