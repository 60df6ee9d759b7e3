"""Nothing that the API says is false: on the demonstration, on HierarCaps by MiniLM and on Flickr8k by CLIP."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("starlette")

from hiergeo import datasets
from hiergeo.report import explorer
from hiergeo.search import Item
from tests.report.explorer.explorer_served import browser

pytestmark = pytest.mark.slow  # it builds the demonstration

SAME = 1e-5
HIERARCAPS, FLICKR8K = Path("embeddings/hierarcaps_minilm_lit.npz"), Path("clip_flickr8k/flickr8k100_clip_vitb32.npz")
ASKED = 24
"""Items of a collection that are asked for."""


@dataclass
class Told:
    """A collection, a client of its server, and what that says of it."""

    collection: explorer.Collection
    http: Any
    facts: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        """Of all lenses."""
        return [lens.key for lens in self.collection.lenses]

    @property
    def climbing(self) -> list[str]:
        """Keys of the lenses that have ladders."""
        return [lens["key"] for lens in self.facts["lenses"] if lens["climbs"]]

    def items(self) -> list[int]:
        """Some ids, spread evenly over all."""
        ids = np.sort(np.concatenate([part for part, _ in self.collection.first.store.named()]))
        return ids[np.linspace(0, len(ids) - 1, ASKED).astype(int)].tolist()

    def ask(self, verb: str, lens: str, query: Any, **settings: Any) -> dict[str, Any]:
        """The answer to one query."""
        body = {"kind": verb, "lens": lens, "query": query, **settings}
        response = self.http.post("/api/search", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def ladders(self, query: Any) -> list[dict[str, Any]]:
        """The ladders of one query through all lenses."""
        return [self.ask("ladder", lens, query) for lens in self.keys]


@pytest.fixture(scope="module", params=["demo", "hierarcaps", "flickr8k"])
def told(request, tmp_path_factory) -> Iterator[Told]:
    home, name = datasets.data_home(), request.param
    file = {"hierarcaps": HIERARCAPS, "flickr8k": FLICKR8K}.get(name)
    if file is not None and not (home / file).exists():
        pytest.skip(f"needs {file} in the data home")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="this space has no root")
        patch.setenv("HIERGEO_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        if file is None:
            collection = explorer.open_demo(device="cpu")
        else:
            data = "hierarcaps" if name == "hierarcaps" else None
            images = home / "hierarcaps" / "images" if data else None
            collection = explorer.open_collection([home / file], ["euclidean", "lorentz:-1"], images=images, data=data)
        with browser(collection) as http:
            yield Told(collection, http, http.get("/api/collection").json())


def test_the_query_on_its_own_ladder_has_no_angle_and_no_verdict(told) -> None:
    for lens in told.climbing:
        for item in told.items():
            hits = [rung["hit"] for rung in told.ask("ladder", lens, {"item": str(item)})["rungs"]]
            assert hits[-1]["distance"] < SAME
            assert [hit["is_query"] for hit in hits] == [hit["distance"] < SAME for hit in hits]
            assert [hits[-1][name] for name in ("margin", "angle", "entails", "rank")] == [None] * 4
            assert all(hit["angle"] is not None and hit["rank"] is not None for hit in hits if not hit["is_query"])


def test_a_stored_caption_asked_as_a_text_is_the_query_itself(told) -> None:
    if not told.facts["lenses"][0]["embeds"]["text"]:
        assert told.http.get("/api/ladder?q=a+dog").status_code == 400
        return
    captions = told.collection.first.store.labels(torch.tensor(told.items())).captions
    for lens in told.keys:
        for caption in filter(None, captions):
            last = told.ask("ladder", lens, {"text": caption})["rungs"][-1]["hit"]
            assert (last["caption"], last["is_query"], last["angle"]) == (caption, True, None)


def test_where_nearly_all_cones_are_empty_there_is_a_rank_and_no_verdict(told) -> None:
    for lens, facts in zip(told.collection.lenses, told.facts["lenses"], strict=True):
        counts = lens.index.count([Item(item) for item in told.items()], space=lens.spec)
        assert facts["cones"]["empty"] > 0.9, "as in every real model that was looked at"
        assert np.mean(np.array(counts) == 1) > 0.7
        assert (facts["cones"]["decide"], facts["cones"]["pairs"] > 10_000) == (False, True)
        for item in told.items()[:6]:
            for verb in ("parents", "children", "neighbours"):
                hits = told.ask(verb, lens.key, {"item": str(item)}, k=40)["hits"]
                assert all(hit["entails"] is None for hit in hits)
                ranks = [(hit["margin"], hit["rank"]) for hit in hits if not hit["is_query"]]
                assert all(0 <= rank <= 1 for _, rank in ranks)
                assert [rank for _, rank in sorted(ranks)] == sorted(rank for _, rank in ranks)


def test_no_ladder_where_radii_do_not_spread(told) -> None:
    titles = [lens["title"] for lens in told.facts["lenses"] if not lens["climbs"]]
    assert len(told.facts["notices"]) == bool(titles)
    assert all(title in told.facts["notices"][0] for title in titles)
    for lens in told.facts["lenses"]:
        assert lens["climbs"] == (lens["high"] - lens["low"] > 1e-3)
        for verb, name in (("ladder", "rungs"), ("parents", "hits"), ("children", "hits"), ("neighbours", "hits")):
            shown = told.ask(verb, lens["key"], {"item": str(told.items()[ASKED // 2])})[name]
            assert bool(shown) == (lens["climbs"] or verb == "neighbours")


def test_the_page_opens_on_a_picture_with_the_fewest_wrong_steps(told) -> None:
    first = told.facts["examples"][0]
    query = {"item": first["item"]} if isinstance(first, dict) else {"text": first}
    assert told.ladders(query)[0]["rungs"] or not told.climbing
    if told.facts["title"] != "generated scenes":
        return

    def wrong(item: int) -> int:
        return sum(rung["holds"] is False for ladder in told.ladders({"item": str(item)}) for rung in ladder["rungs"])

    pictures = [item for group in told.collection.examples.values() for item in group]
    assert wrong(int(first["item"])) == min(map(wrong, pictures))
    assert told.http.get(f"/api/thumbnail/{first['item']}").status_code == 200
    assert {*told.collection.examples} < {example["about"] for example in told.facts["examples"]}
