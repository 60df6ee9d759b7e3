"""What the explorer opens on, against the facts behind the captions."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.scenes import scene_and_facts, world
from hiergeo.report import explorer
from hiergeo.report.explorer import Tiers, facts
from hiergeo.report.explorer.answers import AnswerWriter
from hiergeo.report.explorer.thumbnails import number_of_image
from hiergeo.search.serving.limits import Limits


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> explorer.Collection:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIERGEO_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return explorer.open_demo(device="cpu")


def claims(rows: int) -> dict[str, dict[str, str]]:
    """What the captions of generated scenes claim of them, slot by slot, with what follows from kinds and places."""
    return {
        world.phrase(claim): claim
        | {slot.replace("kind", "family"): world.FAMILY_OF[kind] for slot, kind in claim.items() if "kind" in slot}
        | ({"count": "two" if claim["place"] in world.OPPOSITE else "one"} if "place" in claim else {})
        for row in range(rows)
        for claim in scene_and_facts("test", 0, row)[1]
    }


def entails(specific: dict[str, str], general: dict[str, str]) -> bool:
    """Whether all that one claim says follows from another, which may name the two things in the other order."""
    swap = str.maketrans("01", "10")
    mirrored = {slot.translate(swap): world.OPPOSITE.get(value, value) for slot, value in specific.items()}
    return any(general.items() <= claim.items() for claim in (specific, mirrored))


@pytest.mark.slow  # it builds the demonstration
def test_the_demonstration_opens_on_ladders_whose_steps_are_true(demo) -> None:
    """The claims behind the captions are the oracle; the choice knows their words and chains alone."""
    known = claims(240)
    for example in facts.collection_facts(demo, Limits())["examples"][:3]:
        labels = demo.first.store.labels(torch.tensor([int(example["item"])]))
        caption = labels.captions[0] or demo.hierarchy.rows[number_of_image(labels.images[0])].positive[-1]
        seen = [lens.index.ladder(search.Item(int(example["item"])), space=lens.spec).hits for lens in demo.lenses]
        captions = [[hit.caption for hit in row if hit.caption not in (None, caption)] for row in seen]
        assert min(map(len, captions)) > 0
        for general in chain.from_iterable(captions):
            assert entails(known[caption], known[general]), captions
        assert len({tuple(hit.id for hit in row) for row in seen}) > 1


@pytest.mark.slow  # it builds the demonstration
def test_steps_are_marked_with_what_they_add_however_a_caption_is_asked(demo) -> None:
    chains, writer = [row.positive for row in demo.hierarchy.rows], AnswerWriter(demo)

    def above(caption: str) -> set[str]:
        direct = {text for row in chains if caption in row for text in row[: row.index(caption)]}
        return direct.union(*map(above, direct))

    wrong = []
    for text in [*dict.fromkeys(chain.from_iterable(chains))][::50]:
        said = set(" ".join({text} | above(text)).split()) - {"a", "an", "and", "the"}
        for lens in demo.lenses:
            request = search.Request("ladder", text, space=lens.spec)
            (climb,) = lens.index.search([request])
            rungs = writer.answer(lens, request, climb)["rungs"]
            for rung in rungs:
                words = (rung["hit"]["caption"] or "").split()
                assert rung["adds"] == [
                    word for word in dict.fromkeys(words) if word not in said and word not in {"a", "an", "and", "the"}
                ]
                wrong.append(bool(rung["adds"]))
            (item,) = {hit.id for hit in climb.hits if hit.caption == text}
            request = search.Request("ladder", search.Item(item), space=lens.spec)
            again = writer.answer(lens, request, *lens.index.search([request]))["rungs"]
            assert [rung["adds"] for rung in again] == [rung["adds"] for rung in rungs]
    assert 0 < sum(wrong) < len(wrong)


def test_what_chains_say_of_a_caption_is_said_of_all_that_stand_below_it() -> None:
    chains = ("a shape", "a ring", "the red ring"), ("a red ring", "a big red ring.", "y"), ("x", "a ring", "z")
    rows = tuple(Row(at, chain) for at, chain in enumerate(chains))
    tiers = Tiers(Hierarchy("made", "test", rows))
    assert tiers.said("a ring") == {"ring", "shape", "x"}
    assert tiers.said(" the red ring ") == {"red", "ring", "shape", "x"}
    assert tiers.said("a big red ring.") == {"big", "red", "ring"}
    assert tiers.said("an unknown ring") is None


def test_what_chains_say_of_an_image_is_said_by_all_captions_of_it() -> None:
    rows = Row(0, ("a shape", "a ring"), image_id=7), Row(1, ("it", "a red thing"), image_id=7), Row(2, ("x", "y"))
    tiers = Tiers(Hierarchy("made", "test", rows))
    for reference in ("image-id:7", "photos/scene-007.png"):
        assert tiers.said(None, reference) == {"ring", "shape", "it", "red", "thing"}
    for unknown in ("image-id:8", "y.png", None):
        assert tiers.said(None, unknown) is None


def test_of_known_chains_no_item_with_a_wrong_step_is_proposed(tmp_path: Path) -> None:
    """Dogs stand in a row from the root on; a cat stands among those that lead to the grey dog."""
    dog, cat = torch.eye(2)
    names = ["dog", "a red dog", "a big red dog", "cat", "a grey dog", "a small grey dog"]
    away = torch.nn.functional.normalize(dog + 3 * cat, dim=0)
    rows = torch.stack([0.2 * dog, 0.5 * dog, dog, 0.5 * cat, 0.8 * away, 1.1 * away])
    search.build(tmp_path / "index", None, names, embeddings=rows, space="euclidean", dtype="float32")
    chains = ("dog", "a red dog", "a big red dog"), ("dog", "a grey dog", "a small grey dog")
    known = Hierarchy("made", "test", tuple(Row(at, chain) for at, chain in enumerate(chains)))
    collection = explorer.open_collection([tmp_path / "index"])
    assert set(proposed(collection, names)) >= {2, 5}
    found = proposed(replace(collection, tiers=Tiers(known)), names)
    assert found[0] == 2
    assert 5 not in found
    assert 3 not in found, "nothing is known of it"


def proposed(collection: explorer.Collection, names: list[str]) -> list[int]:
    none = np.empty(0, np.int64)
    return facts.proposed(collection, dict(enumerate(names)), none, none)


def test_nothing_is_proposed_where_there_is_no_ladder(tmp_path: Path) -> None:
    index = search.build(tmp_path / "index", None, ["same"] * 30, embeddings=torch.ones(30, 4), space="euclidean")
    lens = explorer.Lens("0", "same", "index", index, index.space)
    assert proposed(explorer.Collection("same", (lens,)), ["same"] * 30) == []
