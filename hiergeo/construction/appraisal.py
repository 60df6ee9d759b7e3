"""Chains appraised beside baselines: the quality of each set, paired differences, and what they amount to in words."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from hiergeo import datasets
from hiergeo._core.storage.files import size_of
from hiergeo.adapters import Model
from hiergeo.construction.build_plan import FILE, read_plan
from hiergeo.construction.grading import OWN_RULES, Quality, opened, quality
from hiergeo.construction.judges import Judge
from hiergeo.construction.output import DROPPED, REASONS
from hiergeo.construction.pooling import Difference, coco_images
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.tables import parse_records, read_table, without_defects
from hiergeo.evaluation import Compute
from hiergeo.evaluation.embedded import ON_THE_CPU
from hiergeo.evaluation.findings import listing
from hiergeo.evaluation.findings.exports import json_text, number, omissions, percent, signed
from hiergeo.evaluation.length import LENGTH
from hiergeo.evaluation.metrics.resampling import SMALL_SAMPLE

CORRECTED, AUTOMATIC = "corrected", "expanded"
"""What the two baselines of HierarCaps are called: corrected by hand, and as machines wrote them."""

WRITES_BY_RULES = "wordnet"
"""The backend that writes by the rules that the judge `OWN_RULES` reasons by."""


@final
@dataclass(frozen=True)
class Observation:
    """One thing that was found out about chains.

    Attributes:
        kind: what it is about, such as ``entailment``, ``words`` or ``judge``.
        sentence: in words, with numbers.
        metric: the metric that it rests on; empty for what is said of the measurement itself.
    """

    kind: str
    sentence: str
    metric: str = ""


@final
@dataclass(frozen=True, eq=False)
class Appraisal:
    """The quality of a set of chains beside that of others.

    Attributes:
        quality: of the set.
        baselines: of other sets, by what they are called.
        drops: captions that left the data before, by (stage, reason).
        backend: what wrote the set; None if that is not known.
    """

    quality: Quality
    baselines: dict[str, Quality]
    drops: dict[tuple[str, str], int]
    backend: str | None = None

    @cached_property
    def differences(self) -> dict[str, dict[str, Difference]]:
        """Baseline -> metric -> the set less that baseline, paired by image; none for baselines of other images."""
        return {name: self.quality.less(other) for name, other in self.baselines.items()}

    @cached_property
    def findings(self) -> tuple[Observation, ...]:
        """What was found, the most important first."""
        return tuple(_findings(self))

    @property
    def independent(self) -> bool:
        """Whether the judge reasons by other rules than those that wrote the set, as far as is known."""
        return not (self.quality.settings["judge"] == OWN_RULES and self.backend == WRITES_BY_RULES)

    @property
    def headline(self) -> str:
        """One sentence: what the judge says, and whether that is evidence."""
        metrics, judge = self.quality.metrics, self.quality.settings["judge"]
        if not self.independent:
            wrong = 1 - min(metrics["forward_entailed"], metrics.get("negative_contradicted", 1.0))
            found = f"errors in {percent(wrong)} of it" if wrong else "no error in it"
            return f"The rules that wrote this set find {found}; not independent evidence"
        sentence = f"{percent(metrics['forward_entailed'])} of adjacent tiers are entailed"
        if "negative_contradicted" in metrics:
            sentence += f" and {percent(metrics['negative_contradicted'])} of negatives contradict"
        return f"{sentence}, by the judge {judge}"

    @property
    def omissions(self) -> str:
        """What was not measured of the set and why, in words; empty where nothing was left out."""
        return omissions(self.quality.left_out)

    def to_json(self) -> str:
        """As `Quality.to_json`, and ``beside``, ``differences``, ``drops``, ``headline`` and ``findings``."""
        return json_text(
            self.quality.as_dict()
            | {
                "beside": {name: each.as_dict() for name, each in self.baselines.items()},
                "differences": {
                    name: {
                        metric: {"value": each.value, "interval": list(each.interval), "images": each.images}
                        for metric, each in found.items()
                    }
                    for name, found in self.differences.items()
                },
                "drops": [[stage, reason, count] for (stage, reason), count in self.drops.items()],
                "headline": self.headline,
                "findings": [vars(each) for each in self.findings],
            }
        )


def appraise(
    chains: Hierarchy,
    baselines: Mapping[str, Hierarchy],
    *,
    judge: Judge | str = OWN_RULES,
    model: Model | str | None = None,
    drops: Mapping[tuple[str, str], int] | None = None,
    backend: str | None = None,
    seed: int = 0,
    samples: int = 1000,
    compute: Compute = ON_THE_CPU,
) -> Appraisal:
    """Measure chains and baselines by the same judge and model; bars tell of work that outlasts a second.

    Args:
        chains: the set.
        baselines: other chains by what they are called; ``corrected`` ones are the reference of all others.
        judge: as for `quality`.
        model: as for `quality`.
        drops: captions that left the data before, by (stage, reason).
        backend: what wrote the set, if that is known.
        seed: of the bootstrap.
        samples: bootstrap resamples.
        compute: where and in which batches texts are embedded.

    Raises:
        InputError: as `quality`.
        UnavailableError: as `quality`.
    """
    with opened(judge, model, compute) as (asked, loaded):
        reference = baselines.get(CORRECTED)

        def measured(each: Hierarchy) -> Quality:
            alike = reference is not None and each is not reference and coco_images(each) & coco_images(reference)
            return quality(
                each,
                judge=asked,
                model=loaded,
                reference=reference if alike else None,
                seed=seed,
                samples=samples,
                compute=compute,
                progress=True,
            )

        others = {name: measured(each) for name, each in baselines.items()}
        return Appraisal(measured(chains), others, dict(drops or {}), backend)


def hierarcaps_baselines(chains: Hierarchy) -> dict[str, Hierarchy]:
    """HierarCaps corrected by hand (its test split), and its automatic chains of the images that `chains` has.

    Of the automatic chains those of the test images are taken where the two have no image in common.

    Raises:
        UnavailableError: HierarCaps is not on this machine.
    """
    automatic = datasets.load("hierarcaps", "expanded")
    if wanted := coco_images(chains) & coco_images(automatic):
        rows = tuple(row for row in automatic.rows if row.image_id in wanted)
        images = tuple(image for image in automatic.images if image.image_id in wanted)
        automatic = replace(automatic, rows=rows, images=images)
    else:
        automatic = datasets.load("hierarcaps", "expanded-test")
    return {CORRECTED: datasets.load("hierarcaps"), AUTOMATIC: automatic}


def backend_of(folder: Path) -> str | None:
    """What wrote the chains of a folder, by the plan in it; None without a plan."""
    plan = folder / FILE
    return read_plan(plan).backend if plan.is_file() else None


def read_dropped(folder: Path) -> dict[tuple[str, str], int]:
    """How many captions a build dropped by (stage, reason), the most first; empty without a record of it.

    Raises:
        InputError: the record is damaged (which row, and how).
        UnavailableError: it cannot be read.
    """
    path = folder / DROPPED
    if (size_of(path) or 0) <= len(",".join(REASONS)) + 1:
        return {}
    records = parse_records(read_table(path, "build the folder again"), ("stage", "reason"))
    rows: Iterator[tuple[int, list[str]]] = without_defects(path, records)
    return dict(Counter((cells[0], cells[1]) for _, cells in rows).most_common())


def _findings(found: Appraisal) -> Iterator[Observation]:
    own, metrics = found.quality, found.quality.metrics

    def measured(kind: str, metric: str, sentence: str, more: str = "") -> Observation:
        return Observation(kind, f"{sentence.format(_measured(found, metric))}{_beside(found, metric)}{more}.", metric)

    whole = f"; of whole chains {percent(metrics['chain_entailed'])}"
    yield measured(
        "entailment", "forward_entailed", "{} of adjacent tiers are entailed by the more specific one", whole
    )
    if "negative_contradicted" in metrics:
        equal = f"; {percent(metrics['negative_equal'])} are equal to it"
        yield measured(
            "contradiction", "negative_contradicted", "{} of negatives contradict the text of their tier", equal
        )
    if "head_noun" in metrics:
        yield measured(
            "head nouns", "head_noun", "In {} of adjacent tiers the head nouns agree or are kinds of each other"
        )
    yield measured("words", "words_grow", "{} of chains have more words in every tier than in the one before")
    yield Observation(
        "repeats",
        f"Distinct texts of the most general tier: {percent(metrics['texts_distinct_tier0'])} of the rows; "
        f"{percent(metrics['texts_repeated'])} of chains have a text twice.",
        "texts_repeated",
    )
    if "tau_d" in metrics:
        equal_length = metrics.get("tau_d_equal_length")
        aside = "" if equal_length is None else f" ({number(equal_length)} where two tiers have equally many words)"
        yield Observation(
            "radius",
            f"The radii of the model order tiers with a tau_d of {number(metrics['tau_d'])}{aside}; counting words "
            f"alone reaches {number(own.baselines['tau_d'][LENGTH])}.",
            "tau_d",
        )
    if "reference_overlap" in metrics:
        close = metrics.get("reference_similarity")
        cosine = "" if close is None else f", with a mean cosine of {number(close)}"
        images = int(np.count_nonzero(own.pooled.sums["reference_same"][:, 1]))
        yield Observation(
            "reference",
            f"Of the texts below the caption, of the {_images(images)} that both have, "
            f"{percent(metrics['reference_same'])} are those of corrected chains{cosine}"
            f"{_beside(found, 'reference_overlap', 'shared content words')}.",
            "reference_overlap",
        )
    yield from _cautions(found)


def _cautions(found: Appraisal) -> Iterator[Observation]:
    own = found.quality
    if own.settings["judge"] == OWN_RULES:
        yield Observation(
            "judge",
            "The judge rules reasons by the rules that the backend wordnet writes by, so it favours what that backend "
            "built and doubts paraphrases; a model (--judge transformers:PATH) gives an independent figure.",
        )
    groups = len(own.pooled.groups)
    if groups < SMALL_SAMPLE:
        things = f"{groups} {'image' if own.settings['images'] else 'distinct caption'}{'s' * (groups != 1)}"
        yield Observation("pairing", f"Few items ({things}): below {SMALL_SAMPLE} the intervals are too narrow.")
    paired = {name: next(iter(each.values())).images for name, each in found.differences.items() if each}
    if paired:
        counts = listing([f"{count:,} of {name}" for name, count in paired.items()])
        yield Observation("pairing", f"Differences are paired over the images that both sets have: {counts}.")
    apart = [name for name, each in found.differences.items() if not each]
    if apart:
        yield Observation("pairing", f"No image in common with {listing(apart)}: there are no paired differences.")


def _measured(found: Appraisal, metric: str) -> str:
    low, high = found.quality.intervals[metric]
    return f"{percent(found.quality.metrics[metric])} ({100 * low:.1f} to {100 * high:.1f})"


def _beside(found: Appraisal, metric: str, called: str = "") -> str:
    """The same metric of the baselines, in parentheses, with the paired difference and its images if there is one."""
    parts = []
    for name, other in found.baselines.items():
        if metric not in other.metrics:
            continue
        change = found.differences[name].get(metric)
        paired = "" if change is None else f", difference over {_images(change.images, 'common ')}: {_change(change)}"
        parts.append(f"{name} {percent(other.metrics[metric])}{paired}")
    beside = "; ".join(parts)
    if not beside:
        return ""
    own = f"{called} {percent(found.quality.metrics[metric])}; " if called else ""
    return f" ({own}{beside})"


def _images(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}image{'s' * (count != 1)}"


def _change(change: Difference) -> str:
    low, high = (signed(100 * bound, 1) for bound in change.interval)
    return f"{signed(100 * change.value, 1)} [{low}, {high}]"
