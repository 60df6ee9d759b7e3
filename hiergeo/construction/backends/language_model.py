"""The backend of language models: questions, an engine that answers them, answers that are kept, and proposals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from json import dumps
from typing import Annotated, Any, final

from pydantic import Field

from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.documents import STRICT
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import Backend, Gap, Proposal, prompts
from hiergeo.construction.backends.reading import Unreadable, read_reply
from hiergeo.construction.engines.interface import DEFAULT_SAMPLING, Engine, Prompt, Reply, Sampling, checked

RETRY_TEMPERATURE = 0.7
"""The least temperature of a question that is asked again: at 0 the answer would be the same."""


@final
@dataclass(frozen=True)
class Asking:
    """How often is asked.

    Attributes:
        candidates: answers that are asked for each item, with seeds that follow each other.
        retries: times that an item is asked again, with another seed, while no answer could be read.
    """

    __pydantic_config__ = STRICT

    candidates: Annotated[int, Field(ge=1, le=16)] = 1
    retries: Annotated[int, Field(ge=0, le=16)] = 2


DEFAULT_ASKING = Asking()


@final
class LanguageModelBackend(Backend):
    """A language model that writes, completes and contradicts chains.

    An answer is kept in the store as soon as it comes, under a key that holds all that it depends on; what is in the
    store is not asked again. Answers that cannot be read are kept too, so that the same attempt is not repeated.
    """

    def __init__(
        self,
        engine: Engine,
        answers: AnswerStore | None = None,
        sampling: Sampling = DEFAULT_SAMPLING,
        asking: Asking = DEFAULT_ASKING,
    ) -> None:
        self.name = engine.name
        self.engine, self.sampling, self.asking = engine, sampling, asking
        self._answers = AnswerStore() if answers is None else answers
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
        """Calls and tokens of the answers used, those out of the store included."""
        return dict(self._used)

    def instructions(self, tiers: int) -> dict[str, str]:
        return prompts.instructions(tiers)

    def close(self) -> None:
        self.engine.close()

    def _ask(self, asked: Sequence[Prompt]) -> list[Proposal]:
        """A proposal for each prompt; equal ones are asked once."""
        found: dict[Prompt, list[tuple[str, ...]]] = {prompt: [] for prompt in asked}
        trouble: dict[Prompt, Unreadable] = {}
        for attempt in range(self.asking.candidates + self.asking.retries):
            wanted = [each for each, texts in found.items() if attempt < self.asking.candidates or not texts]
            for prompt, reply in zip(wanted, self._replies(wanted, attempt), strict=True):
                try:
                    texts = read_reply(prompt, reply)
                except Unreadable as error:
                    trouble[prompt] = error
                    continue
                if texts not in found[prompt]:
                    found[prompt].append(texts)
        return [_proposal(found[prompt], trouble.get(prompt)) for prompt in asked]

    def _replies(self, asked: Sequence[Prompt], attempt: int) -> list[Reply]:
        """The reply to each prompt, out of the store or by the engine."""
        sampled = [replace(prompt, sampling=self._sampling(attempt)) for prompt in asked]
        keys = [self._key(prompt) for prompt in sampled]
        stored = {row: reply for row, key in enumerate(keys) if (reply := Reply.of_dict(self._answers.get(key)))}
        missing = [row for row in range(len(keys)) if row not in stored]
        if missing:
            for index, reply in self.engine.generate([sampled[row] for row in missing]):
                stored[missing[index]] = reply
                self._answers.put(keys[missing[index]], reply.as_dict())
        replies = [stored[row] for row in sorted(stored)]
        self._used["requests"] += len(replies)
        self._used["prompt_tokens"] += sum(reply.prompt_tokens for reply in replies)
        self._used["completion_tokens"] += sum(reply.completion_tokens for reply in replies)
        return replies

    def _sampling(self, attempt: int) -> Sampling:
        if attempt == 0:
            return self.sampling
        temperature = max(self.sampling.temperature, RETRY_TEMPERATURE)
        return replace(self.sampling, seed=self.sampling.seed + attempt, temperature=temperature)

    def _key(self, prompt: Prompt) -> str:
        asked = [self.engine.name, self.engine.identity, prompts.VERSION, prompt.messages, prompt.names]
        asked.append(dict(vars(prompt.sampling)))
        return sha256(dumps(asked, sort_keys=True).encode()).hexdigest()


def _proposal(candidates: Sequence[tuple[str, ...]], trouble: Unreadable | None) -> Proposal:
    if candidates:
        return Proposal(tuple(candidates))
    return Proposal((), *(("no answer", "") if trouble is None else (trouble.reason, trouble.detail)))


def openai_backend(
    model: str, *, seed: int = 0, answers: AnswerStore | None = None, **options: Any
) -> LanguageModelBackend:
    """A model behind an OpenAI-compatible endpoint, by its name there.

    Options are those of `Sampling` (`seed` is that of the first question about an item), of `Asking`, and of
    `hiergeo.construction.engines.openai.Endpoint`.
    """
    from hiergeo.construction.engines.openai import Endpoint, OpenAIEngine

    return _backend(OpenAIEngine, model, {field.name for field in fields(Endpoint)}, seed, answers, options)


def transformers_backend(
    model: str, *, seed: int = 0, answers: AnswerStore | None = None, **options: Any
) -> LanguageModelBackend:
    """A local model of transformers; its options are ``device``, ``dtype``, ``batch_size``; see `openai_backend`."""
    from hiergeo.construction.engines.transformers import TransformersEngine

    return _backend(TransformersEngine, model, {"device", "dtype", "batch_size"}, seed, answers, options)


def _backend(
    engine: Callable[..., Engine],
    model: str,
    theirs: set[str],
    seed: int,
    answers: AnswerStore | None,
    options: Mapping[str, Any],
) -> LanguageModelBackend:
    source = f"the backend of '{model}'"
    parts = [{field.name for field in fields(kind)} for kind in (Sampling, Asking)] + [theirs]
    known = set().union(*parts) - {"seed"}
    if unknown := options.keys() - known:
        raise unknown_name("option", min(unknown), known, f" of {source}")
    sampling, asking, rest = ({name: options[name] for name in options if name in part} for part in parts)
    made = checked(Sampling, {"seed": seed, **sampling}, source), checked(Asking, asking, source)
    return LanguageModelBackend(engine(model, **rest), answers, *made)
