"""The backend of language models: questions, an engine that answers them, answers that are kept, and proposals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from json import dumps
from typing import Annotated, Any, Protocol, final

from pydantic import Field

from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.documents import STRICT
from hiergeo.construction.backends import prompts
from hiergeo.construction.backends.base import Backend, Gap, Proposal
from hiergeo.construction.backends.prompts import Question
from hiergeo.construction.backends.reading import Unreadable, read_reply
from hiergeo.construction.engines.base import (
    DEFAULT_SAMPLING,
    Engine,
    Prompt,
    Reply,
    Sampling,
    checked,
)

RETRY_TEMPERATURE = 0.7
"""The least temperature of a question that is asked again: at 0 the answer would be the same."""

PER_PRICE = 1_000_000
"""Tokens that a price is for."""


class Store(Protocol):
    """Where answered calls are kept, such as `hiergeo.construction.answers.Answers`."""

    def get(self, key: str) -> Any:
        """What was put under a key, or None."""

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value."""


@final
class Forgetful:
    """A store in memory."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self._held.get(key)

    def put(self, key: str, value: Any) -> None:
        self._held[key] = value


@final
@dataclass(frozen=True)
class Asking:
    """How often is asked, and what it costs.

    Attributes:
        candidates: answers that are asked for each item, with seeds that follow each other.
        retries: times that an item is asked again, with another seed, while no answer could be read.
        prompt_price: of a million tokens that are read.
        completion_price: of a million tokens that are written.
    """

    __pydantic_config__ = STRICT

    candidates: Annotated[int, Field(ge=1, le=16)] = 1
    retries: Annotated[int, Field(ge=0, le=16)] = 2
    prompt_price: Annotated[float, Field(ge=0, lt=1e9)] = 0.0
    completion_price: Annotated[float, Field(ge=0, lt=1e9)] = 0.0


DEFAULT_ASKING = Asking()


@final
class LanguageModelBackend(Backend):
    """A language model that writes, completes and contradicts chains.

    An answer is kept in the store as soon as it comes, under a key that holds all that it depends on; what is in the
    store is not asked again. Answers that cannot be read are kept too, so that the same attempt is not repeated.

    Args:
        engine: runs the model.
        answers: keeps what was answered; None keeps it in memory.
        sampling: of the first question about an item; later ones have the seeds that follow.
        asking: how often is asked.
    """

    def __init__(
        self,
        engine: Engine,
        answers: Store | None = None,
        sampling: Sampling = DEFAULT_SAMPLING,
        asking: Asking = DEFAULT_ASKING,
    ) -> None:
        self.name = engine.name
        self.engine, self.sampling, self.asking = engine, sampling, asking
        self._answers: Store = Forgetful() if answers is None else answers
        self._used = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0}

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "engine": self.engine.name,
            **self.engine.identity,
            "prompts": prompts.VERSION,
            "sampling": dict(vars(self.sampling)),
            "candidates": self.asking.candidates,
            "retries": self.asking.retries,
        }

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        return self._ask([prompts.generalising(caption, tiers) for caption in captions])

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        return self._ask([prompts.contradicting(chain) for chain in chains])

    def complete(self, gaps: Sequence[Gap]) -> list[Proposal]:
        return self._ask([prompts.completing(gap) for gap in gaps])

    def usage(self) -> dict[str, float]:
        """Calls and tokens of the answers used, those out of the store included, and what they cost at the prices."""
        asking, used = self.asking, self._used
        cost = used["prompt_tokens"] * asking.prompt_price + used["completion_tokens"] * asking.completion_price
        return {**used, "cost": cost / PER_PRICE}

    def instructions(self, tiers: int) -> dict[str, str]:
        return prompts.instructions(tiers)

    def close(self) -> None:
        self.engine.close()

    def _ask(self, questions: Sequence[Question]) -> list[Proposal]:
        """A proposal for each question; equal ones are asked once."""
        found: dict[Question, list[tuple[str, ...]]] = {question: [] for question in questions}
        trouble: dict[Question, Unreadable] = {}
        for attempt in range(self.asking.candidates + self.asking.retries):
            wanted = [each for each, texts in found.items() if attempt < self.asking.candidates or not texts]
            if not wanted:
                break
            for question, reply in zip(wanted, self._replies(wanted, attempt), strict=True):
                try:
                    texts = read_reply(question, reply)
                except Unreadable as error:
                    trouble[question] = error
                    continue
                if texts not in found[question]:
                    found[question].append(texts)
        return [_proposal(found[question], trouble.get(question)) for question in questions]

    def _replies(self, questions: Sequence[Question], attempt: int) -> list[Reply]:
        """What is answered to each question, out of the store or by the engine."""
        asked = [question.prompt(self._sampling(attempt)) for question in questions]
        keys = [self._key(prompt) for prompt in asked]
        held = [Reply.of_dict(self._answers.get(key)) for key in keys]
        missing = [row for row, reply in enumerate(held) if reply is None]
        if missing:
            for index, reply in self.engine.generate([asked[row] for row in missing]):
                held[missing[index]] = kept = reply.bounded()
                self._answers.put(keys[missing[index]], kept.as_dict())
        replies = [reply for reply in held if reply is not None]
        for reply in replies:
            self._used["requests"] += 1
            self._used["prompt_tokens"] += reply.prompt_tokens
            self._used["completion_tokens"] += reply.completion_tokens
        return replies

    def _sampling(self, attempt: int) -> Sampling:
        if attempt == 0:
            return self.sampling
        temperature = max(self.sampling.temperature, RETRY_TEMPERATURE)
        return replace(self.sampling, seed=self.sampling.seed + attempt, temperature=temperature)

    def _key(self, prompt: Prompt) -> str:
        told = [self.engine.name, self.engine.identity, prompts.VERSION, prompt.messages, prompt.names]
        told.append(dict(vars(prompt.sampling)))
        return sha256(dumps(told, sort_keys=True).encode()).hexdigest()


def _proposal(candidates: Sequence[tuple[str, ...]], trouble: Unreadable | None) -> Proposal:
    if candidates:
        return Proposal(tuple(candidates))
    return Proposal((), *(("no answer", "") if trouble is None else (trouble.reason, trouble.detail)))


def openai_backend(model: str, *, seed: int = 0, answers: Store | None = None, **options: Any) -> LanguageModelBackend:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: its name there.
        seed: of the first question about an item.
        answers: keeps what was answered.
        options: those of `Sampling` (but the seed), of `Asking`, and of
            `hiergeo.construction.engines.openai.Endpoint`.

    Raises:
        InputError: an option that does not exist or does not fit.
        UnavailableError: the client is not installed.
    """
    from hiergeo.construction.engines.openai import Endpoint, OpenAIEngine

    return _backend(OpenAIEngine, model, options, _names(Endpoint), seed, answers)


def transformers_backend(
    model: str, *, seed: int = 0, answers: Store | None = None, **options: Any
) -> LanguageModelBackend:
    """A local model of transformers; its options are ``device``, ``dtype``, ``batch_size``; see `openai_backend`."""
    from hiergeo.construction.engines.transformers import TransformersEngine

    return _backend(TransformersEngine, model, options, ("device", "dtype", "batch_size"), seed, answers)


def _names(kind: type[Any]) -> set[str]:
    return {field.name for field in fields(kind)}


def _backend(
    make: Callable[..., Engine],
    model: str,
    options: Mapping[str, Any],
    theirs: Iterable[str],
    seed: int,
    answers: Store | None,
) -> LanguageModelBackend:
    source = f"the backend of '{model}'"
    parts = [_names(Sampling) - {"seed"}, _names(Asking), set(theirs)]
    for name in options:
        if not any(name in part for part in parts):
            raise unknown_name("option", name, set().union(*parts), f" of {source}")
    sampling, asking, rest = ({name: options[name] for name in options if name in part} for part in parts)
    made = checked(Sampling, {"seed": seed, **sampling}, source), checked(Asking, asking, source)
    return LanguageModelBackend(make(model, **rest), answers, *made)
