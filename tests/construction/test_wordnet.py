"""Chains by rules: every tier follows from the next, every negative contradicts its tier, refusals have reasons."""

import itertools
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import Gap
from hiergeo.construction.backends.wordnet import WordNetBackend, _beginnings
from hiergeo.construction.drafts import Draft
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL
from hiergeo.construction.judges.rules import CONFIDENCE, RulesJudge
from hiergeo.construction.language import edits
from hiergeo.construction.language.entailment import relation
from hiergeo.construction.language.ladder import Ladder, ladders
from hiergeo.construction.language.phrases import parse
from hiergeo.construction.stages import fault
from tests.construction.contracts_common import check_backend, check_judge

CAPTIONS = (
    "A red fire hydrant is on the sidewalk next to a sign.",
    "Two young girls playing soccer on a green field near a school.",
    "A man in a suit standing in front of a white truck",
    "A plate with a sandwich and a bowl of soup on a wooden table.",
    "An old woman without a coat is sitting on a bench.",
    "A large group of people are eating pizza in an office.",
    "A black and white cat sleeping on top of a laptop computer",
    "A close up of a banana next to an orange.",
)


def test_the_backend_keeps_its_contract() -> None:
    check_backend(WordNetBackend(), WordNetBackend(), tiers=(2, 3, 4, 5))


def test_the_judge_keeps_its_contract() -> None:
    check_judge(RulesJudge(), RulesJudge())


@pytest.mark.parametrize("tiers", [2, 3, 4, 5])
def test_every_tier_follows_from_the_next_and_is_no_longer(tiers: int) -> None:
    for caption, proposal in zip(CAPTIONS, WordNetBackend().generalise(CAPTIONS, tiers), strict=True):
        assert proposal.candidates or (tiers > 4 and proposal.reason == "too short"), caption
        assert len(set(proposal.candidates)) == len(proposal.candidates)
        for candidate in proposal.candidates:
            chain = (*candidate, caption)
            assert len({text.lower().strip(".") for text in chain}) == tiers
            for general, specific in itertools.pairwise(chain):
                assert relation(specific, general) == "entailment"
                assert len(general.split()) <= len(specific.split())
            assert relation(caption, chain[0]) == "entailment"


def test_negatives_contradict_and_their_choice_is_varied() -> None:
    backend = WordNetBackend()
    chains = [
        (*proposal.candidates[0], text)
        for text, proposal in zip(CAPTIONS, backend.generalise(CAPTIONS, 4), strict=True)
    ]
    first = []
    for chain, proposal in zip(chains, backend.contradict(chains), strict=True):
        assert proposal.candidates, chain
        for negatives in proposal.candidates:
            for positive, negative in zip(chain, negatives, strict=True):
                assert relation(positive, negative) == relation(negative, positive) == "contradiction"
                assert abs(len(positive.split()) - len(negative.split())) <= 3
        first.append(proposal.candidates[0])
    assert len({negatives[0] for negatives in first}) > 3
    kept = [
        relation(negatives[tier], chain[tier - 1]) == "entailment"
        for chain, negatives in zip(chains, first, strict=True)
        for tier in (1, 2, 3)
    ]
    assert np.mean(kept) > 0.7


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("dog " * 2500, "too long"),
        ("ein Hund läuft über die nasse Wiese hinter dem Haus", "not English"),
        ("\N{DOG FACE}\N{CAT FACE}", "not English"),
        ("very quickly and slowly", "no noun"),
        ("dog", "too short"),
    ],
)
def test_reasons_of_refusals(caption: str, reason: str) -> None:
    (proposal,) = WordNetBackend().generalise([caption], 4)
    assert (proposal.candidates, proposal.reason) == ((), reason)


@pytest.mark.parametrize(
    ("caption", "never"),
    [
        ("a toy car on a shelf in a shop", {"car", "vehicle"}),
        ("a painting of a dog on a white wall", {"dog", "animal"}),
        ("an old man on a bench without a hat", {"hat", "clothing"}),
        ("a statue of a horse in a park near a river", {"horse", "animal"}),
        ("a stuffed bear on a small bed in a room", {"bear", "animal"}),
    ],
)
def test_what_need_not_be_there_is_no_tier(caption: str, never: set[str]) -> None:
    (proposal,) = WordNetBackend().generalise([caption], 4)
    assert proposal.candidates
    assert never.isdisjoint(text for chain in proposal.candidates for text in chain)


