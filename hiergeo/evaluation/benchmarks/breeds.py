"""BREEDS: images of ImageNet classes, among names of superclasses and of their subclasses."""

from dataclasses import replace
from functools import cached_property
from typing import final

import numpy as np
import torch

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets.breeds import SPLITS, Superclass, load_breeds, split_named
from hiergeo.datasets.scenes import taxonomy
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Run, check_choice
from hiergeo.evaluation.classification import AVERAGING, Classified, check_labels, embed_labels
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space

KS = {"superclass": (1, 5), "subclass": (1, 5), "both_levels": (2, 5, 10)}  # cut-offs of each metric
NAMING = "classes by their first name, with the wnid where two share it, superclasses by all names joined by 'or'"
"""What stands in the prompts, as the protocol says."""


@final
class Breeds(Benchmark):
    """Recall@k of the superclass, of the subclass, and of both among the names of both levels.

    ``superclass_rK``: the image's superclass is among the K nearest superclass names; ``subclass_rK`` the same of the
    subclasses that were drawn; ``both_levels_rK``: the share of its two names that are among the K nearest names of
    either level. The paper that measures recall on BREEDS does not say what its candidates are.

    Args:
        images: a folder with one subfolder a wnid, such as ImageNet's validation set; ``demo`` has the shapes of scenes
            and their families instead.
        split: ``entity13``, ``entity30``, ``living17`` or ``nonliving26``; ``demo`` has none.
        averaging: of the prompts of a class, one of `AVERAGING`.

    Source: Santurkar et al., BREEDS (ICLR 2021): levels of the corrected hierarchy, subclasses drawn with seed 2.
    """

    name = "breeds"
    label = "BREEDS"
    primary = "superclass_r1"
    metrics = declare(
        *(
            share(f"{name}_r{k}", f"{name.replace('_', ' ')} R@{k}", unit="images", discrete=True)
            for name, cuts in KS.items()
            for k in cuts
        )
    )
    images = True
    loads = "items"
    needs = "a folder of ImageNet images, one subfolder a wnid (yours), and the hierarchy (`hiergeo data fetch breeds`)"

    def __init__(self, images: str = "demo", split: str = "entity13", averaging: str = "auto") -> None:
        check_choice("averaging", averaging, AVERAGING)
        split_named(split)
        self.source, self.split, self.averaging = images, split, averaging

    @cached_property
    def superclasses(self) -> tuple[Superclass, ...]:
        """Superclasses with the keys of their subclasses."""
        if self.source == "demo":
            kinds: dict[str, list[str]] = {}
            for kind, family in taxonomy.edges():
                if family != taxonomy.ROOT:
                    kinds.setdefault(family, []).append(kind)
            return tuple(Superclass(family, family, tuple(below)) for family, below in kinds.items())
        return load_breeds().superclasses(SPLITS[self.split])

    @cached_property
    def items(self) -> Classified:
        """The images of the subclasses."""
        if self.source == "demo":
            return Classified.of(datasets.labelled("scenes"))
        wnids = [wnid for above in self.superclasses for wnid in above.subclasses]
        names = load_breeds().classes
        labelled = datasets.labelled(self.source, only=wnids)
        return Classified.of(replace(labelled, classes=tuple(_class_name(names[wnid], wnid, names) for wnid in wnids)))

    @property
    def protocol(self) -> str:
        return self.protocol_by(self.averaging)

    def protocol_by(self, averaging: str) -> str:
        """The protocol with the averaging of a model."""
        what = "families of scenes' shapes" if self.source == "demo" else f"{self.split}, {self.source}, {NAMING}"
        return (
            f"{what}: {len(self.superclasses)} superclasses, {len(self.items.classes)} subclasses, "
            f"{len(self.items.templates)} templates averaged by '{averaging}'"
        )

    def check(self, model: Model, space: Space) -> None:
        check_labels(model, self._among()[2])

    def run(self, model: Model, space: Space, how: Run) -> Result:
        upper, lower, both = self._among()
        embedded = embed_labels(model, both, self.averaging, compute=how.compute, progress=how.progress)
        rooted, many = space.rooted(embedded.root), len(upper.classes)
        points, item = embedded.classes, rooted.points(embedded.item)

        def ranks(candidates: torch.Tensor, *labels: torch.Tensor) -> np.ndarray:
            targets = [rooted.rank(item, candidates, target.to(points.device)) for target in labels]
            return torch.stack(targets).cpu().numpy()

        high, low = torch.tensor(upper.labels), torch.tensor(lower.labels)
        by_level = {
            "superclass": ranks(points[:many], high),
            "subclass": ranks(points[many:], low),
            "both_levels": ranks(points, high, low + many),
        }
        outcome = level_recalls(by_level, many, len(points))
        facts = {
            "split": self.split if self.source != "demo" else "demo",
            "items": len(self.items.items),
            "averaging": embedded.averaging,
            "protocol": self.protocol_by(embedded.averaging),
        }
        return self.result(outcome, model, rooted, embedded.item, how, **facts)

    def _among(self) -> tuple[Classified, Classified, Classified]:
        """The items among superclasses, among subclasses, and the names of both, superclasses first."""
        items = self.items
        upper_of = {key: index for index, upper in enumerate(self.superclasses) for key in upper.subclasses}
        names = [upper.name.replace(", ", " or ") for upper in self.superclasses]
        above = [upper_of[items.keys[label]] for label in items.labels]
        return items.renamed(names, above), items, items.renamed([*names, *items.classes], above)


def level_recalls(ranks: dict[str, np.ndarray], upper: int, names: int) -> Outcome:
    """Recall@k of the ranks (targets, n) of each metric of `KS`, and what a random order of the candidates gives."""
    candidates = {"superclass": upper, "subclass": names - upper, "both_levels": names}
    outcome = Outcome()
    for name, cuts in KS.items():
        for k in cuts:
            outcome.add(f"{name}_r{k}", mean_of((ranks[name] < k).mean(axis=0)), chance=min(1.0, k / candidates[name]))
    return outcome


def _class_name(name: str, wnid: str, names: dict[str, str]) -> str:
    """The first of a class's names; of those that two classes share, with the wnid behind it."""
    first = name.split(",")[0].strip()
    if not first:
        raise InputError(f"the class {wnid} has no name.")
    twice = sum(other.split(",")[0].strip() == first for other in names.values()) > 1
    return f"{first} ({wnid})" if twice else first
