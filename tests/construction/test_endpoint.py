"""Language models behind endpoints: what is asked, what is tried again, and what an endpoint that misbehaves may do."""

import io
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends.endpoint import MODES
from hiergeo.construction.backends.language_model import LanguageModelBackend, openai_backend
from hiergeo.construction.backends.prompts import generalising
from tests.construction.contracts_common import check_backend
from tests.construction.scripted_endpoint import MODEL, Endpoint, answer, item, scripted
from tests.search.serving.port_common import reserved_port

pytest.importorskip("openai")

CAPTIONS = ["a brown dog runs on the grass", "a cat is in a box of wood", "three men ride small boats at sea"]
CHAIN = ("a", "a brown", "a brown dog", CAPTIONS[0])
QUICK: dict[str, Any] = {"timeout": 5.0, "attempts": 3}
SECRET = "sk-very-secret-0123456789"


made: list[LanguageModelBackend] = []


def language_model(model: str = MODEL, **options: Any) -> LanguageModelBackend:
    """A backend that is closed after the test."""
    made.append(openai_backend(model, **options))
    return made[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while made:
        made.pop().close()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    with scripted() as running:
        yield running


def texts(caption: str) -> tuple[str, ...]:
    words = caption.split()
    return tuple(" ".join(words[:count]) for count in (1, 2, 3))


def test_the_two_questions(endpoint: Endpoint) -> None:
    backend = language_model(base_url=endpoint.url)
    assert [each.candidates for each in backend.generalise(CAPTIONS, 4)] == [(texts(each),) for each in CAPTIONS]
    (contradicted,) = backend.contradict([CHAIN])
    assert contradicted.candidates == (("no a", "no a brown", "no a brown dog", f"no {CAPTIONS[0]}"),)
    used = backend.usage()
    assert (used["requests"], used["prompt_tokens"], used["completion_tokens"]) == (4, 400, 40)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("malformed", "malformed answer"),
        ("twice", "malformed answer"),
        ("surrogate", "malformed answer"),
        ("separator", "malformed answer"),
        ("truncated", "truncated answer"),
        ("refused", "refused by the model"),
        ("other caption", "answer about another caption"),
        ("stale", "answer about another caption"),
        ("missing", "wrong number of texts"),
        ("more", "wrong number of texts"),
        ("empty", "empty text"),
        ("long", "text too long"),
        ("repeated", "repeated text"),
        ("echo", "prompt repeated"),
    ],
)
def test_answers_that_cannot_be_used(endpoint: Endpoint, act: str, reason: str) -> None:
    """They are asked for again with other seeds; an item without a usable one has no texts, the others have theirs."""
    endpoint.rule = lambda body, asked: act if item(body)["caption"] == CAPTIONS[1] and body["seed"] == 0 else ""
    backend = language_model(base_url=endpoint.url, concurrency=1)
    proposals = backend.generalise(CAPTIONS, 4)
    assert [each.candidates for each in proposals] == [(texts(each),) for each in CAPTIONS]
    assert sum(endpoint.asked.values()) == len(CAPTIONS) + 1
    endpoint.rule = lambda body, asked: act if item(body)["caption"] in CAPTIONS[1:] else ""
    backend = language_model(base_url=endpoint.url, concurrency=1, retries=1)
    kept, lost, _ = backend.generalise(CAPTIONS, 4)
    assert kept.candidates == (texts(CAPTIONS[0]),)
    assert (lost.candidates, lost.reason) == ((), reason)
    assert backend.usage()["requests"] == 5


@pytest.mark.parametrize("act", ["busy", "error", "reset", "cut", "huge", "gzip", "page", "schema", "slow"])
def test_requests_are_tried_again(endpoint: Endpoint, act: str) -> None:
    endpoint.rule = lambda body, asked: act if asked == 0 else ""
    backend = language_model(base_url=endpoint.url, timeout=2.0 if act == "slow" else 60.0)
    assert [each.candidates for each in backend.generalise(CAPTIONS, 4)] == [(texts(each),) for each in CAPTIONS]
    assert set(endpoint.asked.values()) == {2}
    assert backend.usage()["requests"] == 3


