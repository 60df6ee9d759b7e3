"""The suites of construction: backends and judges of our own pass, broken ones fail."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hiergeo.construction.backends import Backend, Gap, Proposal
from hiergeo.construction.judges import Judge
from hiergeo.testing import BackendConformance, JudgeConformance
from tests.construction.construction_toys import ToyBackend, ToyJudge
from tests.testing.conformance_common import failures


class TestToyBackend(BackendConformance):
    def make(self) -> Backend:
        return ToyBackend()


class TestToyJudge(JudgeConformance):
    def make(self) -> Judge:
        return ToyJudge()


class Changed(ToyBackend):
    """A backend with a defect."""

    asked = 0

    def __init__(self, defect: str) -> None:
        super().__init__()
        self.defect = defect

    @property
    def identity(self) -> dict[str, Any]:
        Changed.asked += 1
        if self.defect == "identity":
            return {"asked": Changed.asked}
        return {"api_key": "x"} if self.defect == "secret" else super().identity

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        found = super().generalise(captions, tiers)
        if self.defect == "fewer":
            return found[:-1]
        if self.defect == "blanks":
            return [
                Proposal(tuple((*each[:-1], f"{each[-1]} ") for each in one.candidates), one.reason) for one in found
            ]
        if self.defect == "order":
            return [Proposal(((str(place),) * (tiers - 1),)) for place in range(len(captions))]
        if self.defect == "silent":
            return [Proposal(one.candidates) for one in found]
        return found

    def complete(self, gaps: Sequence[Gap]) -> list[Proposal]:
        found = super().complete(gaps)
        return [Proposal(((),)) for _ in found] if self.defect == "nothing filled" else found


WHOLE, ODD = "test_generalise_gives_whole_chains_or_says_why_not", "test_odd_captions_have_a_proposal_each"
BROKEN = {
    "": set(),
    "identity": {"test_its_identity_is_json_without_secrets"},
    "secret": {"test_its_identity_is_json_without_secrets"},
    "fewer": {WHOLE, ODD, "test_the_same_question_has_the_same_answer_alone_or_among_others"},
    "blanks": {WHOLE, ODD},
    "order": {"test_the_same_question_has_the_same_answer_alone_or_among_others"},
    "silent": {ODD},
    "nothing filled": {"test_complete_fills_what_is_missing_or_says_why_not"},
}


@pytest.mark.parametrize("defect", BROKEN)
def test_the_backend_suite_finds_what_is_broken(defect: str) -> None:
    class Suite(BackendConformance):
        def make(self) -> Backend:
            return Changed(defect)

    assert BROKEN[defect] <= failures(Suite()) if defect == "fewer" else BROKEN[defect] == failures(Suite())


class ChangedJudge(ToyJudge):
    """A judge with a defect."""

    def __init__(self, defect: str) -> None:
        super().__init__()
        self.defect = defect

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        found = super().probabilities(pairs)
        if self.defect == "classes":
            return found[:, ::-1].copy()
        if self.defect == "sums":
            return found * 0.5
        if self.defect == "single":
            return found.astype(np.float32)
        if self.defect == "batch" and len(found) > 1:
            return np.roll(found, 1, axis=1)
        return found


SHAPES, ITSELF = "test_every_pair_gets_three_probabilities", "test_a_caption_entails_itself"
BROKEN_JUDGES = {
    "": set(),
    "classes": {ITSELF},
    "sums": {SHAPES},
    "single": {SHAPES},
    "batch": {"test_a_pair_is_judged_alike_alone_and_among_others", ITSELF},
}


@pytest.mark.parametrize("defect", BROKEN_JUDGES)
def test_the_judge_suite_finds_what_is_broken(defect: str) -> None:
    class Suite(JudgeConformance):
        def make(self) -> Judge:
            return ChangedJudge(defect)

    assert BROKEN_JUDGES[defect] == failures(Suite())
