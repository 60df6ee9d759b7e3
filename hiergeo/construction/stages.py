"""The stages that make chains: texts are written, judged, completed and judged again; without a judge all pass.

What fails at a stage stays open for `complete`; a caption whose chain cannot be completed is dropped for what failed
first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias, final

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import BACKENDS, Backend, Gap, Proposal
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.captions import MOST_CHARACTERS, SEPARATOR
from hiergeo.construction.drafts import Draft, Drop, normalised
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, JUDGES, Judge

GENERALISE, CHECK_ENTAILMENT = "generalise", "check_entailment"
CONTRADICT, CHECK_CONTRADICTION = "contradict", "check_contradiction"
COMPLETE, FILTER = "complete", "filter"

THRESHOLDS = {"not entailed": "entailment", "not contradicted": "contradiction"}
"""Reason of a drop -> the setting of the plan that it is due to."""

Pair: TypeAlias = tuple[str, str]
"""Premise and hypothesis."""

Chances: TypeAlias = Mapping[Pair, Sequence[float]]
"""Probabilities of entailment, neutrality and contradiction."""


@dataclass
class Chain:
    """The chain of a caption while it is written: None for texts that are missing, and what failed first."""

    positive: list[str | None]
    negative: list[str | None]
    failure: Drop | None = None

    @property
    def gap(self) -> Gap:
        return Gap(tuple(self.positive), tuple(self.negative))

    @property
    def pairs(self) -> list[Pair]:
        """Of a whole chain: the pairs that must entail, then those that must contradict."""
        return [*_steps(_whole(self.positive)), *_opposed(self.positive, self.negative)]

    def fail(self, stage: str, reason: str, detail: str) -> None:
        self.failure = self.failure or Drop(stage, reason, detail)


@final
class Writer:
    """Makes the chains of drafts; `stage` is the stage that it is at."""

    def __init__(self, plan: BuildPlan, backend: Backend, judge: Judge | None) -> None:
        self.plan, self.backend, self.judge = plan, backend, judge
        self.stage = GENERALISE

    def write(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts with whole chains, or dropped; those that are dropped already are passed on."""
        missing: list[None] = [None] * self.plan.tiers
        chains = {
            draft.row: Chain([*missing[1:], draft.caption], [*missing]) for draft in drafts if draft.dropped is None
        }
        self._generalise(list(chains.values()))
        self._contradict([chain for chain in chains.values() if None not in chain.positive])
        self._complete([chain for chain in chains.values() if chain.gap.missing])
        self.stage = FILTER
        return [_filtered(draft, chains[draft.row]) if draft.row in chains else draft for draft in drafts]

    def _generalise(self, chains: Sequence[Chain]) -> None:
        self.stage = GENERALISE
        captions = [str(chain.positive[-1]) for chain in chains]
        proposals = self._proposals(self.backend.generalise, captions, self.plan.tiers)
        offers = self._offers(chains, proposals, lambda chain, texts: _steps((*texts, str(chain.positive[-1]))), 1)
        for chain, texts in self._chosen(chains, offers, CHECK_ENTAILMENT, ENTAILMENT):
            chain.positive[:-1] = texts

    def _contradict(self, chains: Sequence[Chain]) -> None:
        self.stage = CONTRADICT
        proposals = self._proposals(self.backend.contradict, [_whole(chain.positive) for chain in chains])
        offers = self._offers(chains, proposals, lambda chain, texts: _opposed(chain.positive, texts))
        for chain, texts in self._chosen(chains, offers, CHECK_CONTRADICTION, CONTRADICTION):
            chain.negative[:] = texts

    def _complete(self, chains: Sequence[Chain]) -> None:
        """Fill what is missing by the first candidate that passes."""
        self.stage = COMPLETE
        proposals = self._proposals(self.backend.complete, [chain.gap for chain in chains])
        options: list[list[Chain]] = []
        for chain, proposal in zip(chains, proposals, strict=True):
            missing = chain.gap.missing
            options.append([_filled(chain, missing, texts) for texts in _usable(proposal.candidates, len(missing))])
        chances = self._chances(pair for filled in options for option in filled for pair in option.pairs)
        for chain, filled in zip(chains, options, strict=True):
            for option in filled:
                steps, opposed = option.pairs[: self.plan.tiers - 1], option.pairs[self.plan.tiers - 1 :]
                if all((*self._passing(steps, ENTAILMENT, chances), *self._passing(opposed, CONTRADICTION, chances))):
                    chain.positive, chain.negative = option.positive, option.negative
                    break

    def _proposals(self, method: Callable[..., list[Proposal]], items: Sequence[Any], *more: int) -> list[Proposal]:
        with BACKENDS.running(self.plan.backend.partition(":")[0], f"failed in the stage {self.stage}"):
            proposals = method(items, *more)
        if len(proposals) != len(items):
            raise InputError(
                f"the backend '{self.backend.name}' gave {len(proposals)} proposals for {len(items)} items."
            )
        return proposals

    def _offers(
        self,
        chains: Sequence[Chain],
        proposals: Sequence[Proposal],
        pairs: Callable[[Chain, tuple[str, ...]], list[Pair]],
        fewer: int = 0,
    ) -> list[list[list[Pair]]]:
        """For each chain the usable candidates, as the pairs that have to pass; a chain without one fails."""
        offers: list[list[list[Pair]]] = []
        for chain, proposal in zip(chains, proposals, strict=True):
            candidates = _usable(proposal.candidates, self.plan.tiers - fewer)
            if not candidates:
                chain.fail(self.stage, *_reason(proposal))
            offers.append([pairs(chain, texts) for texts in candidates])
        return offers

    def _chosen(
        self, chains: Sequence[Chain], offers: Sequence[Sequence[list[Pair]]], stage: str, column: int
    ) -> Iterable[tuple[Chain, list[str | None]]]:
        """The first candidate that passes for each chain that has any, or the texts that do of the best one."""
        self.stage = stage
        chances = self._chances(pair for offer in offers for pairs in offer for pair in pairs)
        for chain, offer in zip(chains, offers, strict=True):
            if not offer:
                continue
            scores = [self._passing(pairs, column, chances) for pairs in offer]
            best = max(range(len(scores)), key=lambda number: (sum(scores[number]), -number))
            pairs, passed = offer[best], scores[best]
            if not all(passed):
                chain.fail(stage, *_refusal(pairs[passed.index(False)], chances, column))
            yield chain, [pair[1] if passes else None for pair, passes in zip(pairs, passed, strict=True)]

    def _passing(self, pairs: Iterable[Pair], column: int, chances: Chances) -> list[bool]:
        least = self.plan.entailment if column == ENTAILMENT else self.plan.contradiction
        return [
            (self.judge is None or chances[pair][column] >= least) and normalised(pair[0]) != normalised(pair[1])
            for pair in pairs
        ]

    def _chances(self, pairs: Iterable[Pair]) -> Chances:
        distinct = list(dict.fromkeys(pairs))
        if self.judge is None or not distinct:
            return {}
        with JUDGES.running(str(self.plan.judge).partition(":")[0], f"failed in the stage {self.stage}"):
            answers = self.judge.probabilities(distinct)
        if answers.shape != (len(distinct), 3):
            raise InputError(f"the judge '{self.judge.name}' gave {answers.shape} numbers for {len(distinct)} pairs.")
        return dict(zip(distinct, answers.tolist(), strict=True))


