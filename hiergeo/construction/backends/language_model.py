"""The backend of language models: questions, answers that are stored, and proposals."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from json import dumps
from typing import Annotated, Any, final

from pydantic import Field

from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.documents import STRICT
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import Backend, Proposal, prompts
from hiergeo.construction.backends.endpoint import ChatModel, Endpoint
from hiergeo.construction.backends.prompts import DEFAULT_SAMPLING, Prompt, Reply, Sampling, checked
from hiergeo.construction.backends.reading import Unreadable, read_reply

RETRY_TEMPERATURE = 0.7  # the least temperature of a question that is asked again: at 0 the answer would be the same


@final
@dataclass(frozen=True)
class Asking:
    """How many answers are wanted for each item, with seeds that follow each other, and how often an item is asked
    again, with another seed, while no answer could be read."""

    __pydantic_config__ = STRICT

    candidates: Annotated[int, Field(ge=1, le=16)] = 1
    retries: Annotated[int, Field(ge=0, le=16)] = 2


DEFAULT_ASKING = Asking()


@final
class LanguageModelBackend(Backend):
    """A language model that writes and contradicts chains.

    An answer is stored as soon as it comes, also one that cannot be read, under a key that holds all that it depends
    on; what is in the store is not asked again.
    """

    name = "openai"

    def __init__(
        self,
        model: ChatModel,
        answers: AnswerStore | None = None,
        sampling: Sampling = DEFAULT_SAMPLING,
        asking: Asking = DEFAULT_ASKING,
    ) -> None:
        self.model, self.sampling, self.asking = model, sampling, asking
        self._answers = AnswerStore() if answers is None else answers
        self._used = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0}

    @property
    def identity(self) -> dict[str, Any]:
        parts = {"engine": self.name, **self.model.identity, "prompts": prompts.VERSION}
        return parts | {"sampling": dict(vars(self.sampling)), **vars(self.asking)}

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        return self._ask([prompts.generalising(caption, tiers) for caption in captions])

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        return self._ask([prompts.contradicting(chain) for chain in chains])

    def usage(self) -> dict[str, float]:
        """Calls and tokens of the answers used, those out of the store included."""
        return dict(self._used)

    def instructions(self, tiers: int) -> dict[str, str]:
        return prompts.instructions(tiers)

    def close(self) -> None:
        self.model.close()

    def _ask(self, questions: Sequence[Prompt]) -> list[Proposal]:
        """A proposal for each prompt; equal ones are asked once."""
        candidates: dict[Prompt, list[tuple[str, ...]]] = {prompt: [] for prompt in questions}
        failures: dict[Prompt, Unreadable] = {}
        for attempt in range(self.asking.candidates + self.asking.retries):
            open_ = [prompt for prompt, texts in candidates.items() if attempt < self.asking.candidates or not texts]
            for prompt, reply in zip(open_, self._replies(open_, attempt), strict=True):
                try:
                    texts = read_reply(prompt, reply)
                except Unreadable as error:
                    failures[prompt] = error
                    continue
                if texts not in candidates[prompt]:
                    candidates[prompt].append(texts)
        return [_proposal(candidates[prompt], failures.get(prompt)) for prompt in questions]

    def _replies(self, questions: Sequence[Prompt], attempt: int) -> list[Reply]:
        """The reply to each prompt, out of the store or by the model."""
        sampling = self.sampling
        if attempt:
            temperature = max(sampling.temperature, RETRY_TEMPERATURE)
            sampling = replace(sampling, seed=sampling.seed + attempt, temperature=temperature)
        sampled = [replace(prompt, sampling=sampling) for prompt in questions]
        keys = [self._key(prompt) for prompt in sampled]
        replies = {row: Reply(**stored) for row, key in enumerate(keys) if (stored := self._answers.get(key))}
        missing = [row for row in range(len(keys)) if row not in replies]
        for index, reply in self.model.generate([sampled[row] for row in missing]) if missing else ():
            replies[missing[index]] = reply
            self._answers.put(keys[missing[index]], dict(vars(reply)))
        self._used["requests"] += len(replies)
        for name in ("prompt_tokens", "completion_tokens"):
            self._used[name] += sum(getattr(reply, name) for reply in replies.values())
        return [replies[row] for row in range(len(keys))]

    def _key(self, prompt: Prompt) -> str:
        parts = [self.name, self.model.identity, prompts.VERSION, prompt.messages, prompt.names]
        return sha256(dumps([*parts, vars(prompt.sampling)], sort_keys=True).encode()).hexdigest()


def _proposal(candidates: Sequence[tuple[str, ...]], failure: Unreadable | None) -> Proposal:
    if candidates:
        return Proposal(tuple(candidates))
    return Proposal((), *(("no answer", "") if failure is None else (failure.reason, failure.detail)))


def openai_backend(
    model: str, *, seed: int = 0, answers: AnswerStore | None = None, **options: Any
) -> LanguageModelBackend:
    """A model behind an OpenAI-compatible endpoint, by its name there.

    Options are those of `Sampling` (`seed` is that of the first question about an item), `Asking` and `Endpoint`.
    """
    source = f"the backend of '{model}'"
    names = [{field.name for field in fields(kind)} for kind in (Sampling, Asking, Endpoint)]
    if unknown := options.keys() - set().union(*names):
        raise unknown_name("option", min(unknown), set().union(*names), f" of {source}")
    sampling, asking, rest = ({name: options[name] for name in options if name in part} for part in names)
    settings = checked(Sampling, {"seed": seed, **sampling}, source), checked(Asking, asking, source)
    return LanguageModelBackend(ChatModel(model, **rest), answers, *settings)
