"""The stages that make chains: texts are written, judged, completed and judged again.

A stage takes drafts and gives as many, in order. What it could not do stays open for `complete`, with a note of why; a
draft is dropped for the first of these reasons once it cannot be completed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar, final

from hiergeo._core.errors import InputError
from hiergeo.construction import filtering
from hiergeo.construction.backends.base import Backend, Gap, Proposal
from hiergeo.construction.captions import SEPARATOR
from hiergeo.construction.drafts import Draft, Drop, normalised
from hiergeo.construction.judging import CONTRADICTION, ENTAILMENT, Judge
from hiergeo.construction.plan import BuildPlan

GENERALISE, CHECK_ENTAILMENT = "generalise", "check_entailment"
CONTRADICT, CHECK_CONTRADICTION = "contradict", "check_contradiction"
COMPLETE, FILTER = "complete", "filter"

NOT_ENTAILED, NOT_CONTRADICTED = "not entailed", "not contradicted"
REPEATED = "repeats another text"

THRESHOLDS = {
    "too long": "most_characters",
    NOT_ENTAILED: "entailment",
    NOT_CONTRADICTED: "contradiction",
    "does not grow": "growth",
}
"""Reason of a drop -> the setting of the plan that it is due to."""

Chances: TypeAlias = Mapping[tuple[str, str], Sequence[float]]
"""(Premise, hypothesis) -> probabilities of entailment, neutrality and contradiction."""

Item = TypeVar("Item")


@final
@dataclass(frozen=True)
class Stage:
    """One pass over the drafts.

    Attributes:
        name: of the stage, in files, cards and drops.
        depends: JSON values that its results depend on besides the drafts.
        run: makes the drafts after the stage of those before it; dropped ones are left out.
    """

    name: str
    depends: Mapping[str, Any]
    run: Callable[[Sequence[Draft]], list[Draft]]

    def __call__(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts after the stage; those that are dropped already are carried on."""
        made = iter(self.run([draft for draft in drafts if draft.dropped is None]))
        return [next(made) if draft.dropped is None else draft for draft in drafts]


def stages(plan: BuildPlan, backend: Backend, judge: Judge) -> tuple[Stage, ...]:
    """The stages of a plan in their order, between reading and splitting."""
    work = Writing(plan, backend, judge)
    writes, judges = {"backend": backend.identity}, {"judge": judge.identity}
    entailment, contradiction = {"entailment": plan.entailment}, {"contradiction": plan.contradiction}
    texts = {"most_characters": plan.most_characters}
    growth = {"version": filtering.VERSION, "growth": plan.growth}
    return (
        Stage(GENERALISE, writes | texts | {"tiers": plan.tiers}, work.generalise),
        Stage(CHECK_ENTAILMENT, judges | entailment, work.check_entailment),
        Stage(CONTRADICT, writes | texts, work.contradict),
        Stage(CHECK_CONTRADICTION, judges | contradiction, work.check_contradiction),
        Stage(COMPLETE, writes | judges | entailment | contradiction | texts, work.complete),
        Stage(FILTER, growth | texts, work.filter),
    )