def test_gaps_are_filled_both_ways_and_what_is_there_stays() -> None:
    caption = CAPTIONS[0]
    gap = Gap((None, "hydrant", None, caption), (None, None, "a red fire hydrant is on the beach", None))
    (proposal,) = WordNetBackend().complete([gap])
    assert proposal.candidates
    for texts in proposal.candidates:
        filled = dict(zip(gap.missing, texts, strict=True))
        chain = [filled.get(("positive", tier), text or "") for tier, text in enumerate(gap.positive)]
        assert all(relation(low, high) == "entailment" for high, low in itertools.pairwise(chain))
        for tier in (0, 1, 3):
            assert relation(chain[tier], filled[("negative", tier)]) == "contradiction"
    (whole,) = WordNetBackend().complete([Gap(("animal", "dog"), (None, None))])
    assert {len(texts) for texts in whole.candidates} == {2}


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80), st.integers(2, 6))
def test_any_text_gets_proposals(text: str, tiers: int) -> None:
    backend = WordNetBackend()
    for proposal in (*backend.generalise([text], tiers), *backend.contradict([(text,) * tiers])):
        assert bool(proposal.candidates) != bool(proposal.reason)
    for proposal in backend.complete([Gap((*(None,) * (tiers - 1), text), (None,) * tiers)]):
        assert bool(proposal.candidates) != bool(proposal.reason)


def test_edits_agree_in_article_number_and_capital() -> None:
    analysis = parse("An elephant is standing under two umbrellas.")
    texts = {edits.applied(analysis, edit) for edit in edits.edits(analysis)}
    assert "A cat is standing under two umbrellas." in texts
    assert "An elephant is sitting under two umbrellas." in texts
    assert "An elephant is standing under three umbrellas." in texts
    assert not any(text.startswith("An c") or "two umbrella." in text for text in texts)


@pytest.mark.parametrize(
    "caption",
    [
        "The 3:30  train arriving at an empty platform",
        "A $5 breakfast (of eggs),beans & toast",
        "An AT&T phone at f/2.8, on a red table",
    ],
)
def test_all_but_the_edit_stays_as_it_is_written_and_words_are_whole(caption: str) -> None:
    analysis = parse(caption)
    whole = {token.strip("(),") for token in caption.lower().split()} | {"beans", "eggs"}
    for edit in edits.edits(analysis):
        changed = edits.applied(analysis, edit)
        before, after = caption[: analysis.tokens[edit.start].start], caption[analysis.tokens[edit.end - 1].end :]
        before = re.sub(r"\b(a)n? $", r"\1", before, flags=re.IGNORECASE)
        assert changed.startswith(before), changed
        assert changed.endswith(after), changed
    texts = [text for ladder in ladders(analysis) for text in (*ladder.cuts, *ladder.names)]
    assert {word.strip("(),") for text in texts for word in text.lower().split()} <= whole


def changed(caption: str) -> set[str]:
    analysis = parse(caption)
    return {edits.applied(analysis, edit) for edit in edits.edits(analysis)}


def test_names_are_neither_edited_nor_cut() -> None:
    caption = "Sunset over the Golden Gate Bridge seen from Baker Beach"
    assert not changed(caption) or all(
        "Golden Gate Bridge" in text and "Baker Beach" in text for text in changed(caption)
    )
    names = {name for ladder in ladders(parse(caption)) for name in ladder.names}
    assert "Golden Gate Bridge" in names
    assert not names & {"bridge", "gate bridge", "beach"}
    assert "A bus passing small Ben" not in changed("A bus passing Big Ben")
    assert ladders(parse("a boy meeting Harry Potter"))[1].kinds == ()


@pytest.mark.parametrize(
    ("caption", "never", "some"),
    [
        ("old typewriter on a desk", "young", "new typewriter on a desk"),
        ("an old man on a bench", "child", "a young man on a bench"),
        ("commuters in heavy rain", "lightweight", "commuters in heavy snow"),
        ("a garden in full bloom with roses", "empty", "a garden in full bloom without roses"),
        ("hot air balloons rising over a desert", "cold", "hot air balloons descending over a desert"),
        ("a small child holding a ball", "large", "a small child holding a kite"),
        ("A flock of sheep blocking the road", "of cow ", "A flock of cows blocking the road"),
        ("two swans with their necks", "without", "three swans with their necks"),
        ("a factory overgrown with ivy", "without", "a castle overgrown with ivy"),
        ("a sixth birthday cake on a table", "sixth carrot", "a sixth birthday cake on a bench"),
        ("a person holding a cup", "robot", "a person holding a bowl"),
        ("a bride adjusting her veil", "groom", None),
    ],
)
def test_edits_go_with_the_nouns_that_they_touch(caption: str, never: str, some: str | None) -> None:
    texts = changed(caption)
    assert not any(never in text for text in texts)
    assert some is None or some in texts


