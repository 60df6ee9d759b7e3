"""What the explorer opens on, and when it says that nothing is near, against the facts behind the captions."""

from dataclasses import replace
from itertools import groupby
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from hiergeo import datasets, search
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.scenes import world
from hiergeo.report import explorer
from hiergeo.report.explorer import Tiers, examples, facts
from hiergeo.report.explorer.answer_writer import AnswerWriter
from tests.report.explorer.explorer_served import Law, collected, tangent_vectors

TEXTS = {"text": True, "image": True}


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> explorer.Collection:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIERGEO_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return explorer.open_demo(device="cpu")


def told(rows: int) -> dict[str, dict[str, str]]:
    """What the captions of generated scenes say of them, slot by slot."""
    found: dict[str, dict[str, str]] = {}
    for row in range(rows):
        random = Random(f"scenes/test/0/{row}")
        positive, _ = world.chain(world.sample("test", random), random)
        for each in positive:
            families = {
                slot.replace("kind", "family"): world.FAMILY_OF[kind]
                for slot, kind in each.items()
                if slot.endswith("kind")
            }
            found[world.phrase(each)] = {**each, **families}
    return found


def ladders(collection: explorer.Collection, text: str) -> list[list[search.Hit]]:
    """The rungs of the ladders to a text in all lenses, without the text itself, as a user gets them."""
    climbs = [lens.index.ladder(text, space=lens.spec) for lens in collection.lenses]
    hits = [[hit for hit, _ in groupby(rung.hit for rung in climb.rungs) if hit is not None] for climb in climbs]
    return [[hit for hit in row if hit.caption != text] for row in hits]


@pytest.mark.slow  # it builds the demonstration
def test_the_demonstration_opens_on_a_ladder_that_is_right_and_differs_between_spaces(demo) -> None:
    asked = facts.collection_facts(demo, embeds={"0": TEXTS})["examples"]
    for text in asked[:3]:
        check_opening(ladders(demo, text), text, 240)


@pytest.mark.slow  # it builds the demonstration
def test_an_index_of_captions_opens_on_a_ladder_that_is_right_and_differs_between_spaces(demo) -> None:
    (item,) = facts.collection_facts(replace(demo, hierarchy=None, tiers=None))["examples"][0].values()
    (text,) = demo.first.store.labels(torch.tensor([int(item)])).captions
    check_opening(ladders(demo, text), text, 240)


@pytest.mark.slow  # it builds the demonstration
def test_the_first_example_has_the_fewest_wrong_steps_and_each_is_marked_with_what_it_adds(demo) -> None:
    """The facts behind the captions are the oracle; the writer knows their words and chains alone."""
    known, writer = told(240), AnswerWriter(demo)
    wrong = []
    for text in facts.collection_facts(demo, embeds={"0": TEXTS})["examples"][:4]:
        climbs = [lens.index.ladder(text, space=lens.spec) for lens in demo.lenses]
        rungs = [rung for climb in climbs for rung in writer.answer(text, climb)["rungs"] if rung["hit"]["caption"]]
        says = [known[rung["hit"]["caption"]].items() <= known[text].items() for rung in rungs]
        assert [not rung["adds"] for rung in rungs] == says, (text, rungs)
        wrong.append(says.count(False) / len(says))
        (item,) = {hit.id for hit in climbs[0].hits if hit.caption == text}
        climb = demo.first.ladder(search.Item(item), space=demo.lenses[0].spec)
        asked = writer.answer(search.Item(item), climb), writer.answer(text, climbs[0])
        assert len({str([rung["adds"] for rung in each["rungs"]]) for each in asked}) == 1
    assert 0 < wrong[0] == min(wrong)


def test_what_chains_say_of_a_caption_is_said_of_all_that_stand_below_it() -> None:
    chains = ("a shape", "a ring", "the red ring"), ("a red ring", "a big red ring.", "y"), ("x", "a ring", "z")
    rows = tuple(Row(at, chain) for at, chain in enumerate(chains))
    tiers = Tiers(Hierarchy("made", "test", rows))
    assert tiers.said("a ring") == {"ring", "shape", "x"}
    assert tiers.said(" the red ring ") == {"red", "ring", "shape", "x"}
    assert tiers.said("a big red ring.") == {"big", "red", "ring"}
    assert tiers.said("an unknown ring") is None


