"""Chains appraised beside baselines: the quality of each set, paired differences, and what they amount to in words."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

from hiergeo import datasets
from hiergeo._core.records import json_text, percent
from hiergeo._core.storage.files import size_of
from hiergeo._core.text import listing
from hiergeo.adapters import Model
from hiergeo.construction.build_plan import FILE, read_plan
from hiergeo.construction.grading import ACCEPTED, OWN_RULES, Quality, opened, quality
from hiergeo.construction.judges import Judge
from hiergeo.construction.output import DROPPED, REASONS
from hiergeo.construction.pooling import Difference, coco_images
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.tables import parse_records, read_table, without_defects
from hiergeo.evaluation import Compute
from hiergeo.evaluation.embedded import ON_THE_CPU
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.metrics.resampling import SMALL_SAMPLE

CORRECTED, AUTOMATIC = "corrected", "expanded"
"""What the two baselines of HierarCaps are called: corrected by hand, and as machines wrote them."""

WRITES_BY_RULES = "wordnet"
"""The backend that writes by the rules that the judge `OWN_RULES` reasons by."""


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

    @property
    def cautions(self) -> tuple[str, ...]:
        """What has to be known of the numbers, a sentence each."""
        return tuple(_cautions(self))

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
        """As `Quality.to_json`, and ``beside``, ``differences``, ``drops``, ``headline`` and ``cautions``."""
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
                "cautions": list(self.cautions),
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
    decisions: Mapping[int, bool] | None = None,
    seed: int = 0,
    samples: int = 1000,
    compute: Compute = ON_THE_CPU,
) -> Appraisal:
    """Measure chains and baselines by the same judge and model; bars tell of work that outlasts a second.

    Args:
        chains: the set.
        baselines: other chains by what they are called.
        judge: this and all others as for `quality`, which also raises.
        model: see `quality`.
        drops: captions that left the data before, by (stage, reason).
        backend: what wrote the set, if that is known.
        decisions: on chains of the set, see `quality`.
        seed: see `quality`.
        samples: see `quality`.
        compute: see `quality`.
    """
    with opened(judge, model, compute) as (asked, loaded):

        def measured(each: Hierarchy, decisions: Mapping[int, bool] | None = None) -> Quality:
            return quality(
                each,
                judge=asked,
                model=loaded,
                decisions=decisions,
                seed=seed,
                samples=samples,
                compute=compute,
                progress=True,
            )

        others = {name: measured(each) for name, each in baselines.items()}
        return Appraisal(measured(chains, decisions), others, dict(drops or {}), backend)


def hierarcaps_baselines(chains: Hierarchy) -> dict[str, Hierarchy]:
    """HierarCaps corrected by hand (its test split), and its automatic chains of the images that `chains` has.

    Of these those of the test images where the two have no image in common. Raises UnavailableError without HierarCaps.
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
    """How many captions a build dropped by (stage, reason), the most first; empty without a record.

    Raises HiergeoError.
    """
    path = folder / DROPPED
    if (size_of(path) or 0) <= len(",".join(REASONS)) + 1:
        return {}
    records = parse_records(read_table(path, "build the folder again"), ("stage", "reason"))
    rows: Iterator[tuple[int, list[str]]] = without_defects(path, records)
    return dict(Counter((cells[0], cells[1]) for _, cells in rows).most_common())


def _cautions(found: Appraisal) -> Iterator[str]:
    own = found.quality
    if own.settings["judge"] == OWN_RULES:
        yield (
            "The judge rules reasons by the rules that the backend wordnet writes by, so it favours what that backend "
            "built and doubts paraphrases; a model (--judge transformers:PATH) gives an independent figure."
        )
    if (read := own.settings["chains_read"]) is not None:
        share = percent(own.metrics[ACCEPTED])
        yield f"A person read {read:,} of {len(own.chains.rows):,} chains and accepted {share} of them."
    groups = len(own.pooled.groups)
    if groups < SMALL_SAMPLE:
        things = f"{groups} {'image' if own.settings['images'] else 'distinct caption'}{'s' * (groups != 1)}"
        yield f"Few items ({things}): below {SMALL_SAMPLE} the intervals are too narrow."
    paired = {name: next(iter(each.values())).images for name, each in found.differences.items() if each}
    if paired:
        counts = listing([f"{count:,} of {name}" for name, count in paired.items()])
        yield f"Differences are paired over the images that both sets have: {counts}."
    apart = [name for name, each in found.differences.items() if not each]
    if apart:
        yield f"No image in common with {listing(apart)}: there are no paired differences."