@final
class Writing:
    """The stages that write and judge texts.

    Args:
        plan: tiers, thresholds and lengths.
        backend: writes.
        judge: judges.
    """

    def __init__(self, plan: BuildPlan, backend: Backend, judge: Judge) -> None:
        self.plan, self.backend, self.judge = plan, backend, judge

    def generalise(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Note the candidates for more general texts."""
        asked = self.backend.generalise([draft.caption for draft in drafts], self.plan.tiers)
        return [
            self._proposed(draft, GENERALISE, proposal, self.plan.tiers - 1)
            for draft, proposal in self._paired(drafts, asked)
        ]

    def check_entailment(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Take the first candidate each text of which is entailed by the next, or what is of the best one."""
        offered = [[(*texts, draft.caption) for texts in _candidates(draft, GENERALISE)] for draft in drafts]
        chances = self._chances(pair for chains in offered for chain in chains for pair in _steps(chain))
        return [self._entailed(draft, chains, chances) for draft, chains in zip(drafts, offered, strict=True)]

    def contradict(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Note the candidates for negatives of whole chains."""
        whole = [draft for draft in drafts if None not in draft.positive]
        asked = self.backend.contradict([_whole(draft.positive) for draft in whole])
        made = {
            draft.row: self._proposed(draft, CONTRADICT, proposal, self.plan.tiers)
            for draft, proposal in self._paired(whole, asked)
        }
        return [made.get(draft.row, draft) for draft in drafts]

    def check_contradiction(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Take the first candidate each text of which contradicts its tier, or what does of the best one."""
        offered = [
            [tuple(zip(_whole(draft.positive), texts, strict=True)) for texts in _candidates(draft, CONTRADICT)]
            for draft in drafts
        ]
        chances = self._chances(pair for pairings in offered for pairing in pairings for pair in pairing)
        return [self._contradicted(draft, pairs, chances) for draft, pairs in zip(drafts, offered, strict=True)]

    def complete(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Fill what is missing by the first candidate that passes; a draft without one is dropped."""
        gaps = {draft.row: Gap(draft.positive, draft.negative) for draft in drafts}
        open_ = [draft for draft in drafts if gaps[draft.row].missing]
        asked = self.backend.complete([gaps[draft.row] for draft in open_])
        offered: dict[int, list[Draft]] = {}
        proposals: dict[int, Proposal] = {}
        for draft, proposal in self._paired(open_, asked):
            places = gaps[draft.row].missing
            texts = self._usable(proposal.candidates, len(places))
            offered[draft.row] = [_filled(draft, places, each) for each in texts]
            proposals[draft.row] = proposal
        every = [each for filled in offered.values() for each in filled]
        chances = self._chances(pair for each in every for pair in (*_steps(_whole(each.positive)), *_opposed(each)))
        return [
            self._completed(draft, offered[draft.row], proposals[draft.row], chances) if draft.row in offered else draft
            for draft in drafts
        ]

    def filter(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Drop the chains that have a fault."""
        faults = [filtering.fault(draft, self.plan) for draft in drafts]
        return [
            draft if fault is None else draft.drop(FILTER, *fault) for draft, fault in zip(drafts, faults, strict=True)
        ]

    def _paired(self, items: Sequence[Item], proposals: Sequence[Proposal]) -> Iterable[tuple[Item, Proposal]]:
        if len(proposals) != len(items):
            raise InputError(
                f"the backend '{self.backend.name}' gave {len(proposals)} proposals for {len(items)} items."
            )
        return zip(items, proposals, strict=True)

    def _proposed(self, draft: Draft, stage: str, proposal: Proposal, texts: int) -> Draft:
        candidates = self._usable(proposal.candidates, texts)
        if candidates:
            return _noted(draft, {"stage": stage, "candidates": [list(each) for each in candidates]})
        return _failed(draft, Drop(stage, *_reason(proposal)))

    def _usable(self, candidates: Iterable[Sequence[str]], texts: int) -> list[tuple[str, ...]]:
        """Candidates of the right number of texts that can be stored, their blanks made single, each once."""
        found: dict[tuple[str, ...], None] = {}
        for candidate in candidates:
            told = tuple(" ".join(text.split()) for text in candidate if isinstance(text, str))
            if len(told) == len(candidate) == texts and all(map(self._is_usable, told)):
                found[told] = None
        return list(found)

    def _is_usable(self, text: str) -> bool:
        return 0 < len(text) <= self.plan.most_characters and SEPARATOR not in text and "\0" not in text

    def _entailed(self, draft: Draft, chains: Sequence[tuple[str, ...]], chances: Chances) -> Draft:
        if not chains:
            return draft
        scores = [[_entails(chances, pair, self.plan.entailment) for pair in _steps(chain)] for chain in chains]
        taken = _best(scores)
        chain, passed = chains[taken], scores[taken]
        positive = (*(text if each else None for text, each in zip(chain, passed, strict=False)), draft.caption)
        chosen = replace(draft, positive=positive, entailment=_scored(positive, chances))
        chosen = _noted(chosen, {"stage": CHECK_ENTAILMENT, "candidate": taken}, without=GENERALISE)
        if all(passed):
            return chosen
        pair = list(_steps(chain))[passed.index(False)]
        return _failed(chosen, Drop(CHECK_ENTAILMENT, *_refusal(pair, chances, ENTAILMENT)))

    def _contradicted(self, draft: Draft, offers: Sequence[tuple[tuple[str, str], ...]], chances: Chances) -> Draft:
        if not offers:
            return draft
        scores = [[_contradicts(chances, pair, self.plan.contradiction) for pair in pairs] for pairs in offers]
        taken = _best(scores)
        pairs, passed = offers[taken], scores[taken]
        kept = [pair if each else None for pair, each in zip(pairs, passed, strict=True)]
        chosen = replace(
            draft,
            negative=tuple(None if pair is None else pair[1] for pair in kept),
            contradiction=tuple(None if pair is None else chances[pair][CONTRADICTION] for pair in kept),
        )
        chosen = _noted(chosen, {"stage": CHECK_CONTRADICTION, "candidate": taken}, without=CONTRADICT)
        if all(passed):
            return chosen
        return _failed(chosen, Drop(CHECK_CONTRADICTION, *_refusal(pairs[passed.index(False)], chances, CONTRADICTION)))

    def _completed(self, draft: Draft, offered: Sequence[Draft], proposal: Proposal, chances: Chances) -> Draft:
        for filled in offered:
            positive, opposed = _whole(filled.positive), _opposed(filled)
            if all(_entails(chances, pair, self.plan.entailment) for pair in _steps(positive)) and all(
                _contradicts(chances, pair, self.plan.contradiction) for pair in opposed
            ):
                scores = tuple(chances[pair][CONTRADICTION] for pair in opposed)
                chosen = replace(filled, entailment=_scored(positive, chances), contradiction=scores)
                places = [list(place) for place in Gap(draft.positive, draft.negative).missing]
                return _noted(chosen, {"stage": COMPLETE, "filled": places})
        first = next((note["failed"] for note in draft.notes if "failed" in note), None)
        return replace(draft, dropped=Drop(COMPLETE, *_reason(proposal)) if first is None else Drop(**first))

    def _chances(self, pairs: Iterable[tuple[str, str]]) -> Chances:
        asked = list(dict.fromkeys(pairs))
        if not asked:
            return {}
        found = self.judge.probabilities(asked)
        if found.shape != (len(asked), 3):
            raise InputError(f"the judge '{self.judge.name}' gave {found.shape} numbers for {len(asked)} pairs.")
        return dict(zip(asked, found.tolist(), strict=True))


def _steps(chain: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Pairs (premise, hypothesis) of a chain: each text but the last is to be entailed by the next."""
    return zip(chain[1:], chain, strict=False)


def _opposed(draft: Draft) -> tuple[tuple[str, str], ...]:
    return tuple(zip(_whole(draft.positive), _whole(draft.negative), strict=True))


def _whole(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(text for text in texts if text is not None)


def _entails(chances: Chances, pair: tuple[str, str], least: float) -> bool:
    return chances[pair][ENTAILMENT] >= least and normalised(pair[0]) != normalised(pair[1])


def _contradicts(chances: Chances, pair: tuple[str, str], least: float) -> bool:
    return chances[pair][CONTRADICTION] >= least and normalised(pair[0]) != normalised(pair[1])


def _scored(chain: Sequence[str | None], chances: Chances) -> tuple[float | None, ...]:
    return tuple(
        None if general is None or specific is None else chances[specific, general][ENTAILMENT]
        for general, specific in pairwise(chain)
    )


def _best(scores: Sequence[Sequence[bool]]) -> int:
    """The candidate with most texts that passed, the first of equals."""
    return max(range(len(scores)), key=lambda number: (sum(scores[number]), -number))


def _refusal(pair: tuple[str, str], chances: Chances, column: int) -> tuple[str, str]:
    premise, hypothesis = pair
    if normalised(premise) == normalised(hypothesis):
        return REPEATED, f"'{hypothesis}' twice"
    reason = NOT_ENTAILED if column == ENTAILMENT else NOT_CONTRADICTED
    verb = "entails" if column == ENTAILMENT else "contradicts"
    subject, other = (premise, hypothesis) if column == ENTAILMENT else (hypothesis, premise)
    return reason, f"'{subject}' {verb} '{other}' with probability {chances[pair][column]:.3f}"


def _reason(proposal: Proposal) -> tuple[str, str]:
    if proposal.candidates:
        return "unusable texts", f"{proposal.candidates[0]!r}"
    return proposal.reason or "no answer", proposal.detail


def _candidates(draft: Draft, stage: str) -> list[tuple[str, ...]]:
    return [tuple(texts) for note in draft.notes if note["stage"] == stage for texts in note.get("candidates", ())]


def refusals(draft: Draft) -> int:
    """How many texts of a draft had to be completed, and how many candidates were refused before the ones taken."""
    return sum(len(note.get("filled", ())) + note.get("candidate", 0) for note in draft.notes)


def _noted(draft: Draft, note: Mapping[str, Any], without: str | None = None) -> Draft:
    kept = (each for each in draft.notes if not (each["stage"] == without and "candidates" in each))
    return replace(draft, notes=(*kept, dict(note)))


def _failed(draft: Draft, drop: Drop) -> Draft:
    return _noted(draft, {"stage": drop.stage, "failed": dict(vars(drop))})


def _filled(draft: Draft, places: Sequence[tuple[str, int]], texts: Sequence[str]) -> Draft:
    sides: dict[str, list[str | None]] = {"positive": list(draft.positive), "negative": list(draft.negative)}
    for (side, tier), text in zip(places, texts, strict=True):
        sides[side][tier] = text
    return replace(draft, positive=tuple(sides["positive"]), negative=tuple(sides["negative"]))