@pytest.mark.parametrize(
    ("act", "named"),
    [
        ("busy", "429"),
        ("later", "429"),
        ("error", "worker died"),
        ("reset", "reset"),
        ("page", "OpenAI-compatible"),
        ("schema", "OpenAI-compatible"),
        ("huge", "OpenAI-compatible"),
        ("unauthorised", "401"),
        ("unknown", "404"),
        ("rejected", "unsupported"),
    ],
)
def test_an_endpoint_that_fails_stops_the_work_and_nothing_is_lost(endpoint: Endpoint, act: str, named: str) -> None:
    """What was answered before is kept, and what was not is asked for when the work goes on."""
    answers = AnswerStore()
    endpoint.rule = lambda body, asked: act
    with pytest.raises(UnavailableError, match=named):
        language_model(answers=answers, base_url=endpoint.url, **QUICK).generalise(CAPTIONS, 4)
    if act != "rejected":  # then an endpoint that has answered nothing is in question, and not the item
        endpoint.rule = lambda body, asked: act if item(body)["caption"] == CAPTIONS[2] else ""
        with pytest.raises(UnavailableError, match=named):
            language_model(answers=answers, base_url=endpoint.url, **QUICK).generalise(CAPTIONS, 4)
    endpoint.rule = lambda body, asked: ""
    endpoint.answered.clear()
    backend = language_model(answers=answers, base_url=endpoint.url)
    assert [each.candidates for each in backend.generalise(CAPTIONS, 4)] == [(texts(each),) for each in CAPTIONS]
    assert sum(endpoint.answered.values()) == (3 if act == "rejected" else 1)


@pytest.mark.parametrize("rejected", [CAPTIONS[1:2], CAPTIONS[:2], CAPTIONS])
def test_rejected_items_do_not_stop_the_others(endpoint: Endpoint, rejected: list[str]) -> None:
    endpoint.rule = lambda body, asked: "rejected" if item(body)["caption"] in rejected else ""
    answers = AnswerStore()
    for _ in range(2):
        proposals = language_model(answers=answers, base_url=endpoint.url, retries=0).generalise(CAPTIONS, 4)
        assert [len(each.candidates) for each in proposals] == [each not in rejected for each in CAPTIONS]
        assert {each.reason for each in proposals if not each.candidates} == {"refused by the model"}
    asked = len(MODES) * len(rejected) + len(CAPTIONS) - len(rejected)
    assert sum(endpoint.asked.values()) == asked + (CAPTIONS[0] in rejected)


def test_what_is_kept_is_not_asked_again(endpoint: Endpoint) -> None:
    answers = AnswerStore()
    first = language_model(answers=answers, base_url=endpoint.url)
    again = language_model(answers=answers, base_url=endpoint.url)
    told = first.generalise(CAPTIONS + CAPTIONS[:1], 4)
    assert again.generalise(CAPTIONS + CAPTIONS[:1], 4) == told
    assert sum(endpoint.asked.values()) == len(CAPTIONS)
    assert again.usage() == first.usage()
    for changed in ({"temperature": 0.5}, {"seed": 1}, {"max_tokens": 200}, {"extra": '{"top_k": 5}'}):
        language_model(answers=answers, base_url=endpoint.url, **changed).generalise(CAPTIONS[:1], 4)
    assert sum(endpoint.asked.values()) == len(CAPTIONS) + 4


def test_several_candidates(endpoint: Endpoint) -> None:
    endpoint.rule = lambda body, asked: "refused" if body["seed"] == 1 else ""
    backend = language_model(base_url=endpoint.url, candidates=3, temperature=0)
    (proposal,) = backend.generalise(CAPTIONS[:1], 4)
    assert proposal.candidates == (texts(CAPTIONS[0]),)
    assert sum(endpoint.asked.values()) == 3


@pytest.mark.parametrize(("taken", "form"), [(1, "json_object"), (2, None)])
def test_schemas_that_are_refused_give_way(endpoint: Endpoint, taken: int, form: str | None) -> None:
    forms: list[str | None] = []

    def rule(body: dict, asked: int) -> str:
        forms.append(body.get("response_format", {}).get("type"))
        return "rejected" if forms[-1] in ("json_schema", "json_object")[:taken] else ""

    endpoint.rule = rule
    proposals = language_model(base_url=endpoint.url).generalise(CAPTIONS, 4)
    assert all(each.candidates for each in proposals)
    assert forms == ["json_schema", "json_object", None][: taken + 1] + [form] * 2


