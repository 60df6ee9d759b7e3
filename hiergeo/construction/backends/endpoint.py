"""Models behind OpenAI-compatible endpoints: hosted ones, and servers such as vLLM, llama.cpp and Ollama.

The client of OpenAI tries a request again where that can help; here one is whose answer is not of this interface. The
key is struck out of what an endpoint says of a failure.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Annotated, Any, Literal, final

from pydantic import Field

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.documents import STRICT, parse_json, validated
from hiergeo._core.text import shortened
from hiergeo.construction.backends.prompts import REFUSED, STOPPED, TRUNCATED, Prompt, Reply, checked

PUBLIC = "https://api.openai.com/v1"  # the endpoint that is meant unless another is named

MODES = ("json_schema", "json_object", "plain")
"""How the form of an answer is asked for, the strictest first: by its schema, as some JSON, or by the prompt alone."""

GLITCHES = 3  # times that a prompt is asked while what is answered is not of the interface

HARMLESS = Prompt(
    "Answer with one JSON object. Its keys are, in this order, caption, positive_1: the given caption, "
    "repeated exactly, and a more general word for what it shows.",
    '{"caption": "a dog"}',
    "a dog",
    ("caption", "positive_1"),
)
"""What an endpoint is asked that refuses the first prompt: one that answers refused that prompt alone."""


@final
@dataclass(frozen=True)
class Endpoint:
    """Where a model is, and how it is asked; docs/build.md says what the options are.

    Without `base_url` it is ``OPENAI_BASE_URL`` or the endpoint of OpenAI; without `key_env` the key of these two is
    ``OPENAI_API_KEY``, and others get none.
    """

    __pydantic_config__ = STRICT

    base_url: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    omit: tuple[Literal["temperature", "top_p", "max_tokens", "seed"], ...] = ()
    extra: str = "{}"

    @property
    def address(self) -> str:
        """The address that requests go to; raises InputError if it is none, or holds a password or a query."""
        address = (self.base_url or os.environ.get("OPENAI_BASE_URL") or PUBLIC).rstrip("/")
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", address):
            advice = "without a password or a query: key_env names the variable of the key"
            raise InputError(f"base_url must be an address such as http://localhost:8000/v1, {advice}.")
        return address

    def key(self) -> str:
        """The key, empty without one; raises InputError if its variable is not set or cannot be a key."""
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
            more = parse_json(self.extra.encode())
        except ValueError:
            more = None
        if not isinstance(more, dict) or more.keys() & {"messages", "model", "n", "stream"}:
            raise InputError('extra must be a JSON object of more parameters, such as \'{"reasoning_effort": "low"}\'.')
        return more


@final
class ChatModel:
    """A model behind an OpenAI-compatible endpoint: its name there, and the attributes of `Endpoint`."""

    def __init__(self, model: str, **options: Any) -> None:
        if not model.strip():
            raise InputError("name the model of the endpoint: openai:MODEL.")
        self.model, self.endpoint = model, checked(Endpoint, options, "the backend openai")
        self.endpoint.parameters()
        self._key = self.endpoint.key()
        openai = extras.require("openai", "the backend openai")
        self._failures = (openai.APIStatusError, openai.APIConnectionError)
        self._client = openai.OpenAI(
            api_key=self._key or "none",
            base_url=self.endpoint.address,
            timeout=self.endpoint.timeout,
            max_retries=self.endpoint.attempts - 1,
        )
        self._mode, self._proven = 0, False
        self._lock = threading.Lock()

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.model, "omit": sorted(self.endpoint.omit), "extra": self.endpoint.parameters()}

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        rows = range(len(prompts))
        if not self._proven and prompts:
            yield 0, self._first(prompts[0])
            rows = rows[1:]
        yield from _at_once(rows, lambda row: self._answer(prompts[row]), self.endpoint.concurrency)

    def close(self) -> None:
        self._client.close()

    def _first(self, prompt: Prompt) -> Reply:
        """The reply to the first prompt; raises UnavailableError if it and `HARMLESS` are refused."""
        reply = self._answer(prompt)
        if not self._proven:
            other = self._answer(replace(HARMLESS, sampling=prompt.sampling))
            if not self._proven:
                raise UnavailableError(f"{self.endpoint.address} refuses whatever it is asked: {other.text}.")
        return reply

    def _answer(self, prompt: Prompt) -> Reply:
        """What is answered to a prompt, after as many tries as it takes."""
        mode, glitches = self._mode, 0
        while glitches < GLITCHES:
            try:
                reply = _reply(self._completion(prompt, mode))
            except (AttributeError, LookupError, TypeError, ValueError):
                glitches += 1
            except self._failures as failure:
                status = getattr(failure, "status_code", None)
                if status not in (400, 413, 422):
                    raise self._stopping(failure, status) from None
                if status == 413 or mode + 1 == len(MODES):
                    return Reply(shortened(self._said(failure), 300), REFUSED)
                mode += 1
            else:
                with self._lock:
                    self._mode, self._proven = max(mode, self._mode), True
                return reply
        raise UnavailableError(
            f"{self.endpoint.address} does not answer as an OpenAI-compatible endpoint: check base_url."
        )

    def _completion(self, prompt: Prompt, mode: int) -> Any:
        more = {name: value for name, value in vars(prompt.sampling).items() if name not in self.endpoint.omit}
        more |= self.endpoint.parameters()
        if MODES[mode] == "json_schema":
            schema = {"name": "answer", "strict": True, "schema": prompt.schema()}
            more["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif MODES[mode] == "json_object":
            more["response_format"] = {"type": "json_object"}
        return self._client.chat.completions.create(model=self.model, messages=prompt.messages, extra_body=more)

    def _said(self, failure: Any) -> str:
        """What a failure says, in one line and without the key."""
        body, response = getattr(failure, "body", None), getattr(failure, "response", None)
        if isinstance(body, Mapping):
            body = body.get("message") or body.get("detail")
        message = reason(failure.__cause__ or failure) if response is None else body
        text = " ".join(str(message or "no message").split()).rstrip(".")
        text = text.replace(self._key, "[key]") if self._key else text
        return text if response is None else f"status {response.status_code}, {text}"

    def _stopping(self, failure: Any, status: int | None) -> UnavailableError:
        """The error for a failure that no other request will do without."""
        where, message = self.endpoint.address, shortened(self._said(failure), 200)
        if status is None or status >= 500 or status in (408, 409, 429):
            return UnavailableError(
                f"{where} cannot be reached or stays busy ({message}): start it, or check base_url; answers so far "
                "are kept."
            )
        advice = f"check the key, base_url, which mostly ends in /v1, and that '{self.model}' is a model of it"
        return UnavailableError(f"{where} answers with {message}: {advice}.")


def _at_once(rows: Iterable[int], answer: Callable[[int], Reply], concurrency: int) -> Iterator[tuple[int, Reply]]:
    """Replies as they come, several asked for at a time; the first failure is raised after those under way are given.
    What is under way when the caller stops asking does not keep the process from ending."""
    left: SimpleQueue[int | None] = SimpleQueue()
    done: SimpleQueue[tuple[int, Reply] | Exception | None] = SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set() and (row := left.get()) is not None:
                done.put((row, answer(row)))
        except Exception as error:  # raised again where replies are awaited
            stop.set()
            done.put(error)
        done.put(None)

    for row in (*rows, *[None] * concurrency):
        left.put(row)
    for _ in range(concurrency):
        threading.Thread(target=work, name="hiergeo-openai", daemon=True).start()
    failures, running = [], concurrency
    try:
        while running:
            match done.get():
                case None:
                    running -= 1
                case Exception() as failure:
                    failures.append(failure)
                case reply:
                    yield reply
    finally:
        stop.set()
    if failures:
        raise failures[0]


def _reply(answer: Any) -> Reply:
    """The first choice of a chat completion; raises one of many errors where it is none."""
    choice, usage = answer.choices[0], answer.usage
    message, finish = choice.message, choice.finish_reason or STOPPED
    text, ended = message.content or "", TRUNCATED if finish == "length" else STOPPED
    if message.refusal or finish == "content_filter":
        text, ended = message.refusal or "filtered by the endpoint", REFUSED
    tokens = {name: getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens")}
    return validated(Reply, {"text": text, "finish": ended, **tokens})