def test_the_camera_that_takes_the_picture_is_not_in_it() -> None:
    caption = "a bowl of ramen looking at the camera"
    assert relation(caption, "camera") == "neutral"
    assert not any("camera" in ladder.names for ladder in ladders(parse(caption)))
    assert relation("a man holding a camera", "camera") == "entailment"


def test_nothing_is_edited_or_cut_inside_a_denial() -> None:
    analysis = parse("a man without a red hat on a bench")
    assert not any("blue" in edits.applied(analysis, edit) for edit in edits.edits(analysis))
    assert all("without" not in text or "hat" in text for ladder in ladders(analysis) for text in ladder.cuts)


def test_modifiers_are_dropped_but_not_those_that_make_a_thing_unreal_or_belong_together() -> None:
    def names(text: str) -> tuple[str, ...]:
        return ladders(parse(text))[0].names

    assert names("a small toy car") == ("small toy car", "toy car")
    assert names("a big red fire hydrant") == ("big red fire hydrant", "red fire hydrant", "fire hydrant")
    assert "white cat" not in names("a black and white cat")
    assert "covered slope" not in names("a snow covered slope")


def test_the_judge_answers_with_probabilities() -> None:
    pairs = [("a dog", "an animal"), ("an animal", "a dog"), ("a dog", "a cat")]
    answers = RulesJudge().probabilities(pairs)
    assert np.allclose(answers.sum(axis=1), 1)
    assert answers.argmax(axis=1).tolist() == [ENTAILMENT, NEUTRAL, CONTRADICTION]
    assert np.allclose(answers.max(axis=1), CONFIDENCE)


@pytest.mark.parametrize("make", [WordNetBackend, RulesJudge])
def test_an_argument_is_refused(make: type) -> None:
    with pytest.raises(InputError, match="large"):
        make("large")


def test_no_negative_repeats_the_one_before_it() -> None:
    chain = ("pizzas", "pizza", "a pizza", "a pizza on a street")
    backend = WordNetBackend()
    gap = Gap(chain, (*backend.contradict([chain])[0].candidates[0][:2], None, None))
    offers = backend.contradict([chain])[0].candidates
    filled = [(*gap.negative[:2], *texts) for texts in backend.complete([gap])[0].candidates]
    assert offers
    assert filled
    for before, text in (pair for texts in (*offers, *filled) for pair in itertools.pairwise(texts)):
        assert str(before).removeprefix("a ") != str(text).removeprefix("a ")


def test_a_chain_whose_negatives_repeat_is_dropped_by_the_last_check() -> None:
    negatives = ("water", "a cat", "A cat.")
    draft = Draft(0, "a dog on a couch", "", positive=("animal", "dog", "a dog on a couch"), negative=negatives)
    found = fault(draft)
    assert found is not None
    assert found[0] == "repeated tier"


@pytest.mark.parametrize(
    "text", ["a man " + "and a dog " * 55, pytest.param("a toy of a dog " * 38, marks=pytest.mark.slow)]
)
def test_captions_that_repeat_themselves_end_in_time(text: str) -> None:
    backend, start = WordNetBackend(), time.process_time()
    made = backend.generalise([text], 4)[0]
    backend.contradict([(*made.candidates[0], text)])
    assert time.process_time() - start < 15


@pytest.mark.parametrize(
    ("names", "first"),
    [(("small red sofa", "red sofa", "sofa"), ("seat", "red sofa")), (("red sofa", "sofa"), ("seat", "red sofa"))],
)
def test_a_chain_begins_with_a_kind_and_the_noun_with_one_modifier(
    names: tuple[str, ...], first: tuple[str, ...]
) -> None:
    ladder = Ladder((), (), names, ("seat", "furniture"))
    begun = list(_beginnings(ladder, 4))
    assert begun[0] == first
    assert ("furniture", "sofa") in begun
    assert begun[-2:] == [("sofa", "red sofa"), ("sofa",)]
