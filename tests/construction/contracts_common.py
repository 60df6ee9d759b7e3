"""The contracts of backends and judges, checked alike for each that hiergeo has."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hiergeo.construction.backends import Backend, Proposal
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, Judge

CAPTIONS = (
    "A brown dog runs over the wet grass behind a house.",
    "Two men in red shirts play football on a beach.",
    "A table with three plates of food.",
    "A black cat sleeps on the sofa.",
)
ODD = ("", " ", "dog", "a\nb", "=> =>", "\N{DOG FACE}", "ein Hund läuft über die Wiese", "dog " * 2500, "''\"\\{}[]")
CHAINS = (
    ("animal", "dog", "a dog on the grass", "A brown dog runs over the wet grass behind a house."),
    ("people", "men", "men who play football", "Two men in red shirts play football on a beach."),
)


def check_backend(first: Backend, second: Backend, tiers: Sequence[int] = (2, 3, 4)) -> None:
    """Assert the contract of `Backend` on two of the same settings."""
    check_identity(first, second)
    assert [first.generalise([], 4), first.contradict([])] == [[], []]
    for count in tiers:
        check_proposals(first.generalise(CAPTIONS, count), [count - 1] * len(CAPTIONS))
    answers = first.generalise(CAPTIONS, 4), first.contradict(CHAINS)
    assert any(proposal.candidates for proposal in answers[0])
    check_proposals(answers[1], [4, 4])
    check_proposals(first.generalise(ODD, 4), [3] * len(ODD))
    check_proposals(first.contradict([(text,) * 4 for text in ODD]), [4] * len(ODD))
    alone = (
        [second.generalise([caption], 4)[0] for caption in CAPTIONS[::-1]],
        [second.contradict([chain])[0] for chain in CHAINS[::-1]],
    )
    assert [list(each) for each in answers] == [each[::-1] for each in alone], "answers depend on their company"
    before = first.usage()
    first.generalise(CAPTIONS, 4)
    assert all(value >= before.get(name, 0) for name, value in first.usage().items())
    first.close()
    first.close()


def check_judge(judge: Judge, other: Judge, *, knows: bool = True) -> None:
    """Assert the contract of `Judge` on two of the same settings; one of random weights knows nothing."""
    check_identity(judge, other)
    pairs = [(one, hypothesis) for one in CAPTIONS for hypothesis in ("a dog", "an animal sleeps", *CAPTIONS[:2])]
    odd = [(text, CAPTIONS[0]) for text in ODD] + [(CAPTIONS[0], text) for text in ODD]
    for asked in (pairs, odd, []):
        answers = judge.probabilities(asked)
        assert answers.shape == (len(asked), 3)
        assert answers.dtype == np.float64
        assert ((answers >= 0) & (answers <= 1)).all()
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    alone = np.concatenate([other.probabilities([pair]) for pair in pairs])
    np.testing.assert_allclose(judge.probabilities(pairs), alone, rtol=0, atol=1e-5)
    if knows:
        itself = judge.probabilities([(caption, caption) for caption in CAPTIONS])
        assert (itself[:, ENTAILMENT] > itself[:, CONTRADICTION]).all()
    judge.close()
    judge.close()


def check_identity(first: Any, second: Any) -> None:
    assert first.identity == second.identity == json.loads(json.dumps(first.identity, allow_nan=False))
    assert first.identity
    assert not {"api_key", "token", "password"} & first.identity.keys()


def check_proposals(proposals: Sequence[Proposal], texts: Sequence[int]) -> None:
    assert len(proposals) == len(texts)
    for proposal, count in zip(proposals, texts, strict=True):
        assert bool(proposal.candidates) != bool(proposal.reason), "candidates or a reason"
        for candidate in proposal.candidates:
            assert len(candidate) == count
            assert all(text and text == text.strip() for text in candidate)
