"""What the explorer opens on, and which steps it says are true, against the truth of scenes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo.datasets import Hierarchy, Row, scenes
from hiergeo.report import explorer
from hiergeo.report.explorer import Tiers, facts
from hiergeo.report.explorer.answers import AnswerWriter
from tests.report.explorer.explorer_common import small_collection


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> explorer.Collection:
    return small_collection(tmp_path_factory.mktemp("small") / "items")


def rungs(collection: explorer.Collection, lens: explorer.Lens, query: str | search.Item) -> list[dict]:
    request = search.Request("ladder", query, space=lens.spec)
    return AnswerWriter(collection).answer(lens, request, *lens.index.search([request]))["rungs"]


def test_steps_are_marked_by_the_truth_however_a_caption_is_asked(small) -> None:
    captions = small.first.store.labels(torch.arange(len(small.first))).captions
    told = []
    for item, caption in enumerate(captions):
        for lens in small.lenses:
            found = rungs(small, lens, search.Item(item))
            for rung in found:
                step, image = rung["hit"]["caption"], small.hierarchy.images[max(0, item - captions.index(None))]
                truth = None
                if step is not None and not rung["hit"]["is_query"]:
                    truth = scenes.is_true(step, image) if caption is None else scenes.entails(caption, step)
                assert rung["holds"] is truth, (caption or image, step)
                told.append(truth)
            if caption is not None:
                again = rungs(small, lens, caption)
                assert [rung["holds"] for rung in again] == [rung["holds"] for rung in found]
    assert {True, False} <= set(told)
    assert {rung["holds"] for rung in rungs(small, small.lenses[0], "a dog and a word of no scene")} == {None}


def planted(folder: Path, captions: list[str], away: list[float]) -> explorer.Collection:
    """Captions on a ray from the root."""
    rows = torch.tensor(away)[:, None] * torch.tensor([[1.0, 0.0]])
    search.build(folder / "index", None, captions, embeddings=rows, space="euclidean", dtype="float32")
    return explorer.open_collection([folder / "index"])


def test_neighbouring_steps_that_say_the_same_are_one(tmp_path: Path) -> None:
    same = ["an owl above a taxi", "a taxi below an owl"]
    captions = ["an animal", *same, "An animal!", "an owl above a taxi on a pink background"]
    collection = planted(tmp_path, captions, [0.2, 0.5, 0.6, 0.8, 1.0])
    item = search.Item(4)
    assert [rung["hit"]["caption"] for rung in rungs(collection, collection.lenses[0], item)] == captions
    known = replace(collection, tiers=Tiers(scenes.load(count=1)))
    found = rungs(known, collection.lenses[0], item)
    assert [rung["hit"]["caption"] for rung in found] == [captions[0], *captions[2:]]
    assert [rung["holds"] for rung in found] == [True, True, None, None]
    by_words = Tiers(Hierarchy("made", "test", (Row(0, ("x", "y")),)))
    assert by_words.same("An animal!", "the animal")
    assert not by_words.same(*same)


def test_what_chains_say_of_a_caption_is_said_of_all_that_stand_below_it() -> None:
    chains = ("a shape", "a ring", "the red ring"), ("a red ring", "a big red ring.", "y"), ("x", "a ring", "z")
    rows = tuple(Row(at, chain) for at, chain in enumerate(chains))
    tiers = Tiers(Hierarchy("made", "test", rows))
    assert tiers.said("a ring") == {"ring", "shape", "x"}
    assert tiers.said(" the red ring ") == {"red", "ring", "shape", "x"}
    assert tiers.said("a big red ring.") == {"big", "red", "ring"}
    assert [tiers.holds(step, "the red ring") for step in ("a shape", "a red x", "big", None)] == [
        True,
        True,
        False,
        None,
    ]
    assert tiers.said("an unknown ring") is None
    assert tiers.holds("a ring", "an unknown ring") is None


def test_what_chains_say_of_an_image_is_said_by_all_captions_of_it() -> None:
    rows = Row(0, ("a shape", "a ring"), image_id=7), Row(1, ("it", "a red thing"), image_id=7), Row(2, ("x", "y"))
    tiers = Tiers(Hierarchy("made", "test", rows))
    for reference in ("image-id:7", "photos/scene-007.png"):
        assert tiers.said(None, reference) == {"ring", "shape", "it", "red", "thing"}
    for unknown in ("image-id:8", "y.png", None):
        assert tiers.said(None, unknown) is None


def test_the_page_opens_on_true_steps_and_proposes_one_that_is_not(tmp_path: Path, monkeypatch) -> None:
    """Dogs stand in a row from the root on; a cat stands among those that lead to the grey dog."""
    dog, cat = torch.eye(2)
    names = ["dog", "a red dog", "a big red dog", "cat", "a grey dog", "a small grey dog"]
    away = torch.nn.functional.normalize(dog + 3 * cat, dim=0)
    rows = torch.stack([0.2 * dog, 0.5 * dog, dog, 0.5 * cat, 0.8 * away, 1.1 * away])
    search.build(tmp_path / "index", None, names, embeddings=rows, space="euclidean", dtype="float32")
    chains = ("dog", "a red dog", "a big red dog"), ("dog", "a grey dog", "a small grey dog")
    hierarchy = Hierarchy("made", "test", tuple(Row(at, chain) for at, chain in enumerate(chains)))
    monkeypatch.setattr(facts, "EXAMPLES", 2)
    collection = explorer.open_collection([tmp_path / "index"])
    assert {item for item, _ in proposed(collection, names)} == {2, 5}, "of the most steps that add no word"
    known = replace(collection, tiers=Tiers(hierarchy))
    found = proposed(known, names)
    assert [item for item, _ in found[:2]] == [2, 1]
    assert (found[2][0] in (4, 5), found[2][1]) == (True, facts.WRONG)
    grouped = replace(known, examples={"grey": [4, 5], "red": [0, 1, 2]})
    assert proposed(grouped, names)[:2] == [(5, "grey"), (2, "red")]
    assert {about for _, about in proposed(grouped, names)} == {"red", "grey", facts.WRONG}


def proposed(collection: explorer.Collection, names: list[str]) -> list[tuple[int, str]]:
    none = np.empty(0, np.int64)
    return facts.proposed(collection, dict(enumerate(names)), none, none)


def test_something_is_proposed_even_where_there_is_no_ladder(tmp_path: Path) -> None:
    index = search.build(tmp_path / "index", None, ["same"] * 30, embeddings=torch.ones(30, 4), space="euclidean")
    lens = explorer.Lens("0", "same", "index", index, index.space)
    assert proposed(explorer.Collection("same", (lens,)), ["same"] * 30)
