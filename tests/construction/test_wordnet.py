"""Chains from word lists and WordNet against chains worked by hand, and what holds of any caption."""

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo.construction.backends.wordnet import WordNetBackend
from hiergeo.construction.language import parse
from hiergeo.construction.language.contrasts import applied, contrasts
from hiergeo.construction.language.ladder import ladders
from tests.construction.contracts_common import check_backend

CHAINS = (
    (
        "hydrant",
        "red fire hydrant",
        "a red fire hydrant is on the sidewalk",
        "A red fire hydrant is on the sidewalk next to a sign.",
    ),
    (
        "children",
        "young girls",
        "two young girls playing soccer",
        "Two young girls playing soccer on a green field near a school.",
    ),
    ("person", "man", "a man in a suit standing", "A man in a suit standing in front of a white truck"),
    (
        "dishware",
        "plate",
        "a plate with a sandwich and a bowl of soup",
        "A plate with a sandwich and a bowl of soup on a wooden table.",
    ),
    ("person", "woman", "old woman", "An old woman without a coat is sitting on a bench."),
    (
        "people",
        "people are eating pizza",
        "people are eating pizza in an office",
        "A large group of people are eating pizza in an office.",
    ),
    (
        "animal",
        "black and white cat",
        "a black and white cat sleeping",
        "A black and white cat sleeping on top of a laptop computer",
    ),
    ("fruit", "banana", "a banana next to an orange", "A close up of a banana next to an orange."),
)
"""Chains of captions, each text of which follows from the next."""

CAPTIONS = tuple(chain[-1] for chain in CHAINS)


def changed(caption: str) -> set[str]:
    analysis = parse(caption)
    return {applied(analysis, contrast) for contrast in contrasts(analysis)}


def rungs(caption: str) -> list[str]:
    return [text for ladder in ladders(parse(caption)) for text in ladder.rungs[:-1]]


def test_the_backend_keeps_its_contract() -> None:
    check_backend(WordNetBackend(), WordNetBackend(), tiers=(2, 3, 4, 5))


@pytest.mark.parametrize("chain", CHAINS, ids=[chain[1] for chain in CHAINS])
def test_chains_worked_by_hand(chain: tuple[str, ...]) -> None:
    *general, caption = chain
    (proposal,) = WordNetBackend().generalise([caption], 4)
    assert list(proposal.candidates[0]) == general


def test_negatives_differ_from_their_tier_in_one_place_and_their_choice_is_varied() -> None:
    backend = WordNetBackend()
    proposals = backend.generalise(CAPTIONS, 4)
    chains = [(*proposal.candidates[0], text) for text, proposal in zip(CAPTIONS, proposals, strict=True)]
    first = []
    for chain, proposal in zip(chains, backend.contradict(chains), strict=True):
        assert proposal.candidates, chain
        for negatives in proposal.candidates:
            assert negatives[0] not in " ".join(chain).lower()
            for positive, negative in zip(chain[1:], negatives[1:], strict=True):
                texts = [re.sub(r"\b(a)n\b", r"\1", text.lower()).split() for text in (positive, negative)]
                same = [one == other for one, other in zip(*texts, strict=False)]
                behind = [one == other for one, other in zip(*(text[::-1] for text in texts), strict=False)]
                start, end = ([*equal, False].index(False) for equal in (same, behind))
                assert 0 < len(texts[0]) - start - end <= 3, (positive, negative)
        first.append(proposal.candidates[0])
    assert len({negatives[0] for negatives in first}) > 3


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("dog " * 2500, "too long"),
        ("ein Hund läuft über die nasse Wiese hinter dem Haus", "not English"),
        ("\N{DOG FACE}\N{CAT FACE}", "not English"),
        ("very quickly and slowly", "no noun"),
        ("a democracy in a very quick way", "no kind"),
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
        ("a bowl of ramen looking at the camera", {"camera"}),
        ("a boy meeting Harry Potter", {"potter", "worker"}),
    ],
)
def test_what_need_not_be_there_is_no_rung(caption: str, never: set[str]) -> None:
    assert never.isdisjoint(rungs(caption))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80), st.integers(2, 6))
