"""The length table: what is left of the order of tiers when the length of captions is controlled.

One row a model: the baseline of counting words, tau_d, tiers of equal length, tiers whose more specific text is the
shorter one, captions without content, shuffled and exchanged words, and untrained copies, each with 95 % intervals.

    python -m benchmarks.length --row tiny tiny scenes --trained "tiny, RE" open_clip:local-dir:my-tower/model tiny

    python -m benchmarks.length --untrained-head "head on an untrained tiny" tiny scenes

`--trained` is for towers and heads trained from a model of another row: their data and untrained copies are those of
that row. `--untrained-head` trains a head on the untrained copy of a model, which shows what the training chains teach
without any features that were learnt before; `--head` trains it on the model itself. Captions are embedded once for a
model and all heads on it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import NONE, table
from hiergeo import adapters, datasets, training
from hiergeo._core.records import json_text
from hiergeo.adapters import ImageLike, Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.auditing.confounds import LengthFacts, RadialOrder, length_controls
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.measuring import native_space
from hiergeo.geometry import parse

COLUMNS = (
    "model",
    "words alone, tau_d",
    "tau_d",
    "equal length, %",
    "shorter but more specific, %",
    "content-free: tau_d; share of the spread of radii",
    "words shuffled: tau_d; equal length, %",
    "words exchanged: tau_d; equal length, %",
    "untrained: tau_d",
    "untrained: equal length, %",
    "partial tau",
    "survives",
)


HEAD_ROWS = 2000  # training chains of `--head` and `--untrained-head`


class Remembered(Model):
    """A model that embeds every text once, so that heads on it need no second pass."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.has_images, self.preprocessing = model.name, False, model.preprocessing
        self.normalised = model.normalised
        self.known: dict[str, Tensor] = {}

    def fingerprint(self) -> str:
        return self.model.fingerprint()

    def check_texts(self, texts: Sequence[str]) -> None:
        self.model.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.model.check_images(images)

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self.model.image_rows(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known |= zip(new, self.model.text_rows(new), strict=True)
        return torch.stack([self.known[text] for text in texts])


class Bench:
    """Facts of each row by its label, and the models that heads share."""

    def __init__(self, copies: int, seed: int) -> None:
        self.copies, self.seed = copies, seed
        self.facts: dict[str, LengthFacts] = {}
        self.data: dict[str, Hierarchy] = {}
        self.bases: dict[str, Remembered] = {}

    def row(self, label: str, spec: str, data: str) -> None:
        """Measure a model on NAME or NAME/SPLIT."""
        name, _, split = data.partition("/")
        self.data[label] = datasets.load(name, split or "test")
        model = self._shared(adapters.load(spec, device="cpu"))
        self.facts[label] = length_controls(model, self.data[label], copies=0, seed=self.seed)
        original = model.model if isinstance(model, Remembered) else model
        copies = (adapters.untrained(original, seed) for seed in range(self.copies))
        bare = [self._bare(each, self.data[label]) for each in copies]
        self.facts[label] = replace(self.facts[label], untrained=tuple(each.order for each in bare))

    def trained(self, label: str, spec: str, of: str) -> None:
        """Measure what was trained from the model of row `of`."""
        self.data[label] = self.data[of]
        model = self._shared(adapters.load(spec, device="cpu"))
        found = length_controls(model, self.data[of], copies=0, seed=self.seed)
        self.facts[label] = replace(found, untrained=self.facts[of].untrained)

    def untrained_head(self, label: str, spec: str, data: str) -> None:
        """As `head`, on an untrained copy of the model."""
        self._head(label, adapters.untrained(adapters.load(spec, device="cpu"), self.seed), data)

    def head(self, label: str, spec: str, data: str) -> None:
        """Train a Euclidean head with the default recipe on few chains, and measure it without further texts."""
        self._head(label, adapters.load(spec, device="cpu"), data)

    def _head(self, label: str, model: Model, data: str) -> None:
        base = Remembered(model)
        split = "expanded-train" if data == "hierarcaps" else "train"
        chains = training.from_hierarchy(datasets.load(data, split).take(HEAD_ROWS), base)
        trained = training.train_head(chains, parse("euclidean"), training.Recipe(seed=self.seed))
        sharper = HeadModel(base, trained.head, label)
        self.facts[label] = self._bare(sharper, datasets.load(data))

    def _bare(self, model: Model, data: Hierarchy) -> LengthFacts:
        """Facts without controls of other texts."""
        return length_controls(embed(model, data, images=False), None, native_space(model), seed=self.seed)

    def _shared(self, model: Model) -> Model:
        if isinstance(model, HeadModel):
            base = self._shared(model.base)
            return HeadModel(base, model.head, model.name, model.trained_in)
        return self.bases.setdefault(model.fingerprint(), Remembered(model))


def markdown(facts: dict[str, LengthFacts]) -> str:
    """The table, shares in per cent, with 95 % intervals and ranges over untrained copies."""
    return table(list(COLUMNS), [[label, *_cells(each)] for label, each in facts.items()])


def _cells(facts: LengthFacts) -> list[str]:
    order, empty, share = facts.order, facts.content_free, facts.content_free_share
    equal, tau_d = facts.untrained_equal, facts.untrained_tau_d
    return [
        _number(facts.words),
        _number(order.tau_d),
        _share(order.equal),
        _share(order.shorter),
        NONE if empty is None or share is None else f"{_number(empty.tau_d)}; {100 * share:.0f} %",
        *map(_both, (facts.shuffled, facts.exchanged)),
        NONE if tau_d is None else f"{tau_d[1]:.3f} ({tau_d[0]:.3f} to {tau_d[2]:.3f})",
        NONE if equal is None else f"{100 * equal[1]:.1f} ({100 * equal[0]:.1f} to {100 * equal[2]:.1f})",
        NONE if facts.partial_tau is None else _number(facts.partial_tau),
        "yes" if facts.survives else "no",
    ]


def _both(order: RadialOrder | None) -> str:
    return NONE if order is None else f"{_number(order.tau_d)}; {_share(order.equal)}"


def _number(estimate: Measured) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.3f} ({low:.3f} to {high:.3f})"


def _share(estimate: Measured | None) -> str:
    if estimate is None:
        return NONE
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows in the order in which they are given, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.length", description=__doc__)
    parser.add_argument("--row", nargs=3, action="append", default=[], metavar=("LABEL", "SPEC", "DATA"))
    parser.add_argument("--trained", nargs=3, action="append", default=[], metavar=("LABEL", "SPEC", "OF"))
    parser.add_argument("--head", nargs=3, action="append", default=[], metavar=("LABEL", "SPEC", "DATA"))
    parser.add_argument("--untrained-head", nargs=3, action="append", default=[], metavar=("LABEL", "SPEC", "DATA"))
    parser.add_argument("--copies", type=int, default=5, help="untrained copies of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for length.json and length.md")
    asked = parser.parse_args(arguments)
    bench = Bench(asked.copies, asked.seed)
    asked_for = (
        (bench.row, asked.row),
        (bench.trained, asked.trained),
        (bench.head, asked.head),
        (bench.untrained_head, asked.untrained_head),
    )
    for measure, rows in asked_for:
        for row in rows:
            measure(*row)
            print(f"{row[0]}: {bench.facts[row[0]].verdict}", flush=True)
    print(f"\n{markdown(bench.facts)}")
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "length.md").write_text(markdown(bench.facts) + "\n", encoding="utf-8")
        whole = {label: each.as_dict() for label, each in bench.facts.items()}
        (asked.out / "length.json").write_text(json_text(whole), encoding="utf-8")


if __name__ == "__main__":
    main()
