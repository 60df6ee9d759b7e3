"""The stages that make chains: texts are written, judged and filtered; without a judge all pass.

A caption whose chain fails at a stage is dropped there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias, final

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import BACKENDS, Backend, Proposal
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.captions import MOST_CHARACTERS, SEPARATOR
from hiergeo.construction.drafts import Draft, normalised
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, JUDGES, Judge

GENERALISE, CHECK_ENTAILMENT = "generalise", "check_entailment"
CONTRADICT, CHECK_CONTRADICTION = "contradict", "check_contradiction"
FILTER = "filter"

THRESHOLDS = {"not entailed": "entailment", "not contradicted": "contradiction"}
"""Reason of a drop -> the setting of the plan that it is due to."""

Pair: TypeAlias = tuple[str, str]  # premise and hypothesis
Chances: TypeAlias = Mapping[Pair, Sequence[float]]  # probabilities of entailment, neutrality and contradiction


@final
class Writer:
    """Makes the chains of drafts; `stage` is the stage that it is at."""

    def __init__(self, plan: BuildPlan, backend: Backend, judge: Judge | None) -> None:
        self.plan, self.backend, self.judge = plan, backend, judge
        self.stage = GENERALISE

    def write(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts with whole chains, or dropped; those that are dropped already are passed on."""
        written = {draft.row: draft for draft in drafts}
        for step in (self._generalise, self._contradict, self._filter):
            written |= {draft.row: draft for draft in step([one for one in written.values() if one.dropped is None])}
        return [written[draft.row] for draft in drafts]

    def _generalise(self, drafts: Sequence[Draft]) -> Iterator[Draft]:
        self.stage, captions = GENERALISE, [draft.caption for draft in drafts]
        proposals = self._proposals(self.backend.generalise, captions, self.plan.tiers)
        for draft, texts in self._chosen(drafts, proposals, self.plan.tiers - 1, CHECK_ENTAILMENT, ENTAILMENT):
            yield replace(draft, positive=(*texts, draft.caption) if texts else ())

    def _contradict(self, drafts: Sequence[Draft]) -> Iterator[Draft]:
        self.stage, chains = CONTRADICT, [draft.positive for draft in drafts]
        proposals = self._proposals(self.backend.contradict, chains)
        for draft, texts in self._chosen(drafts, proposals, self.plan.tiers, CHECK_CONTRADICTION, CONTRADICTION):
            yield replace(draft, negative=texts)

    def _filter(self, drafts: Sequence[Draft]) -> Iterator[Draft]:
        self.stage = FILTER
        for draft in drafts:
            reason = fault(draft.positive, draft.negative)
            yield draft if reason is None else draft.drop(FILTER, *reason)

    def _proposals(self, method: Callable[..., list[Proposal]], items: Sequence[Any], *more: int) -> list[Proposal]:
        with BACKENDS.running(self.plan.backend.partition(":")[0], f"failed in the stage {self.stage}"):
            proposals = method(items, *more)
        if len(proposals) != len(items):
            given = f"{len(proposals)} proposals for {len(items)} items"
            raise InputError(f"the backend '{self.backend.name}' gave {given}.")
        return proposals

    def _chosen(
        self, drafts: Sequence[Draft], proposals: Sequence[Proposal], count: int, check: str, column: int
    ) -> Iterator[tuple[Draft, tuple[str, ...]]]:
        """Each draft with the first candidate of so many texts that passes; dropped where there is none."""
        offers = [_usable(proposal.candidates, count) for proposal in proposals]
        pairs = [[_pairs(draft, texts, column) for texts in offer] for draft, offer in zip(drafts, offers, strict=True)]
        asking, self.stage = self.stage, check
        chances = self._chances(pair for options in pairs for option in options for pair in option)
        for draft, proposal, candidates, options in zip(drafts, proposals, offers, pairs, strict=True):
            failures = [next(self._failures(option, column, chances), None) for option in options]
            passing = [texts for texts, failure in zip(candidates, failures, strict=True) if failure is None]
            if passing:
                yield draft, passing[0]
            elif failures and failures[0]:
                yield draft.drop(check, *failures[0]), ()
            else:
                yield draft.drop(asking, *_reason(proposal)), ()

    def _failures(self, pairs: Iterable[Pair], column: int, chances: Chances) -> Iterator[tuple[str, str]]:
        """Reason and detail of each pair that does not pass."""
        least = self.plan.entailment if column == ENTAILMENT else self.plan.contradiction
        for premise, hypothesis in pairs:
            if normalised(premise) == normalised(hypothesis):
                yield "repeats another text", f"'{hypothesis}' twice"
            elif self.judge is not None and (chance := chances[premise, hypothesis][column]) < least:
                if column == ENTAILMENT:
                    yield "not entailed", f"'{premise}' entails '{hypothesis}' with probability {chance:.3f}"
                else:
                    yield "not contradicted", f"'{hypothesis}' contradicts '{premise}' with probability {chance:.3f}"

    def _chances(self, pairs: Iterable[Pair]) -> Chances:
        distinct = list(dict.fromkeys(pairs))
        if self.judge is None or not distinct:
            return {}
        with JUDGES.running(str(self.plan.judge).partition(":")[0], f"failed in the stage {self.stage}"):
            answers = self.judge.probabilities(distinct)
        if answers.shape != (len(distinct), 3):
            raise InputError(f"the judge '{self.judge.name}' gave {answers.shape} numbers for {len(distinct)} pairs.")
        return dict(zip(distinct, answers.tolist(), strict=True))


def _pairs(draft: Draft, texts: tuple[str, ...], column: int) -> list[Pair]:
    """The pairs that have to pass: each text with the next more specific one, or each negative with its text."""
    premises = (*texts[1:], draft.caption) if column == ENTAILMENT else draft.positive
    return list(zip(premises, texts, strict=True))


def _usable(candidates: Iterable[Sequence[str]], count: int) -> list[tuple[str, ...]]:
    """Candidates of so many texts that can be stored, their blanks made single, each once."""
    right = [texts for texts in candidates if len(texts) == count and all(isinstance(text, str) for text in texts)]
    plain = dict.fromkeys(tuple(" ".join(text.split()) for text in texts) for texts in right)
    return [
        texts
        for texts in plain
        if all(0 < len(text) <= MOST_CHARACTERS and SEPARATOR not in text and "\0" not in text for text in texts)
    ]


def _reason(proposal: Proposal) -> tuple[str, str]:
    if proposal.candidates:
        return "unusable texts", f"{proposal.candidates[0]!r}"
    return proposal.reason or "no answer", proposal.detail


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
