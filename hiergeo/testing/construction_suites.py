"""Conformance suites for what builds chains: backends, which write texts, and judges, which compare two."""

import json
import unittest
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from hiergeo._core.plugins import Plugins
from hiergeo.construction.backends import BACKENDS, Backend, Gap, Proposal
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, JUDGES, Judge
from hiergeo.testing.assertions import assert_text

CAPTIONS = (
    "A brown dog runs over the wet grass behind a house.",
    "Two men in red shirts play football on a beach.",
    "A table with three plates of food.",
    "A black cat sleeps on the sofa.",
)

ODD = ("", " ", "dog", "a\nb", "=> =>", "\N{DOG FACE}", "ein Hund läuft über die Wiese", "dog " * 2500, "''\"\\{}[]")
"""What a caption can be too: every one of it gets a proposal, if only a refusal."""

CHAINS = (
    ("animal", "dog", "a dog on the grass", "A brown dog runs over the wet grass behind a house."),
    ("people", "men", "men who play football", "Two men in red shirts play football on a beach."),
)


class _PluginConformance:
    """What backends and judges promise alike.

    Attributes:
        name: the name that the plug-in is registered under; None leaves the look-up out.
    """

    name: ClassVar[str | None] = None
    plugins: ClassVar[Plugins[Any]]
    kind: ClassVar[type[Any]]

    def make(self) -> Any:
        """A new one, always of the same settings."""
        raise NotImplementedError

    def test_it_is_found_by_its_name(self) -> None:
        if self.name is None:
            raise unittest.SkipTest("no name is given")
        assert callable(self.plugins.get(self.name)), f"'{self.name}' cannot be called"

    def test_it_is_what_it_claims_to_be_and_has_a_name(self) -> None:
        made = self.make()
        assert isinstance(made, self.kind), f"{type(made).__name__} is not a {self.kind.__name__}"
        assert_text(made.name, "its name")

    def test_its_identity_is_json_without_secrets(self) -> None:
        one, other = self.make().identity, self.make().identity
        assert isinstance(one, dict), f"the identity is a {type(one).__name__}, not a dict"
        assert one, "the identity is empty"
        assert json.loads(json.dumps(one, allow_nan=False)) == one, "the identity is not what JSON holds"
        assert one == other, "two of the same settings have different identities"
        assert not {"api_key", "token", "password"} & set(one), "the identity holds a secret"


class BackendConformance(_PluginConformance):
    """Inherit from this, define `make`, and pytest checks that your backend keeps the contract of `Backend`.

    ```python
    class TestPrefixes(BackendConformance):
        name = "prefixes"

        def make(self):
            return Prefixes("")
    ```

    Attributes:
        tiers: numbers of texts that are asked for.
        deterministic: whether the same question always has the same answer, alone or among others.
    """

    plugins, kind = BACKENDS, Backend
    tiers: ClassVar[tuple[int, ...]] = (2, 3, 4)
    deterministic: ClassVar[bool] = True

    def test_nothing_is_made_of_nothing(self) -> None:
        backend = self.make()
        assert list(backend.generalise([], 4)) == [], "generalise answers where nothing was asked"
        assert list(backend.contradict([])) == [], "contradict answers where nothing was asked"
        assert list(backend.complete([])) == [], "complete answers where nothing was asked"

    def test_generalise_gives_whole_chains_or_says_why_not(self) -> None:
        backend = self.make()
        for tiers in self.tiers:
            _check_proposals(backend.generalise(CAPTIONS, tiers), [tiers - 1] * len(CAPTIONS), "generalise")

    def test_contradict_gives_a_text_for_each_tier_or_says_why_not(self) -> None:
        backend = self.make()
        _check_proposals(backend.contradict(CHAINS), [len(chain) for chain in CHAINS], "contradict")

    def test_complete_fills_what_is_missing_or_says_why_not(self) -> None:
        gaps = _gaps()
        _check_proposals(self.make().complete(gaps), [len(gap.missing) for gap in gaps], "complete")

    def test_at_least_one_caption_becomes_a_chain(self) -> None:
        assert any(proposal.candidates for proposal in self.make().generalise(CAPTIONS, self.tiers[-1])), (
            "none of four plain captions has a more general text"
        )

    def test_odd_captions_have_a_proposal_each(self) -> None:
        backend = self.make()
        _check_proposals(backend.generalise(ODD, 4), [3] * len(ODD), "generalise")
        _check_proposals(backend.contradict([(text,) * 4 for text in ODD]), [4] * len(ODD), "contradict")

    def test_the_same_question_has_the_same_answer_alone_or_among_others(self) -> None:
        if not self.deterministic:
            raise unittest.SkipTest("answers are drawn at random")
        backend, other = self.make(), self.make()
        for method, items, more in (
            ("generalise", CAPTIONS, (4,)),
            ("contradict", CHAINS, ()),
            ("complete", _gaps(), ()),
        ):
            together = list(getattr(backend, method)(items, *more))
            alone = [getattr(other, method)([item], *more)[0] for item in reversed(items)]
            assert together == alone[::-1], f"{method} answers otherwise when it is asked one by one"

    def test_usage_counts_up(self) -> None:
        backend = self.make()
        before = backend.usage()
        backend.generalise(CAPTIONS, 4)
        after = backend.usage()
        for name, value in after.items():
            assert value >= before.get(name, 0), f"the usage {name} went from {before.get(name)} to {value}"

    def test_it_can_be_closed_twice(self) -> None:
        backend = self.make()
        backend.generalise(CAPTIONS[:1], 4)
        backend.close()
        backend.close()


