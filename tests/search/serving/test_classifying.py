"""A classifier over HTTP: what it answers is what it gives in Python, whatever is asked beside it."""

import base64
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import urllib3

from hiergeo import Classifier, adapters
from hiergeo.datasets import scenes
from hiergeo.search import serving
from tests.search.serving.serving_common import process

pytest.importorskip("starlette")

TREE = {"bird": ["swan", "parrot"], "vehicle": ["taxi", "bus", "tram"]}
TEXTS = [f"a {colour} {kind}" for colour in ("red", "blue", "green") for kinds in TREE.values() for kind in kinds]
LABELS = [text.split()[-1] for text in TEXTS]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(TREE, adapters.load("tiny"), alpha=0.3).fit(TEXTS, LABELS)


def client(classifier: Classifier, **settings: Any) -> Any:
    from starlette.testclient import TestClient

    app = serving.create_classifier_app(classifier, serving.Settings(**settings))
    return TestClient(app, raise_server_exceptions=False)


def image_file() -> bytes:
    import io

    content = io.BytesIO()
    scenes.load("test", count=1).images[0].open().save(content, "PNG")
    return content.getvalue()


def test_answers_are_those_of_python(classifier: Classifier) -> None:
    done = classifier.classify(TEXTS)
    with client(classifier) as http:
        answers = http.post("/api/classify", json={"queries": TEXTS}).json()["answers"]
        assert [answer["label"] for answer in answers] == classifier.predict(TEXTS).tolist()
        assert [answer["level"] for answer in answers] == done.level.tolist()
        for answer, path, sure in zip(answers, done.paths, done.confidence.tolist(), strict=True):
            assert [rung["label"] for rung in answer["path"]] == list(path)
            assert [rung["confidence"] for rung in answer["path"]] == pytest.approx(sure[: len(path)], abs=1e-4)
        assert http.get("/api/classify", params={"q": TEXTS[0]}).json()["label"] == answers[0]["label"]
        row = classifier.model_.encode_text([TEXTS[1]])[0]
        picture = base64.b64encode(image_file()).decode()
        mixed = [{"embedding": row.tolist()}, {"image": picture}, {"text": TEXTS[2]}]
        found = http.post("/api/classify", json={"queries": mixed}).json()["answers"]
        assert [found[0]["label"], found[2]["label"]] == [answers[1]["label"], answers[2]["label"]]
        shown = classifier.predict([scenes.load("test", count=1).images[0]])
        assert found[1]["label"] == shown[0]
        facts = http.get("/api/health").json()
        assert (facts["labels"], facts["alpha"], facts["model"]) == (len(classifier.tree_), 0.3, "tiny")
        assert "At most 30 %" in facts["promise"]
        assert "/api/classify" in http.get("/api/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"queries": []}, 422, "queries"),
        ({"queries": [{"embedding": [1.0, 2.0]}]}, 400, "queries[0].embedding"),
        ({"queries": ["x" * 5000]}, 422, "queries[0].text"),
        ({"queries": [{"image": "AAAA"}]}, 400, "queries[0].image"),
        ({"queries": ["a dog"], "k": 3}, 400, "k"),
        ({}, 400, "queries"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_field(classifier: Classifier, body: Any, status: int, field: str) -> None:
    with client(classifier) as http:
        response = http.post("/api/classify", json=body)
        assert (response.status_code, response.json()["field"]) == (status, field), response.text


def test_a_question_that_fails_keeps_no_other_from_its_answer(classifier: Classifier) -> None:
    service = serving.create_classifier_app(classifier).state.service
    outcomes = service.answer([["a swan"], [torch.full((classifier.model_.dim,), torch.nan)], ["a bus", "a taxi"]])
    assert isinstance(outcomes[1], Exception)
    assert [answer["label"] for answer in (*outcomes[0], *outcomes[2])] == classifier.predict(
        ["a swan", "a bus", "a taxi"]
    ).tolist()


def test_servers_of_embeddings_and_with_tokens_refuse(classifier: Classifier) -> None:
    with client(classifier, embeds=False) as http:
        assert http.post("/api/classify", json={"queries": ["a dog"]}).status_code == 400
        row = classifier.model_.encode_text(["a swan"])[0].tolist()
        assert http.post("/api/classify", json={"queries": [row]}).status_code == 200
    with client(classifier, token="secret") as http:
        assert http.post("/api/classify", json={"queries": ["a dog"]}).status_code == 401
        assert "model" not in http.get("/api/health").json()


def test_the_command_serves_a_saved_one_to_many(classifier: Classifier, tmp_path: Path) -> None:
    kept, answers = classifier.save(tmp_path / "kept"), list[Any]()
    wanted = classifier.predict(TEXTS).tolist()
    with process("serve", kept) as (_, url):

        def ask() -> None:
            for at in range(20):
                body = {"queries": TEXTS[at % 7 :]}
                found = urllib3.request("POST", f"{url}/api/classify", json=body).json()["answers"]
                answers.append([answer["label"] for answer in found] == wanted[at % 7 :])

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 160
    assert all(answers)
