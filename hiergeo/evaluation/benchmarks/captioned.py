"""Benchmarks of images with captions: retrieval in both directions, HiMo@K and SugarCrepe.

HiMo@K is of captions that grow part by part, SugarCrepe of captions and foils, which change one part of them.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.numerics import wide
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import Model
from hiergeo.datasets import ImageRef, reading
from hiergeo.datasets.captioned import Captioned, caption_table, load_captioned, scene_parts
from hiergeo.datasets.sugarcrepe import CATEGORIES, Foiled, load_sugarcrepe
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_choice, check_count, published
from hiergeo.evaluation.matching import KS, RECALLS, Match, match_pairs
from hiergeo.evaluation.metrics import CHANCE
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.registry import correlation, declare, share
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space
from hiergeo.geometry.points import row_by_row

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
        data: str = "coco",  # or ``scenes``, ``clip_flickr8k``, a path: `hiergeo.datasets.captioned.load_captioned`
        split: str | None = None,  # such as ``val2017`` of a COCO folder, ``test`` of Karpathy's splits
        images: str | None = None,  # the folder of the images, where it is not beside the captions
        first: int | None = None,  # use the first so many captions of each image
        take: int | None = None,  # use the first so many images
        image_column: str | None = None,  # of a table; None is the usual one
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
        return captioned.take(self._take).limited(self._first)

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


PAIR_SCORES = ("cosine", "distance")
"""What images and captions are compared by: the cosine of embeddings, or minus the distance of the space."""

LINES = (".jsonl", ".ndjson")  # endings of files that hold the parts of captions


@final
class HiMo(CaptionedBenchmark):
    """Growing captions: Pearson correlation of 1..K with the score of an image and its caption up to part k.

    Beside it stands the same correlation with the image of the next row in place of the right one: what a model scores
    that only follows the length of texts.
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
        data: str = "scenes",  # or a JSON Lines file of ``{"image": NAME, "parts": [TEXT, ...]}`` a line
        images: str | None = None,  # the folder of the images, where it is not beside the file
        k: int | None = None,  # parts of captions that are used, of images that have as many; None is all, at least 2
        score: str = "cosine",  # as published, or ``distance``: minus the distance of the space
        take: int | None = None,  # use the first so many images
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
                return wide(-space.distance(texts[text], images[image]))
            return torch.nn.functional.cosine_similarity(wide(texts[text]), wide(images[image]), dim=-1)

        return row_by_row(of, torch.arange(len(texts)).to(texts.device), owner).cpu().double().numpy()


def himo_rows(scores: Sequence[np.ndarray | Sequence[float]]) -> np.ndarray:
    """Pearson correlation of 1..K with the scores (K,) of each image, K >= 2: (n,) in [-1, 1]; 0 where they are level.

    Source: HiMo@K of HiMo-CLIP (arXiv 2511.06653).
    """
    level = [np.ptp(row) == 0 for row in scores]
    pairs = zip(scores, level, strict=True)
    return np.array([0.0 if flat else np.corrcoef(np.arange(len(row)), row)[0, 1] for row, flat in pairs])


@final
class SugarCrepe(CaptionedBenchmark):
    """Is an image nearer to its caption than to the foil: the share of items, and its mean over the categories.

    In flat space and of unit embeddings it is the published rule, the larger cosine; a tie counts as wrong.
    ``sugarcrepe_longer`` keeps to captions with more characters than their foil, ``length`` takes the shorter one of
    both, which in the published data is right of nearly every item of the categories "add". Intervals know which items
    share an image.
    """

    name = "sugarcrepe"
    label = "SugarCrepe"
    primary = "sugarcrepe"
    metrics = declare(
        share("sugarcrepe", "SugarCrepe, mean of categories"),
        *(share(f"sugarcrepe_{name}", f"SugarCrepe, {name.replace('_', ' ')}", discrete=True) for name in CATEGORIES),
        share("sugarcrepe_longer", "SugarCrepe, longer caption right", discrete=True),
    )
    needs = "the files of SugarCrepe (`hiergeo data fetch sugarcrepe`) and COCO val2017, or scenes"

    def __init__(
        self,
        data: str | None = None,  # a folder of the files, or ``scenes``; None is that in the data home
        images: str | None = None,  # the folder of the images; None is ``coco/val2017`` in the data home
        take: int | None = None,  # use the first so many items of each category
    ) -> None:
        check_count("take", take)
        self._source, self._take = (data, images), take

    @cached_property
    def foiled(self) -> tuple[Foiled, ...]:
        """The items of all categories, image by image."""
        return tuple(sorted(load_sugarcrepe(*self._source, take=self._take), key=lambda item: item.image.image_id))

    @cached_property
    def captioned(self) -> Captioned:
        """The images, each with the caption and the foil of every item of it."""
        by_image: dict[ImageRef, list[str]] = {}
        for item in self.foiled:
            by_image.setdefault(item.image, []).extend((item.caption, item.foil))
        return Captioned(self.name, "test", self.label, tuple(by_image), tuple(map(tuple, by_image.values())))

    @property
    def protocol(self) -> str:
        return f"{len(self.foiled):,} items, right where the image is nearer to the caption than to the foil"

    def score(self, space: Space, images: Tensor, texts: Tensor) -> Outcome:
        pictures, points = space.points(wide(images)), space.points(wide(texts))
        image, caption = (torch.tensor(of).to(texts.device)[::2] for of in (self.captioned.owner, range(len(texts))))

        def distance(i: Tensor, j: Tensor) -> Tensor:
            return space.distance(pictures.rows(i), points.rows(j))

        right = row_by_row(distance, image, caption) < row_by_row(distance, image, caption + 1)
        return foil_scores(right.cpu().numpy().astype(np.float64), self.foiled)


def foil_scores(right: np.ndarray, foiled: Sequence[Foiled]) -> Outcome:
    """The metrics of SugarCrepe, from whether each item is right, (n,) in {0, 1}."""
    category = np.array([item.category for item in foiled])
    images = np.array([[item.image.image_id] for item in foiled])
    longer = np.sign([len(item.caption) - len(item.foil) for item in foiled])
    names, of, counts = np.unique(category, return_inverse=True, return_counts=True)
    parts = {f"sugarcrepe_{name}": category == name for name in names} if len(names) > 1 else {}
    outcome = Outcome()

    def add(metric: str, here: np.ndarray, weight: np.ndarray) -> None:
        by_length = float(np.mean(weight * (1 - longer[here]) / 2))
        outcome.add(metric, mean_of(weight * right[here], Sharing(images[here])), chance=CHANCE, length=by_length)

    add("sugarcrepe", np.full(len(of), True), len(of) / (len(names) * counts[of]))
    for metric, here in {**parts, "sugarcrepe_longer": longer > 0}.items():
        if here.any():
            add(metric, here, np.ones(here.sum()))
    return outcome
