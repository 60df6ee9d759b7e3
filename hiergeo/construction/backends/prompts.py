"""Prompts that ask a language model for the texts of a chain; their words are in ``prompt.jinja``.

Captions go into a prompt as JSON strings in a message of their own, with the characters that mark turns of a
conversation escaped, so that a caption cannot pass for an instruction or end its message.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo.construction.engines.interface import Prompt

if TYPE_CHECKING:
    from jinja2 import Template

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
