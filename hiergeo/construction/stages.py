"""The stages that make chains: texts are written, judged, completed and judged again; without a judge all pass.

A stage takes drafts and gives as many, in order. What it could not do stays open for `complete`, with a note of why; a
draft is dropped for the first of these reasons once it cannot be completed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar, final

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import Backend, Gap, Proposal
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.captions import MOST_CHARACTERS, SEPARATOR
from hiergeo.construction.drafts import Draft, Drop, normalised
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, Judge

GENERALISE, CHECK_ENTAILMENT = "generalise", "check_entailment"
CONTRADICT, CHECK_CONTRADICTION = "contradict", "check_contradiction"
COMPLETE, FILTER = "complete", "filter"

FILTER_VERSION = 2
"""Raised whenever the same plan may keep other chains."""

NOT_ENTAILED, NOT_CONTRADICTED = "not entailed", "not contradicted"
REPEATED = "repeats another text"

THRESHOLDS = {NOT_ENTAILED: "entailment", NOT_CONTRADICTED: "contradiction"}
"""Reason of a drop -> the setting of the plan that it is due to."""

Pair: TypeAlias = tuple[str, str]
"""Premise and hypothesis."""

Chances: TypeAlias = Mapping[Pair, Sequence[float]]
"""Probabilities of entailment, neutrality and contradiction."""

Item = TypeVar("Item")


@final
@dataclass(frozen=True)
class Stage:
    """One pass over the drafts: its results depend on them, on `depends`, JSON values, and on nothing else."""

    name: str
    depends: Mapping[str, Any]
    run: Callable[[Sequence[Draft]], list[Draft]]

    def __call__(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts after the stage; those that are dropped already are carried on."""
        made = iter(self.run([draft for draft in drafts if draft.dropped is None]))
        return [next(made) if draft.dropped is None else draft for draft in drafts]


def stages(plan: BuildPlan, backend: Backend, judge: Judge | None) -> tuple[Stage, ...]:
    """The stages of a plan in their order, between reading and splitting."""
    work = Writing(plan, backend, judge)
    writes, judges = {"backend": backend.identity}, {"judge": judge and judge.identity}
    entailment, contradiction = {"entailment": plan.entailment}, {"contradiction": plan.contradiction}
    texts = {"most_characters": MOST_CHARACTERS}
    return (
        Stage(GENERALISE, writes | texts | {"tiers": plan.tiers}, work.generalise),
        Stage(CHECK_ENTAILMENT, judges | entailment, work.check_entailment),
        Stage(CONTRADICT, writes | texts, work.contradict),
        Stage(CHECK_CONTRADICTION, judges | contradiction, work.check_contradiction),
        Stage(COMPLETE, writes | judges | entailment | contradiction | texts, work.complete),
        Stage(FILTER, {"version": FILTER_VERSION} | texts, work.filter),
    )