def test_of_captions_that_spaces_order_the_one_whose_ladder_is_right_comes_first(tmp_path: Path) -> None:
    """Dogs stand in a row from the root on, and are mixed up in the other space; cats stand the wrong way round."""
    dog, cat, other = torch.eye(3)
    names = ["dog", "a red dog", "a big red dog", "cat", "a small cat", "a small grey cat"]
    one = torch.stack([0.2 * dog, 0.5 * dog, dog, cat, 0.5 * cat, 0.2 * cat])
    two = torch.stack([0.2 * dog, 0.5 * other, dog, cat, 0.5 * cat, 0.2 * cat])
    for name, rows in (("one", one), ("two", two)):
        search.build(tmp_path / name, None, names, embeddings=rows, space="euclidean", dtype="float32")
    collection = explorer.open_collection([tmp_path / "one", tmp_path / "two"])
    assert examples.proposed(collection, dict(enumerate(names)))[0] == 2
    assert examples.proposed(collection, {}) == []


def check_opening(seen: list[list[search.Hit]], text: str, rows: int) -> None:
    """Some ladder has several rungs, each of them true of the text, and one that entails it; and ladders differ."""
    known = told(rows)
    right = [
        [hit.caption in known and known[hit.caption].items() <= known[text].items() for hit in row] for row in seen
    ]
    entail = [any(hit.margin >= 0 for hit in row) for row in seen]
    assert any(len(row) > 1 and all(row) and some for row, some in zip(right, entail, strict=True)), seen
    assert len({tuple(hit.id for hit in row) for row in seen}) > 1


def test_real_captions_have_an_example_whose_rungs_are_mostly_words_of_it() -> None:
    path = datasets.data_home() / "embeddings" / "hierarcaps_minilm_lit.npz"
    if not path.exists():
        pytest.skip("needs the embeddings of HierarCaps in the data home")
    collection = explorer.open_collection([path], ["euclidean", "lorentz:-1"])
    known = facts.counted(collection.first.store.pinned()).readable
    best, *_ = examples.proposed(collection, known)
    shares = [share_of_words(known[item], ladder_of(collection, item)) for item in (best, min(known))]
    assert shares[0] > max(0.5, shares[1])


def share_of_words(text: str, row: list[search.Hit]) -> float:
    """The share of rungs whose words are all among those of a text."""
    words = set(text.lower().rstrip(".").split())
    right = [set((hit.caption or "?").lower().rstrip(".").split()) <= words for hit in row]
    return sum(right) / len(right)


def ladder_of(collection: explorer.Collection, item: int) -> list[search.Hit]:
    climb = collection.first.ladder(search.Item(item), space="euclidean")
    hits = [hit for hit, _ in groupby(rung.hit for rung in climb.rungs) if hit is not None]
    return [hit for hit in hits if hit.id != item]


def test_the_reach_is_the_conformal_quantile_of_distances_to_the_nearest_other_item(tmp_path: Path) -> None:
    collection = collected(tmp_path / "index")
    points = tangent_vectors(collection.first)
    for lens, curvature in zip(collection.lenses, (0.0, -1.0, 0.1), strict=True):
        distance = Law(points, curvature).pairs(points, points)["distance"]
        np.fill_diagonal(distance, np.inf)
        nearest = np.sort(distance.min(axis=1))
        reach = examples.reach(lens, np.arange(80))
        assert reach == pytest.approx(nearest[76], rel=1e-5)  # the 77th of 80: 77 / 81 is the first share >= 95 %
        assert examples.reach(lens, np.arange(18)) is None, "18 distances never make 95 %"
        assert examples.reach(lens, np.arange(19)) == pytest.approx(distance.min(axis=1)[:19].max(), rel=1e-5)


def test_copies_are_as_near_as_can_be(tmp_path: Path) -> None:
    rows = torch.ones(30, 4)
    index = search.build(tmp_path / "index", None, ["same"] * 30, embeddings=rows, space="euclidean")
    lens = explorer.Lens("0", "same", "index", index, index.space)
    assert examples.reach(lens, np.arange(30)) == 0
    assert examples.proposed(explorer.Collection("same", (lens,)), dict.fromkeys(range(30), "same"))


@pytest.mark.slow  # it builds the demonstration
def test_nonsense_is_out_of_reach_and_examples_are_within(demo) -> None:
    known = facts.collection_facts(demo, embeds={"0": TEXTS})
    for lens, seen in zip(demo.lenses, known["lenses"], strict=True):
        far, *near = lens.index.neighbours(["qwertyuiop zzzz", *known["examples"]], 1, space=lens.spec)
        assert far.hits[0].distance > seen["reach"]["caption"]
        assert all(each.hits[0].distance <= seen["reach"]["caption"] for each in near)
