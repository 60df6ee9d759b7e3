"""What runs a language model: prompts in, replies out, whatever runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import Misfit, Record, Text, Whole

STOPPED, TRUNCATED, REFUSED = "stop", "length", "refused"
"""How a reply ended: by itself, at the limit of tokens, or because the model or its endpoint declined."""

REPLY_CHARACTERS = 1 << 17
"""Characters of a reply that are kept; a longer one counts as `TRUNCATED`."""


@final
@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_p: the likeliest tokens whose probabilities sum to this are chosen from; in (0, 1].
        max_tokens: of a reply.
        seed: of the choice.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise InputError(f"temperature must be a number from 0 to 2, not {self.temperature!r}.")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be a number above 0 and at most 1, not {self.top_p!r}.")
        if not 1 <= self.max_tokens <= 1 << 16:
            raise InputError(f"max_tokens must be a whole number from 1 to {1 << 16}, not {self.max_tokens!r}.")


@final
@dataclass(frozen=True)
class Prompt:
    """What a model is asked.

    Attributes:
        system: what to do.
        user: what to do it with, JSON.
        caption: the text that the answer has to repeat under ``caption``.
        names: keys of the JSON object to answer with, all of them strings, in the order in which they are written.
        sampling: how the answer is chosen.
    """

    system: str
    user: str
    caption: str
    names: tuple[str, ...]
    sampling: Sampling = Sampling()

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as a conversation."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the answer, of the parts that every server understands."""
        return _object({name: {"type": "string"} for name in self.names})

    @property
    def schema_with_caption(self) -> dict[str, Any]:
        """The JSON schema of the answer, with the caption written out."""
        text = {"type": "string"}
        return _object({name: {"const": self.caption} if name == "caption" else text for name in self.names})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@final
@dataclass(frozen=True)
class Reply:
    """What a model answered.

    Attributes:
        text: the answer, or why there is none.
        finish: `STOPPED`, `TRUNCATED` or `REFUSED`.
        prompt_tokens: tokens that were read.
        completion_tokens: tokens that were written.
    """

    text: str
    finish: str = STOPPED
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def bounded(self) -> "Reply":
        """The same, at most `REPLY_CHARACTERS` long."""
        if len(self.text) <= REPLY_CHARACTERS:
            return self
        return replace(self, text=self.text[:REPLY_CHARACTERS], finish=TRUNCATED)

    def as_dict(self) -> dict[str, Any]:
        """JSON values, from which `of_dict` makes the same reply."""
        return dict(vars(self))

    @classmethod
    def of_dict(cls, values: Any) -> "Reply | None":
        """The reply that `as_dict` told of; None for other values."""
        try:
            STORED.check(values, "")
        except Misfit:
            return None
        return cls(**values)


STORED = Record(
    {
        "text": Text(),
        "finish": Text(f"{STOPPED}|{TRUNCATED}|{REFUSED}"),
        "prompt_tokens": Whole(0),
        "completion_tokens": Whole(0),
    }
)
"""What `Reply.as_dict` gives."""


class Engine(ABC):
    """Interface of what runs a language model."""

    name: ClassVar[str]
    """What plans call it, before a colon."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What replies depend on besides prompts, as JSON values: the model; no addresses, no secrets."""

    @abstractmethod
    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        """Replies as they come, each with the index of its prompt; one for each prompt, in any order.

        Raises:
            InputError: the model is not there.
            UnavailableError: the model cannot be run now. Replies that had come are given before.
        """

    def close(self) -> None:  # noqa: B027
        """Release what it holds."""