@final
@dataclass(frozen=True)
class Writing:
    """The stages that write and judge texts."""

    plan: BuildPlan
    backend: Backend
    judge: Judge | None

    def generalise(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Note the candidates for more general texts."""
        asked = self.backend.generalise([draft.caption for draft in drafts], self.plan.tiers)
        return [
            self._proposed(draft, GENERALISE, proposal, self.plan.tiers - 1)
            for draft, proposal in self._paired(drafts, asked)
        ]

    def check_entailment(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Take the first candidate each text of which is entailed by the next, or what is of the best one."""
        offered = [[_steps((*texts, draft.caption)) for texts in _candidates(draft, GENERALISE)] for draft in drafts]
        return self._checked(drafts, offered, GENERALISE, CHECK_ENTAILMENT, ENTAILMENT)

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
            [list(zip(_whole(draft.positive), texts, strict=True)) for texts in _candidates(draft, CONTRADICT)]
            for draft in drafts
        ]
        return self._checked(drafts, offered, CONTRADICT, CHECK_CONTRADICTION, CONTRADICTION)

    def complete(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Fill what is missing by the first candidate that passes; a draft without one is dropped."""
        gaps = {draft.row: Gap(draft.positive, draft.negative) for draft in drafts}
        open_ = [draft for draft in drafts if gaps[draft.row].missing]
        asked = self.backend.complete([gaps[draft.row] for draft in open_])
        offered: dict[int, tuple[list[Draft], Proposal]] = {}
        for draft, proposal in self._paired(open_, asked):
            places = gaps[draft.row].missing
            texts = self._usable(proposal.candidates, len(places))
            offered[draft.row] = [_filled(draft, places, each) for each in texts], proposal
        every = [each for filled, _ in offered.values() for each in filled]
        chances = self._chances(pair for each in every for pair in (*_steps(_whole(each.positive)), *_opposed(each)))
        return [
            self._completed(draft, *offered[draft.row], chances) if draft.row in offered else draft for draft in drafts
        ]

    def filter(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Drop the chains that have a fault."""
        faults = list(map(fault, drafts))
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
        right = [each for each in candidates if len(each) == texts and all(isinstance(text, str) for text in each)]
        plain = dict.fromkeys(tuple(" ".join(text.split()) for text in each) for each in right)
        return [each for each in plain if all(map(self._is_usable, each))]

    def _is_usable(self, text: str) -> bool:
        return 0 < len(text) <= MOST_CHARACTERS and SEPARATOR not in text and "\0" not in text

    def _passing(self, pairs: Iterable[Pair], column: int, chances: Chances) -> list[bool]:
        least = self.plan.entailment if column == ENTAILMENT else self.plan.contradiction
        return [
            (self.judge is None or chances[pair][column] >= least) and normalised(pair[0]) != normalised(pair[1])
            for pair in pairs
        ]

    def _checked(
        self, drafts: Sequence[Draft], offered: Sequence[Sequence[list[Pair]]], asked: str, stage: str, column: int
    ) -> list[Draft]:
        """The drafts with the best of the candidates for each, which a stage asked for."""
        chances = self._chances(pair for offers in offered for pairs in offers for pair in pairs)
        return [
            self._taken(_without(draft, asked), offers, stage, column, chances) if offers else draft
            for draft, offers in zip(drafts, offered, strict=True)
        ]

    def _taken(self, draft: Draft, offers: Sequence[list[Pair]], stage: str, column: int, chances: Chances) -> Draft:
        scores = [self._passing(pairs, column, chances) for pairs in offers]
        best = max(range(len(scores)), key=lambda number: (sum(scores[number]), -number))
        pairs, passed = offers[best], scores[best]
        checked = list(zip(pairs, passed, strict=True))
        texts = tuple(pair[1] if passes else None for pair, passes in checked)
        if column == ENTAILMENT:
            positive = (*texts, draft.caption)
            draft = replace(draft, positive=positive, entailment=_scored(positive, chances))
        else:
            opposed = tuple(_chance(pair, chances, column) if passes else None for pair, passes in checked)
            draft = replace(draft, negative=texts, contradiction=opposed)
        draft = _noted(draft, {"stage": stage, "candidate": best})
        if all(passed):
            return draft
        return _failed(draft, Drop(stage, *_refusal(pairs[passed.index(False)], chances, column)))

    def _completed(self, draft: Draft, offered: Sequence[Draft], proposal: Proposal, chances: Chances) -> Draft:
        for filled in offered:
            positive, opposed = _whole(filled.positive), _opposed(filled)
            steps = self._passing(_steps(positive), ENTAILMENT, chances)
            if all((*steps, *self._passing(opposed, CONTRADICTION, chances))):
                scores = tuple(_chance(pair, chances, CONTRADICTION) for pair in opposed)
                chosen = replace(filled, entailment=_scored(positive, chances), contradiction=scores)
                places = [list(place) for place in Gap(draft.positive, draft.negative).missing]
                return _noted(chosen, {"stage": COMPLETE, "filled": places})
        first = next((note["failed"] for note in draft.notes if "failed" in note), None)
        return replace(draft, dropped=Drop(COMPLETE, *_reason(proposal)) if first is None else Drop(**first))

    def _chances(self, pairs: Iterable[Pair]) -> Chances:
        asked = list(dict.fromkeys(pairs))
        if self.judge is None or not asked:
            return {}
        found = self.judge.probabilities(asked)
        if found.shape != (len(asked), 3):
            raise InputError(f"the judge '{self.judge.name}' gave {found.shape} numbers for {len(asked)} pairs.")
        return dict(zip(asked, found.tolist(), strict=True))


def _steps(chain: Sequence[str]) -> list[Pair]:
    """Pairs (premise, hypothesis) of a chain: each text but the last must be entailed by the next."""
    return list(zip(chain[1:], chain, strict=False))


def _opposed(draft: Draft) -> tuple[Pair, ...]:
    return tuple(zip(_whole(draft.positive), _whole(draft.negative), strict=True))


def _whole(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(text for text in texts if text is not None)


def _scored(chain: Sequence[str | None], chances: Chances) -> tuple[float | None, ...]:
    return tuple(
        None if general is None or specific is None else _chance((specific, general), chances, ENTAILMENT)
        for general, specific in pairwise(chain)
    )


def _chance(pair: Pair, chances: Chances, column: int) -> float | None:
    return chances[pair][column] if pair in chances else None


def _refusal(pair: Pair, chances: Chances, column: int) -> tuple[str, str]:
    premise, hypothesis = pair
    if normalised(premise) == normalised(hypothesis):
        return REPEATED, f"'{hypothesis}' twice"
    chance = f"with probability {chances[pair][column]:.3f}"
    if column == ENTAILMENT:
        return NOT_ENTAILED, f"'{premise}' entails '{hypothesis}' {chance}"
    return NOT_CONTRADICTED, f"'{hypothesis}' contradicts '{premise}' {chance}"


def _reason(proposal: Proposal) -> tuple[str, str]:
    if proposal.candidates:
        return "unusable texts", f"{proposal.candidates[0]!r}"
    return proposal.reason or "no answer", proposal.detail


def _candidates(draft: Draft, stage: str) -> list[tuple[str, ...]]:
    return [tuple(texts) for note in draft.notes if note["stage"] == stage for texts in note.get("candidates", ())]


def _noted(draft: Draft, note: Mapping[str, Any]) -> Draft:
    return replace(draft, notes=(*draft.notes, dict(note)))


def _without(draft: Draft, stage: str) -> Draft:
    """A draft that forgets the candidates that a stage noted."""
    kept = tuple(each for each in draft.notes if not (each["stage"] == stage and "candidates" in each))
    return replace(draft, notes=kept)


def _failed(draft: Draft, drop: Drop) -> Draft:
    return _noted(draft, {"stage": drop.stage, "failed": dict(vars(drop))})


def _filled(draft: Draft, places: Sequence[tuple[str, int]], texts: Sequence[str]) -> Draft:
    sides: dict[str, list[str | None]] = {"positive": list(draft.positive), "negative": list(draft.negative)}
    for (side, tier), text in zip(places, texts, strict=True):
        sides[side][tier] = text
    return replace(draft, positive=tuple(sides["positive"]), negative=tuple(sides["negative"]))


def fault(draft: Draft) -> tuple[str, str] | None:
    """Reason and detail of the drop of a chain that is incomplete, too long, repeats a text or shrinks; None without.

    A chain shrinks where a text has fewer words than the next more general one.
    """
    positive = [text or "" for text in draft.positive]
    negative = [text or "" for text in draft.negative]
    texts = [*positive, *negative]
    if not all(texts):
        return "incomplete", " => ".join(text or "?" for text in texts)
    longest = max(texts, key=len)
    if len(longest) > MOST_CHARACTERS:
        return "too long", f"{len(longest):,} characters of at most {MOST_CHARACTERS:,}"
    plain = list(map(normalised, positive))
    if len(set(plain)) < len(plain):
        repeated = next(text for tier, text in enumerate(positive) if plain[tier] in plain[:tier])
        return "repeated tier", f"'{repeated}' is there twice"
    for text, other in zip(plain, negative, strict=True):
        if text == normalised(other):
            return "negative equals positive", f"'{other}'"
    for before, text in pairwise(negative):
        if normalised(before) == normalised(text):
            return "repeated tier", f"'{text}' is there twice"
    for general, specific in pairwise(positive):
        least, words = len(general.split()), len(specific.split())
        if words < least:
            return "does not grow", f"'{specific}' has {words} words, and '{general}' has {least}"
    return None