def test_work_that_is_interrupted_does_not_wait_for_what_is_under_way(endpoint: Endpoint) -> None:
    begun = threading.Event()

    def rule(body: dict, asked: int) -> str:
        if item(body)["caption"] == CAPTIONS[2]:
            begun.set()
            return "slow"
        return "" if item(body)["caption"] == CAPTIONS[0] or begun.wait(60) else "error"

    endpoint.rule = rule
    model = language_model(base_url=endpoint.url, concurrency=3).model
    replies: Any = model.generate([generalising(caption, 4) for caption in CAPTIONS])
    assert sorted(next(replies)[0] for _ in range(2)) == [0, 1]
    replies.close()
    assert endpoint.at_once >= 1


def test_no_endpoint() -> None:
    with reserved_port() as port, pytest.raises(UnavailableError, match="cannot be reached"):
        language_model(base_url=f"http://127.0.0.1:{port}/v1").generalise(CAPTIONS, 4)


@pytest.mark.parametrize("act", ["", "unauthorised", "rejected", "reset", "refused"])
def test_the_key_is_told_to_the_endpoint_alone(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-place-9876")
    endpoint.rule = lambda body, asked: act
    answers, said = AnswerStore(), io.StringIO()
    logging.getLogger().addHandler(handler := logging.StreamHandler(said))
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    backend = language_model(answers=answers, base_url=endpoint.url, key_env="MY_KEY", **QUICK)
    try:
        with redirect_stderr(said), redirect_stdout(said):
            said.write(repr(backend.generalise(CAPTIONS, 4)))
    except HiergeoError:
        said.write(traceback.format_exc())
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    said.write(repr([backend.identity, backend.usage(), vars(answers), repr(backend.model)]))
    assert {each["authorization"] for each in endpoint.headers} == {f"Bearer {SECRET}"}
    assert SECRET not in said.getvalue()


def test_a_key_goes_to_no_address_that_it_was_not_named_for(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    language_model(base_url=endpoint.url).generalise(CAPTIONS, 4)
    assert SECRET not in str(endpoint.headers)
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    language_model().generalise(CAPTIONS[:1], 4)
    assert SECRET in str(endpoint.headers[-1])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "localhost:8000"}, "base_url"),
        ({"base_url": f"http://me:{SECRET}@localhost/v1"}, "base_url"),
        ({"base_url": f"http://localhost/v1?key={SECRET}"}, "base_url"),
        ({"key_env": "HIERGEO_NO_SUCH_KEY"}, "HIERGEO_NO_SUCH_KEY"),
        ({"key_env": "HIERGEO_BAD_KEY"}, "HIERGEO_BAD_KEY"),
        ({}, "OPENAI_API_KEY"),
        ({"api_key": SECRET}, "api_key"),
        ({"structure": "xml"}, "structure"),
        ({"temperature": 3.0}, "temperature"),
        ({"omit": ["messages"]}, "omit"),
        ({"extra": '{"model": "x"}'}, "extra"),
        ({"extra": "[]"}, "extra"),
    ],
)
def test_options_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, options: dict, named: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("HIERGEO_BAD_KEY", f"{SECRET}\r\nX: y")
    given = (
        options if {"base_url", "key_env"} & options.keys() or not options else {"base_url": "http://x/v1"} | options
    )
    with pytest.raises(InputError, match=named) as caught:
        language_model(**given)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_it_keeps_the_contract_of_backends(endpoint: Endpoint) -> None:
    first, second = (language_model(base_url=endpoint.url, retries=1) for _ in range(2))
    check_backend(first, second)


def test_the_schema_asks_for_what_the_prompt_asks_for(endpoint: Endpoint) -> None:
    bodies: list[dict] = []

    def rule(body: dict, asked: int) -> str:
        bodies.append(body)
        return ""

    endpoint.rule = rule
    language_model(base_url=endpoint.url, omit=["seed", "top_p"], extra='{"top_k": 5}').contradict([CHAIN])
    (body,) = bodies
    schema = body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == list(answer(body))
    assert (body["top_k"], body["temperature"], body["max_tokens"]) == (5, 0.7, 512)
    assert not {"seed", "top_p"} & body.keys()


def test_thoughts_and_fences_are_passed_over(endpoint: Endpoint) -> None:
    endpoint.rule = lambda body, asked: "fenced"
    (proposal,) = language_model(base_url=endpoint.url).generalise(CAPTIONS[:1], 4)
    assert proposal.candidates == (texts(CAPTIONS[0]),)
