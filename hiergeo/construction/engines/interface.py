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
    """How the next token is chosen: by `temperature` (0 takes the likeliest), among the likeliest tokens whose
    probabilities sum to `top_p`, with a `seed`; `max_tokens` are those of a reply."""

    __pydantic_config__ = STRICT

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1 << 16)] = 512
    seed: int = 0


DEFAULT_SAMPLING = Sampling()


def checked(kind: type[Made], options: Mapping[str, Any], source: str) -> Made:
    """A dataclass made of options by name; raises InputError, which names the source, for one that does not fit."""
    try:
        return validated(kind, dict(options))
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


@final
@dataclass(frozen=True)
class Prompt:
    """What a model is asked: what to do, and as JSON what to do it with.

    The answer is a JSON object of strings with the keys `names`, in the order in which they are written. It repeats
    the `caption`, and no text that the chain has, those `taken`; a `Proposal` has the `requested` ones in their order.
    """

    system: str
    user: str
    caption: str
    names: tuple[str, ...]
    requested: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    sampling: Sampling = DEFAULT_SAMPLING

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as a conversation."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    def schema(self, **constants: str) -> dict[str, Any]:
        """The JSON schema of the answer, with texts that are written out, which not every server understands."""
        properties = {
            name: {"const": constants[name]} if name in constants else {"type": "string"} for name in self.names
        }
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@final
@dataclass(frozen=True)
class Reply:
    """What a model answered: the text or why there is none, how it ended, and the tokens that it read and wrote."""

    __pydantic_config__ = STRICT

    text: str
    finish: Literal["stop", "length", "refused"] = STOPPED
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    completion_tokens: Annotated[int, Field(ge=0)] = 0


class Engine(ABC):
    """Interface of what runs a language model; `name` is what plans call it, before a colon."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What replies depend on besides prompts, as JSON values: the model; no addresses, no secrets."""

    @abstractmethod
    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        """A reply for each prompt as it comes, with the index of the prompt; InputError if the model is not there, and
        UnavailableError, after the replies that had come, if it cannot be run now."""

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds."""
