"""Whatever a backend and a judge answer: no caption vanishes, and what is kept is what the plan asks for."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.construction import BuildPlan
from hiergeo.construction.backends import Backend, Proposal
from hiergeo.construction.captions import MOST_CHARACTERS, SEPARATOR
from hiergeo.construction.drafts import Draft, normalised
from hiergeo.construction.judges import Judge
from hiergeo.construction.stages import Writer, fault

STAGES = ("generalise", "check_entailment", "contradict", "check_contradiction", "filter")
TEXTS = ["dog", "Dog.", "a dog", "a dog runs", "a brown dog runs", "cat", "", " ", "a => b", "x" * 1001, "a\ncat"]


class Random_(Backend):
    """Answers drawn from a few texts, many of them of no use."""

    name = "random"
    identity = property(lambda self: {"name": self.name})

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)

    def _proposal(self, texts: int) -> Proposal:
        if self.draw.random() < 0.2:
            return Proposal(reason="refused", detail="drawn")
        counts = (texts if self.draw.random() < 0.9 else texts + 1 for _ in range(self.draw.randrange(4)))
        return Proposal(tuple(tuple(self.draw.choices(TEXTS, k=count)) for count in counts))

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        return [self._proposal(tiers - 1) for _ in captions]

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        assert all(all(chain) for chain in chains)
        return [self._proposal(len(chain)) for chain in chains]


class Drawn(Judge):
    """A probability that is fixed by the pair."""

    name = "drawn"
    identity = property(lambda self: {"name": self.name})

    def chance(self, premise: str, hypothesis: str) -> tuple[float, float, float]:
        draw = Random(f"{premise}|{hypothesis}")
        a, b, c = (draw.random() ** 3 + 1e-3 for _ in range(3))
        whole = a + b + c
        return a / whole, b / whole, c / whole

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return np.array([self.chance(*pair) for pair in pairs]).reshape(-1, 3)


@given(
    st.lists(st.sampled_from(["a brown dog runs fast", "a cat", "two men on a beach", "dog"]), max_size=12),
    st.integers(0, 10**6),
    st.integers(2, 5),
    st.floats(0, 0.6),
)
@settings(max_examples=60, deadline=None)
def test_no_draft_vanishes_and_what_is_kept_holds_the_plan(
    captions: list[str], seed: int, tiers: int, least: float
) -> None:
    plan = BuildPlan(tiers=tiers, entailment=least, contradiction=least / 2)
    judge = Drawn()
    drafts = [Draft(row, caption) for row, caption in enumerate(captions)]
    drafts = [draft.drop("read", "empty") if draft.row % 5 == 4 else draft for draft in drafts]
    written = Writer(plan, Random_(seed), judge).write(drafts)
    assert [(draft.row, draft.caption) for draft in written] == [(draft.row, draft.caption) for draft in drafts]
    for before, draft in zip(drafts, written, strict=True):
        if before.dropped is not None:
            assert draft == before
        elif draft.dropped is not None:
            assert draft.dropped.reason
            assert draft.dropped.stage in STAGES
        else:
            check_chain(draft, plan, judge)


def check_chain(draft: Draft, plan: BuildPlan, judge: Drawn) -> None:
    assert draft.positive[-1] == draft.caption
    texts = draft.positive + draft.negative
    assert all(text and text == " ".join(text.split()) and SEPARATOR not in text for text in texts)
    assert max(map(len, texts)) <= MOST_CHARACTERS
    assert len({normalised(text) for text in draft.positive}) == len(draft.negative) == plan.tiers
    assert all(normalised(one) != normalised(other) for one, other in pairwise(draft.negative))
    lengths = [len(text.split()) for text in draft.positive]
    assert lengths == sorted(lengths)
    for positive, negative in zip(draft.positive, draft.negative, strict=True):
        assert judge.chance(positive, negative)[2] >= plan.contradiction
        assert normalised(positive) != normalised(negative)
    for general, specific in pairwise(draft.positive):
        assert judge.chance(specific, general)[0] >= plan.entailment


class Told(Random_):
    """Answers that a test gives."""

    def __init__(self, *answers: Proposal) -> None:
        super().__init__(0)
        self.answers = list(answers)

    def _proposal(self, texts: int) -> Proposal:
        return self.answers.pop(0)


class Subset(Judge):
    """A text entails what its words hold, and contradicts everything else."""

    name = "subset"
    identity = property(lambda self: {"name": self.name})

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        held = np.array([set(h.split()) <= set(p.split()) for p, h in pairs], float).reshape(-1)
        return np.stack([held, 0 * held, 1 - held], axis=1)


def ran(*answers: Proposal, judge: Judge | None = None, **told: Any) -> Draft:
    plan = BuildPlan(**{"tiers": 3, **told})
    (draft,) = Writer(plan, Told(*answers), judge or Subset()).write([Draft(0, "a brown dog")])
    return draft


NEGATIVE = Proposal((("cat", "cat food", "a brown cat"),))


def test_the_first_candidate_that_passes_is_taken() -> None:
    offered = Proposal((("cat", "brown dog"), ("dog", "brown dog"), ("brown", "a brown")))
    draft = ran(offered, NEGATIVE)
    assert draft.positive == ("dog", "brown dog", "a brown dog")
    assert draft.negative == NEGATIVE.candidates[0]


@pytest.mark.parametrize(
    ("answers", "stage", "reason"),
    [
        ([Proposal(reason="no noun")], "generalise", "no noun"),
        ([Proposal((("cat", "brown dog"), ("cow", "a")))], "check_entailment", "not entailed"),
        ([Proposal((("dog", "Dog ."),))], "check_entailment", "repeats another text"),
        ([Proposal((("dog", "brown dog"),)), Proposal(reason="none")], "contradict", "none"),
        (
            [Proposal((("dog", "brown dog"),)), Proposal((("brown dog", "brown", "cow"),))],
            "check_contradiction",
            "not contradicted",
        ),
        ([Proposal((("a", "a => b"),))], "generalise", "unusable texts"),
        ([Proposal((("a", "a", "b"),))], "generalise", "unusable texts"),
    ],
)
def test_a_draft_is_dropped_where_it_fails(answers: list[Proposal], stage: str, reason: str) -> None:
    draft = ran(*answers)
    assert draft.dropped is not None
    assert (draft.dropped.stage, draft.dropped.reason) == (stage, reason)


def test_no_text_has_fewer_words_than_the_more_general_one() -> None:

    class Any_(Subset):
        def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            return np.full((len(pairs), 3), [0.5, 0.0, 0.5])

    assert ran(Proposal((("dog", "brown"),)), NEGATIVE, judge=Any_()).dropped is None
    shrinking = ran(Proposal((("brown dog", "dog"),)), NEGATIVE, judge=Any_()).dropped
    assert shrinking is not None
    assert (shrinking.stage, shrinking.reason) == ("filter", "does not grow")


@pytest.mark.parametrize(
    ("positive", "negative", "reason"),
    [
        (("dog", "brown dog", "a brown dog"), ("cat", "cat food", "a brown cat"), None),
        (("dog", "brown dog", "a brown dog"), ("cat", "Cat.", "a brown cat"), "repeated tier"),
        (("dog", "brown dog", "Dog."), ("cat", "cow", "a cat"), "repeated tier"),
        (("dog", "a dog", "brown"), ("cat", "cow", "a cat"), "does not grow"),
    ],
)
def test_the_last_check_drops_what_repeats_or_shrinks(positive, negative, reason) -> None:
    found = fault(positive, negative)
    assert (found and found[0]) == reason


def test_backends_and_judges_that_lose_an_item_are_refused() -> None:
    class Loses(Told):
        def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
            return []

    class Blind(Subset):
        def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            return np.zeros((1, 2))

    drafts = [Draft(0, "a brown dog")]
    with pytest.raises(InputError, match="0 proposals for 1"):
        Writer(BuildPlan(tiers=3), Loses(), None).write(drafts)
    with pytest.raises(InputError, match="subset"):
        Writer(BuildPlan(tiers=3), Told(Proposal((("dog", "brown dog"),))), Blind()).write(drafts)


def test_without_a_judge_the_first_answer_that_repeats_nothing_is_taken() -> None:
    class Answers(Told):
        def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
            return [Proposal((("Cat.", "dog"), ("horse", "cat"))) for _ in chains]

    backend = Answers(Proposal((("Cat",), ("animal",), ("pet",))))
    (draft,) = Writer(BuildPlan(tiers=2), backend, None).write([Draft(0, "cat")])
    assert (draft.dropped, draft.positive, draft.negative) == (None, ("animal", "cat"), ("Cat.", "dog"))