def test_any_text_gets_proposals(text: str, tiers: int) -> None:
    backend = WordNetBackend()
    for proposal in (*backend.generalise([text], tiers), *backend.contradict([(text,) * tiers])):
        assert bool(proposal.candidates) != bool(proposal.reason)


def test_contrasts_agree_in_article_number_and_capital() -> None:
    texts = changed("An elephant is standing under two umbrellas.")
    assert "A cat is standing under two umbrellas." in texts
    assert "An elephant is standing under three umbrellas." in texts
    assert not any(text.startswith("An c") or "two umbrella." in text for text in texts)


@pytest.mark.parametrize(
    ("caption", "never", "some"),
    [
        ("old typewriter on a desk", "young", "new typewriter on a desk"),
        ("an old man on a bench", "child", "a young man on a bench"),
        ("a small child holding a ball", "large", "a small dog holding a ball"),
        ("A flock of sheep blocking the road", "of cow ", "A flock of cows blocking the road"),
        ("two swans with their necks", "two necks", "three swans with their necks"),
        ("a sixth birthday cake on a table", "sixth carrot", "a sixth birthday cake on a bench"),
        ("a man with a hat near a dog", "scarf", "a woman with a hat near a dog"),
        ("a man riding a horse", "riding a man", "a man riding an elephant"),
        ("a black and white cat", "red", "a black and white dog"),
        ("a cat on the sidewalk", "in the", "a cat on the roof"),
        ("a bottle of red wine", "brick", "a bottle of milk"),
        ("A bus passing Big Ben", "Small", "A train passing Big Ben"),
    ],
)
def test_contrasts_go_with_the_nouns_that_they_touch(caption: str, never: str, some: str) -> None:
    texts = changed(caption)
    assert not any(never in text for text in texts)
    assert some in texts


def test_nothing_is_changed_or_cut_inside_a_denial() -> None:
    caption = "a man without a red hat on a bench"
    assert not any("blue" in text or "scarf" in text for text in changed(caption))
    assert all("without" not in text for text in rungs(caption))


@pytest.mark.parametrize(
    ("caption", "cuts"),
    [
        ("A dog sleeps on a red couch.", ["a dog", "a dog sleeps"]),
        ("a boat between a pier and a rock", ["a boat", "a boat between a pier"]),
        ("A table made of wood", ["a table"]),
        ("A woman in a red and white dress", ["a woman"]),
        ("A man putting on a tie", ["a man"]),
        ("A kitchen with a sink, a stove and a table", ["a kitchen", "a kitchen with a sink"]),
        ("A dog is jumping to catch a stick", ["a dog"]),
        ("A man in a suit and tie near a car", ["a man", "a man in a suit", "a man in a suit and tie"]),
    ],
)
def test_where_a_caption_can_be_cut(caption: str, cuts: list[str]) -> None:
    ladder = ladders(parse(caption))[0]
    noun = ladder.rungs[ladder.noun]
    assert [text for text in ladder.rungs[ladder.noun + 1 : -1] if text != noun] == cuts[1:]


def test_modifiers_are_dropped_but_not_those_that_make_a_thing_unreal_or_belong_together() -> None:
    def names(text: str) -> list[str]:
        ladder = ladders(parse(text))[0]
        return list(ladder.rungs[ladder.noun :])

    assert names("a small toy car") == ["toy car", "a small toy car"]
    assert names("a big red fire hydrant") == ["fire hydrant", "red fire hydrant", "a big red fire hydrant"]
    assert "white cat" not in names("a black and white cat on a bed")
    assert "covered slope" not in names("a snow covered slope on a mountain")


def test_no_negative_repeats_the_one_before_it() -> None:
    offers = WordNetBackend().contradict([("pizzas", "pizza", "a pizza", "a pizza on a street")])[0].candidates
    assert offers
    for before, text in (pair for texts in offers for pair in itertools.pairwise(texts)):
        assert before.removeprefix("a ") != text.removeprefix("a ")


@pytest.mark.parametrize("text", ["a man " + "and a dog " * 55, "a toy of a dog " * 38])
def test_captions_that_repeat_themselves_end_in_time(text: str) -> None:
    backend, start = WordNetBackend(), time.process_time()
    made = backend.generalise([text], 4)[0]
    for chain in made.candidates[:1]:
        backend.contradict([(*chain, text)])
    assert time.process_time() - start < 15
