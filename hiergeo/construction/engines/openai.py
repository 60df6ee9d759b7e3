"""Models behind OpenAI-compatible endpoints: hosted ones, and servers such as vLLM, llama.cpp and Ollama.

A request is tried again where another try can help: when the connection fails, the answer does not come in time, is cut
or is no answer of this interface, and for the statuses of servers that are busy. The key comes out of an environment
variable, and nothing that an endpoint sends is looked at before the key is struck out of it.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any, final
from urllib.parse import urlsplit

from hiergeo._core.errors import InputError, UnavailableError, check_positive, check_whole, unknown_name
from hiergeo._core.storage.documents import (
    Anything,
    Flag,
    ListOf,
    Misfit,
    Number,
    OrNull,
    Record,
    Schema,
    Text,
    Whole,
    parse_json,
)
from hiergeo._core.text import shortened
from hiergeo.construction.engines import transport
from hiergeo.construction.engines.base import REFUSED, STOPPED, TRUNCATED, Engine, Prompt, Reply
from hiergeo.construction.engines.transport import Answer, Transport

PUBLIC = "https://api.openai.com/v1"
"""The endpoint that is meant unless another is named."""

MODES = ("json_schema", "json_object", "plain")
"""How the form of an answer is asked for, the strictest first: by its schema, as some JSON, or by the prompt alone."""

OMITTED = ("temperature", "top_p", "max_tokens", "seed")
"""Parameters of requests that can be left out, for models that refuse them."""

HARMLESS = Prompt(
    "Answer with one JSON object. Its keys are, in this order, caption, positive_1: the given caption, "
    "repeated exactly, and a more general word for what it shows.",
    '{"caption": "a dog"}',
    "a dog",
    ("caption", "positive_1"),
)
"""What an endpoint is asked that refuses the first prompt: one that answers refused that prompt alone."""

OPTIONS: Mapping[str, Schema] = {
    "base_url": Text(r"\S+"),
    "key_env": Text(r"[A-Za-z_][A-Za-z0-9_]*"),
    "structured": Text("|".join(MODES)),
    "concurrency": Whole(1, 1024),
    "timeout": Number(),
    "attempts": Whole(1, 100),
    "check_model": Flag(),
    "omit": ListOf(Text("|".join(OMITTED))),
    "extra": Text(),
}
"""Options of `OpenAIEngine`."""

CHAT = Record(
    {
        "choices": ListOf(
            Record(
                {"message": Record({}, {"content": OrNull(Text()), "refusal": OrNull(Text())}, Anything())},
                {"finish_reason": OrNull(Text())},
                Anything(),
            )
        )
    },
    {"usage": OrNull(Record({}, {"prompt_tokens": Whole(0), "completion_tokens": Whole(0)}, Anything()))},
    Anything(),
)
"""What of a chat completion is read."""

MODELS = Record({"data": ListOf(Record({"id": Text()}, rest=Anything()))}, rest=Anything())
"""What of a list of models is read."""


@final
@dataclass(frozen=True)
class Endpoint:
    """Where a model is, and how it is asked.

    Attributes:
        base_url: up to ``/v1``; None is ``OPENAI_BASE_URL`` or, without that, the endpoint of OpenAI.
        key_env: the environment variable that holds the key; None is ``OPENAI_API_KEY`` for an endpoint that
            `base_url` does not name, and no key for one that it names.
        structured: how the form of answers is asked for, one of `MODES`; where an endpoint refuses it, the next.
        concurrency: requests at a time.
        timeout: seconds for a whole answer.
        attempts: times that a request is tried.
        check_model: ask the endpoint for its models first, and refuse one that is not among them.
        omit: parameters that are left out of requests, of `OMITTED`.
        extra: more parameters of requests, a JSON object.
    """

    base_url: str | None = None
    key_env: str | None = None
    structured: str = MODES[0]
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 8
    check_model: bool = True
    omit: Sequence[str] = ()
    extra: str = "{}"

    def __post_init__(self) -> None:
        check_whole("concurrency", self.concurrency, 1, 1024)
        check_whole("attempts", self.attempts, 1, 100)
        check_positive("timeout", self.timeout)
        if self.structured not in MODES:
            raise unknown_name("way to ask for JSON", self.structured, MODES)
        self.parameters()

    @property
    def address(self) -> str:
        """The address that requests go to.

        Raises:
            InputError: it is no address, or holds a password or a query.
        """
        address = (self.base_url or os.environ.get("OPENAI_BASE_URL") or PUBLIC).rstrip("/")
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InputError("base_url must be an address such as http://localhost:8000/v1.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise InputError("base_url must hold no password and no query: name the variable of the key by key_env.")
        return address

    def key(self) -> str:
        """The key, empty without one.

        Raises:
            InputError: the variable that should hold it is not set, or holds what no header can carry.
        """
        public = self.address == PUBLIC
        name = self.key_env or ("OPENAI_API_KEY" if public or self.base_url is None else None)
        key = os.environ.get(name, "").strip() if name else ""
        if not key and (public or self.key_env):
            raise InputError(f"the environment variable {name} must hold the key of {self.address}: it is not set.")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(f"the environment variable {name} holds characters that no key can have.")
        return key

    def parameters(self) -> dict[str, Any]:
        """What `extra` adds to requests."""
        try:
            told = parse_json(self.extra.encode())
        except ValueError:
            told = None
        if not isinstance(told, dict) or told.keys() & {"messages", "model", "n", "stream"}:
            raise InputError('extra must be a JSON object of more parameters, such as \'{"reasoning_effort": "low"}\'.')
        return told


@final
class OpenAIEngine(Engine):
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: its name there.
        options: the attributes of `Endpoint`.

    Raises:
        InputError: an option that cannot be used, or no key where one is needed.
        UnavailableError: the client is not installed.
    """

    name = "openai"

    def __init__(self, model: str, **options: Any) -> None:
        if not model.strip():
            raise InputError("name the model of the endpoint: openai:MODEL.")
        self.model, self.endpoint = model, Endpoint(**options)
        self._transport = Transport(
            self.endpoint.address, self.endpoint.key(), self.endpoint.timeout, self.endpoint.attempts
        )
        self._mode = MODES.index(self.endpoint.structured)
        self._proven = False
        self._lock = threading.Lock()

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "structured": self.endpoint.structured,
            "omit": sorted(self.endpoint.omit),
            "extra": self.endpoint.parameters(),
        }

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        rows = range(len(prompts))
        if not self._proven and prompts:
            if self.endpoint.check_model:
                self._check_model()
            yield 0, self._first(prompts[0])
            rows = rows[1:]
        yield from _at_once(rows, lambda row, stop: self._answer(prompts[row], stop), self.endpoint.concurrency)

    def close(self) -> None:
        self._transport.close()

    def _check_model(self) -> None:
        answer = self._transport.send("models", None, threading.Event(), patient=False)
        if answer.status in (401, 403):
            raise self._stopping(answer)
        if answer.status != 200:
            return  # some endpoints list no models
        try:
            known = [each["id"] for each in _read(answer.body, MODELS)["data"]]
        except ValueError as error:
            raise UnavailableError(
                f"{self.endpoint.address} is no OpenAI-compatible endpoint: it answers /models otherwise ({error})."
            ) from None
        if known and not {self.model, f"{self.model}:latest"} & set(known):
            raise unknown_name("model", self.model, known, f" at {self.endpoint.address}")

    def _first(self, prompt: Prompt) -> Reply:
        """The reply to the first prompt, which may be refused if another one is answered.

        Raises:
            UnavailableError: the endpoint refuses `HARMLESS` too, whatever form of answer is asked for.
        """
        reply = self._answer(prompt, threading.Event())
        if not self._proven:
            other = self._answer(replace(HARMLESS, sampling=prompt.sampling), threading.Event())
            if not self._proven:
                raise UnavailableError(f"{self.endpoint.address} refuses whatever it is asked: {other.text}.")
        return reply

    def _answer(self, prompt: Prompt, stop: threading.Event) -> Reply:
        """What is answered to a prompt, after as many tries as it takes."""
        mode = self._mode
        for _ in range(transport.GLITCHES):
            answer = self._transport.send("chat", self._request(prompt, mode), stop)
            while answer.status in (400, 422) and mode + 1 < len(MODES):
                mode += 1
                answer = self._transport.send("chat", self._request(prompt, mode), stop)
            if answer.status in (400, 413, 422):
                return Reply(shortened(answer.told, 300), REFUSED)
            if answer.status != 200:
                raise self._stopping(answer)
            try:
                reply = _reply(_read(answer.body, CHAT))
            except ValueError as error:
                trouble = str(error)
                continue
            with self._lock:
                self._mode, self._proven = max(mode, self._mode), True
            return reply
        raise UnavailableError(
            f"{self.endpoint.address} does not answer as an OpenAI-compatible endpoint ({shortened(trouble, 200)}): "
            "check base_url."
        )

    def _request(self, prompt: Prompt, mode: int) -> dict[str, Any]:
        held = {name: value for name, value in vars(prompt.sampling).items() if name not in self.endpoint.omit}
        held |= {"model": self.model, "messages": prompt.messages, **self.endpoint.parameters()}
        if MODES[mode] == "json_schema":
            schema = {"name": "answer", "strict": True, "schema": prompt.schema}
            held["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif MODES[mode] == "json_object":
            held["response_format"] = {"type": "json_object"}
        return held

    def _stopping(self, answer: Answer) -> UnavailableError:
        """The error for a status that no other request will do without."""
        where, told = self.endpoint.address, shortened(answer.told, 200)
        cures = {
            401: "check the key",
            402: "the account has no credit left",
            403: "check the key and what it may use",
            404: f"check base_url, which mostly ends in /v1, and that '{self.model}' is a model of it",
        }
        cure = cures.get(answer.status, "check the endpoint")
        return UnavailableError(f"{where} answers with status {answer.status} ({told}): {cure}.")


def _at_once(
    rows: Iterable[int], answer: Callable[[int, threading.Event], Reply], concurrency: int
) -> Iterator[tuple[int, Reply]]:
    """Replies as they come, several asked for at a time.

    After the first failure no row is begun; replies that are under way are still given, then the failure is raised.
    Where the caller stops asking, what is under way is left alone: its threads do not keep the process from ending.
    """
    stop, lock, left = threading.Event(), threading.Lock(), iter(rows)
    done: SimpleQueue[tuple[int, Reply | Exception] | None] = SimpleQueue()

    def work() -> None:
        while not stop.is_set():
            with lock:
                row = next(left, None)
            if row is None:
                break
            try:
                done.put((row, answer(row, stop)))
            except Exception as error:
                stop.set()
                done.put((row, error))
        done.put(None)

    threads = [threading.Thread(target=work, name="hiergeo-openai", daemon=True) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    failure, running = None, len(threads)
    try:
        while running:
            found = done.get()
            if found is None:
                running -= 1
            elif isinstance(found[1], Reply):
                yield found[0], found[1]
            elif failure is None or isinstance(failure, transport.Stopped):
                failure = found[1]
    finally:
        stop.set()
    if failure is not None:
        raise failure


def _read(body: bytes, schema: Schema) -> dict[str, Any]:
    """The JSON object in a body; raises ValueError for what does not fit."""
    try:
        value = parse_json(body)
        schema.check(value, "")
    except Misfit as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    held: dict[str, Any] = value
    return held


def _reply(answer: Mapping[str, Any]) -> Reply:
    if not answer["choices"]:
        raise ValueError("choices is empty")
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    message, finish = choice["message"], choice.get("finish_reason") or STOPPED
    tokens = (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
    if message.get("refusal") or finish == "content_filter":
        return Reply(message.get("refusal") or "filtered by the endpoint", REFUSED, *tokens)
    return Reply(message.get("content") or "", TRUNCATED if finish == "length" else STOPPED, *tokens)