def _usable(candidates: Iterable[Sequence[str]], count: int) -> list[tuple[str, ...]]:
    """Candidates of so many texts that can be stored, their blanks made single, each once."""
    right = [texts for texts in candidates if len(texts) == count and all(isinstance(text, str) for text in texts)]
    plain = dict.fromkeys(tuple(" ".join(text.split()) for text in texts) for texts in right)
    return [
        texts
        for texts in plain
        if all(0 < len(text) <= MOST_CHARACTERS and SEPARATOR not in text and "\0" not in text for text in texts)
    ]


def _steps(chain: Sequence[str]) -> list[Pair]:
    """Pairs (premise, hypothesis) of a chain: each text but the last must be entailed by the next."""
    return list(zip(chain[1:], chain, strict=False))


def _opposed(positive: Sequence[str | None], negative: Sequence[str | None]) -> list[Pair]:
    return list(zip(_whole(positive), _whole(negative), strict=True))


def _whole(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(text for text in texts if text is not None)


def _refusal(pair: Pair, chances: Chances, column: int) -> tuple[str, str]:
    premise, hypothesis = pair
    if normalised(premise) == normalised(hypothesis):
        return "repeats another text", f"'{hypothesis}' twice"
    chance = f"with probability {chances[pair][column]:.3f}"
    if column == ENTAILMENT:
        return "not entailed", f"'{premise}' entails '{hypothesis}' {chance}"
    return "not contradicted", f"'{hypothesis}' contradicts '{premise}' {chance}"


def _reason(proposal: Proposal) -> tuple[str, str]:
    if proposal.candidates:
        return "unusable texts", f"{proposal.candidates[0]!r}"
    return proposal.reason or "no answer", proposal.detail


def _filled(chain: Chain, missing: Sequence[tuple[str, int]], texts: Sequence[str]) -> Chain:
    filled = Chain([*chain.positive], [*chain.negative])
    for (side, tier), text in zip(missing, texts, strict=True):
        getattr(filled, side)[tier] = text
    return filled


def _filtered(draft: Draft, chain: Chain) -> Draft:
    """The draft with its chain, dropped where that is not whole or has a fault."""
    if chain.gap.missing:
        return replace(draft, dropped=chain.failure)
    positive, negative = _whole(chain.positive), _whole(chain.negative)
    reason = fault(positive, negative)
    whole = replace(draft, positive=positive, negative=negative)
    return whole if reason is None else whole.drop(FILTER, *reason)


def fault(positive: Sequence[str], negative: Sequence[str]) -> tuple[str, str] | None:
    """Reason and detail of the drop of a chain that repeats a text or shrinks; None without a fault.

    A chain shrinks where a text has fewer words than the next more general one.
    """
    plain, opposed = list(map(normalised, positive)), list(map(normalised, negative))
    twice = [text for tier, text in enumerate(positive) if plain[tier] in plain[:tier]]
    twice += [negative[tier + 1] for tier, (before, text) in enumerate(pairwise(opposed)) if before == text]
    if twice:
        return "repeated tier", f"'{twice[0]}' is there twice"
    for general, specific in pairwise(positive):
        least, words = len(general.split()), len(specific.split())
        if words < least:
            return "does not grow", f"'{specific}' has {words} words, and '{general}' has {least}"
    return None
