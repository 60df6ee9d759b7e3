"""What runs a language model: prompts in, replies out, whatever runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, final

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import STRICT, validated

Made = TypeVar("Made")

STOPPED: Final = "stop"
TRUNCATED: Final = "length"
REFUSED: Final = "refused"
"""How a reply ended: by itself, at the limit of tokens, or because the model or its endpoint declined."""


@final
@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the likeliest token; at most 2.
        top_p: the likeliest tokens whose probabilities sum to this are chosen from; in (0, 1].
        max_tokens: of a reply.
        seed: of the choice.
    """

    __pydantic_config__ = STRICT

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1 << 16)] = 512
    seed: int = 0


DEFAULT_SAMPLING = Sampling()


def checked(kind: type[Made], options: Mapping[str, Any], source: str) -> Made:
    """A dataclass made of options by name; errors name their source.

    Raises:
        InputError: an option that does not exist (the nearest one is suggested), or a value that does not fit.
    """
    try:
        return validated(kind, dict(options))
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


@final
@dataclass(frozen=True)
class Prompt:
    """What a model is asked.

    Attributes:
        system: what to do.
        user: what to do it with, JSON.
        caption: the text that the answer has to repeat under ``caption``.
        names: keys of the JSON object to answer with, all of them strings, in the order in which they are written.
        asked: those of the texts that are asked for, in the order in which a `Proposal` has them.
        taken: texts that the answer must not repeat: those that the chain has.
        sampling: how the answer is chosen.
    """

    system: str
    user: str
    caption: str
    names: tuple[str, ...]
    asked: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    sampling: Sampling = DEFAULT_SAMPLING

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as a conversation."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    def schema(self, fixed: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON schema of the answer.

        Args:
            fixed: texts that are written out, by name; not every server understands a schema that has some.
        """
        constants = {name: {"const": text} for name, text in (fixed or {}).items()}
        properties = {name: constants.get(name, {"type": "string"}) for name in self.names}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


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

    __pydantic_config__ = STRICT

    text: str
    finish: Literal["stop", "length", "refused"] = STOPPED
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    completion_tokens: Annotated[int, Field(ge=0)] = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON values, from which `of_dict` makes the same reply."""
        return dict(vars(self))

    @classmethod
    def of_dict(cls, values: Any) -> "Reply | None":
        """The reply that `as_dict` told of; None for other values."""
        try:
            reply = validated(cls, values)
        except ValueError:
            return None
        return reply if reply.as_dict() == values else None


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

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds."""
