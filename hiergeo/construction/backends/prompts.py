"""Prompts that ask a language model for the texts of a chain, and its replies; the words are in ``prompt.jinja``.

Captions go into a prompt as JSON strings in a message of their own, with the characters that mark turns of a
conversation escaped, so that a caption cannot pass for an instruction or end its message.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, final

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import STRICT, validated

if TYPE_CHECKING:
    from jinja2 import Template

Made = TypeVar("Made")

TEMPLATE = Path(__file__).parents[1] / "prompt.jinja"

VERSION = "1"  # of the template and this module; a change of any prompt changes it. Enters keys and dataset cards.
CAPTION = "caption"  # key under which an answer repeats the caption that it is about

POSITIVES = (
    *("animal", "bird", "heron", "heron in water", "a heron standing in water"),
    "a grey heron standing in water",
    "a grey heron standing in shallow marsh water",
    "a grey heron with one bent leg standing in shallow marsh water at dawn",
)
NEGATIVES = (
    *("furniture", "horse", "eagle", "heron in flight", "a heron asleep in its nest"),
    "a white heron standing in water",
    "a grey heron standing in a tiled fountain",
    "a grey heron with both legs straight standing in shallow marsh water at noon",
)
"""The example of every prompt, of which as many tiers are shown as are wanted."""

ESCAPED = {code: f"\\u{code:04x}" for code in (*map(ord, "<>[]"), *range(0xD800, 0xE000))}
"""Characters that open and close marks such as ``<|im_end|>`` and ``[INST]``, and halves of surrogate pairs, which
UTF-8 cannot write, as JSON may write them."""

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

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the answer."""
        properties = {name: {"type": "string"} for name in self.names}
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


def generalising(caption: str, tiers: int) -> Prompt:
    """Ask for `tiers` - 1 texts that are more general than a caption, the most specific first."""
    requested = _names("positive", tiers)[:-1]
    return _prompt("generalise", tiers, {CAPTION: caption}, requested, requested[::-1])


def contradicting(chain: Sequence[str]) -> Prompt:
    """Ask for a text that contradicts each of a chain."""
    tiers = len(chain)
    given, requested = dict(zip(_names("positive", tiers), chain, strict=True)), _names("negative", tiers)
    return _prompt("contradict", tiers, given, requested, requested)


def instructions(tiers: int) -> dict[str, str]:
    """The instructions of each stage."""
    chain = tuple(f"text {tier}" for tier in range(tiers))
    return {"generalise": generalising(chain[-1], tiers).system, "contradict": contradicting(chain).system}


def _quoted(values: Mapping[str, str]) -> str:
    """Texts by name as JSON in which no character can end a message or open another."""
    return json.dumps(dict(values), ensure_ascii=False).translate(ESCAPED)


def _names(side: str, tiers: int) -> tuple[str, ...]:
    return tuple(f"{side}_{tier}" for tier in range(1, tiers + 1))


def _prompt(
    stage: str, tiers: int, given: Mapping[str, str], requested: tuple[str, ...], written: tuple[str, ...]
) -> Prompt:
    """The prompt of a stage about texts by name, with an example of as many tiers, evenly taken out of the longest."""
    rows = [(tier * (len(POSITIVES) - 1) * 2 + tiers - 1) // (2 * (tiers - 1)) for tier in range(tiers)]
    example = dict(zip(_names("positive", tiers), (POSITIVES[row] for row in rows), strict=True))
    example |= dict(zip(_names("negative", tiers), (NEGATIVES[row] for row in rows), strict=True))
    example[CAPTION], names = example[f"positive_{tiers}"], (CAPTION, *written)
    shown, answer = (_quoted({name: example[name] for name in keys}) for keys in (given, names))
    system = _template().render(stage=stage, tiers=tiers, names=names, given=shown, answer=answer)
    texts = tuple(given.values())
    return Prompt(system, _quoted(given), texts[-1], names, requested, texts)


@cache
def _template() -> "Template":
    from jinja2 import StrictUndefined, Template

    return Template(TEMPLATE.read_text("utf-8"), undefined=StrictUndefined)
