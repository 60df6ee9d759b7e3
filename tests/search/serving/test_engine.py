"""What answers in a server: embeddings of texts that are kept, and an index that cannot be read for a while."""

from types import SimpleNamespace

import pytest
import torch

from tests.search.search_common import HashModel
from tests.search.serving.serving_common import build_vectors, served

pytest.importorskip("prometheus_client")

from hiergeo import search
from hiergeo._core.errors import UnavailableError
from hiergeo.search.groups import query_rows
from hiergeo.search.requests import Request
from hiergeo.search.serving import Client, engine
from hiergeo.search.serving.engine import IndexService
from hiergeo.search.serving.limits import Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.service import SLICE


def test_of_the_texts_that_are_known_the_one_that_was_asked_for_longest_ago_is_forgotten(tmp_path, monkeypatch) -> None:
    model = HashModel()
    monkeypatch.setattr(engine, "CACHED", 2)
    service = IndexService(search.build(tmp_path / "i", model, ["a", "b"]), Settings(), Metrics())
    counts = []
    for text in "xyxzxy":
        before = model.embedded
        service.answer([[Request("count", text)]])
        counts.append(model.embedded - before)
    assert counts == [1, 1, 0, 1, 1, 1]


def test_captions_are_embedded_in_slices_each_at_its_place(tmp_path) -> None:
    model = HashModel()
    index = search.build(tmp_path / "i", model, ["a"])
    captions = [f"caption {i}" for i in range(2 * SLICE + 5)]
    with served(index, Settings(writable=True)) as running, Client(running.url) as client:
        client.add(captions)
    wanted = search.open(tmp_path / "i", model=model).store
    assert wanted.labels(torch.arange(1, len(captions) + 1)).captions == captions
    rows = wanted.fetch(torch.arange(1, len(captions) + 1))
    assert torch.equal(rows.direction, query_rows(captions, model.encode_text(captions), index.space, wanted).direction)


def test_changes_that_cannot_be_read_are_looked_at_again_after_a_while(tmp_path, monkeypatch) -> None:
    index = build_vectors(tmp_path / "i")
    service, now, tried = IndexService(index, Settings(), Metrics()), [100.0], []
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now[0]))
    search.open(tmp_path / "i").add(embeddings=torch.ones(1, 6))

    def refuse() -> None:
        tried.append(now[0])
        raise UnavailableError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(index.store, "refresh", refuse)
        for later in (0.0, 0.5, 0.99):
            now[0] = 100.0 + later * engine.AGAIN
            service.refresh()
    assert tried == [100.0]
    now[0] = 100.0 + engine.AGAIN
    service.refresh()
    assert len(index) == 61