class JudgeConformance(_PluginConformance):
    """Inherit from this, define `make`, and pytest checks that your judge keeps the contract of `Judge`.

    ```python
    class TestContains(JudgeConformance):
        name = "contains"

        def make(self):
            return Contains("")
    ```

    Attributes:
        tolerance: by which a probability may differ when a pair is judged alone or among others.
        knows: whether it can tell apart at all: off for models with random weights.
    """

    plugins, kind = JUDGES, Judge
    tolerance: ClassVar[float] = 1e-5
    knows: ClassVar[bool] = True

    def test_every_pair_gets_three_probabilities(self) -> None:
        judge = self.make()
        odd = [(text, CAPTIONS[0]) for text in ODD] + [(CAPTIONS[0], text) for text in ODD]
        for pairs in (_pairs(), odd, []):
            found = judge.probabilities(pairs)
            assert isinstance(found, np.ndarray), f"it gives a {type(found).__name__}, not an array"
            assert found.shape == (len(pairs), 3), f"{len(pairs)} pairs get numbers of shape {found.shape}"
            assert found.dtype == np.float64, f"numbers are {found.dtype}, not float64"
            assert bool(((found >= 0) & (found <= 1)).all()), "a probability is not from 0 to 1"
            assert bool(np.allclose(found.sum(axis=1), 1, atol=1e-6)), "probabilities of a pair do not sum to 1"

    def test_a_pair_is_judged_alike_alone_and_among_others(self) -> None:
        pairs = _pairs()
        together, judge = self.make().probabilities(pairs), self.make()
        for pair, row in zip(reversed(pairs), together[::-1], strict=True):
            apart = float(np.abs(judge.probabilities([pair])[0] - row).max())
            assert apart <= self.tolerance, f"alone, {pair} is judged otherwise by {apart:.2g}"

    def test_a_caption_entails_itself(self) -> None:
        if not self.knows:
            raise unittest.SkipTest("its weights are random")
        found = self.make().probabilities([(caption, caption) for caption in CAPTIONS])
        assert bool((found[:, ENTAILMENT] > found[:, CONTRADICTION]).all()), "a caption does not entail itself"

    def test_it_can_be_closed_twice(self) -> None:
        judge = self.make()
        judge.probabilities(_pairs()[:1])
        judge.close()
        judge.close()


def _pairs() -> list[tuple[str, str]]:
    return [(one, other) for one in CAPTIONS for other in ("a dog", "an animal sleeps", *CAPTIONS[:2])]


def _gaps() -> list[Gap]:
    missing = (None,) * 4
    first, second = CHAINS
    return [
        Gap(first, missing),
        Gap((None, *second[1:]), ("animal", "horse", None, None)),
        Gap((None, None, None, first[-1]), missing),
    ]


def _check_proposals(found: Sequence[Proposal], texts: Sequence[int], method: str) -> None:
    assert len(found) == len(texts), f"{method} gives {len(found)} proposals for {len(texts)} items"
    for proposal, count in zip(found, texts, strict=True):
        assert isinstance(proposal, Proposal), f"{method} gives a {type(proposal).__name__}"
        assert bool(proposal.candidates) != bool(proposal.reason), (
            f"{method} gives candidates or a reason, never both and never neither: {proposal}"
        )
        for candidate in proposal.candidates:
            assert len(candidate) == count, f"{method} gives {len(candidate)} texts where {count} are asked for"
            for text in candidate:
                assert_text(text, f"a text of {method}")
