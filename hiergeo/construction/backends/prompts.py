"""Prompts that ask a language model for the texts of a chain; their words are in ``prompt.jinja``.

Captions go into a prompt as JSON strings in a message of their own, with the characters that mark turns of a
conversation escaped, so that a caption cannot pass for an instruction or end its message.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo.construction.backends import Gap
from hiergeo.construction.engines.interface import Prompt

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).parents[1] / "prompt.jinja"

VERSION = "1"
"""Of the template and this module; a change of any prompt changes it. Enters keys and dataset cards."""

CAPTION = "caption"
"""Key under which an answer repeats the caption that it is about."""

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
"""The example of every prompt, of which as many tiers are shown as are asked for."""

ESCAPED = {code: f"\\u{code:04x}" for code in (*map(ord, "<>[]"), *range(0xD800, 0xE000))}
"""Characters that open and close marks such as ``<|im_end|>`` and ``[INST]``, and halves of surrogate pairs, which
UTF-8 cannot write, as JSON may write them."""


def generalising(caption: str, tiers: int) -> Prompt:
    """Ask for `tiers` - 1 texts that are more general than a caption."""
    asked = _names("positive", tiers)[:-1]
    return _prompt("generalise", tiers, {CAPTION: caption}, asked, asked[::-1])


def contradicting(chain: Sequence[str]) -> Prompt:
    """Ask for a text that contradicts each of a chain."""
    tiers = len(chain)
    asked = _names("negative", tiers)
    return _prompt("contradict", tiers, dict(zip(_names("positive", tiers), chain, strict=True)), asked, asked)


def completing(gap: Gap) -> Prompt:
    """Ask for the texts that are missing in a chain."""
    tiers = len(gap.positive)
    given = dict(zip(_names("positive", tiers), gap.positive, strict=True))
    given |= dict(zip(_names("negative", tiers), gap.negative, strict=True))
    asked = tuple(f"{side}_{tier + 1}" for side, tier in gap.missing)
    return _prompt("complete", tiers, given, asked, asked)


def instructions(tiers: int) -> dict[str, str]:
    """The instructions of each stage; those of `complete` for a chain without its first text and without negatives."""
    chain = tuple(f"text {tier}" for tier in range(tiers))
    return {
        "generalise": generalising(chain[-1], tiers).system,
        "contradict": contradicting(chain).system,
        "complete": completing(Gap((None, *chain[1:]), (None,) * tiers)).system,
    }


def quoted(values: Mapping[str, str | None]) -> str:
    """Texts by name as JSON in which no character can end a message or open another."""
    return json.dumps(dict(values), ensure_ascii=False).translate(ESCAPED)


def _names(side: str, tiers: int) -> tuple[str, ...]:
    return tuple(f"{side}_{tier}" for tier in range(1, tiers + 1))


def _example(tiers: int) -> dict[str, str]:
    """Both sides of the example chain with that many tiers, evenly taken out of the longest one."""
    rows = [(tier * (len(POSITIVES) - 1) * 2 + tiers - 1) // (2 * (tiers - 1)) for tier in range(tiers)]
    positives = dict(zip(_names("positive", tiers), (POSITIVES[row] for row in rows), strict=True))
    return positives | dict(zip(_names("negative", tiers), (NEGATIVES[row] for row in rows), strict=True))


def _prompt(
    stage: str, tiers: int, given: Mapping[str, str | None], asked: tuple[str, ...], written: tuple[str, ...]
) -> Prompt:
    """The prompt of a stage about texts by name, None for those that are missing."""
    example = _example(tiers)
    example[CAPTION], names = example[f"positive_{tiers}"], (CAPTION, *written)
    system = _template().render(
        stage=stage,
        tiers=tiers,
        names=names,
        given=quoted({name: None if text is None else example[name] for name, text in given.items()}),
        answer=quoted({name: example[name] for name in names}),
    )
    taken = tuple(text for text in given.values() if text is not None)
    return Prompt(
        system, quoted(given), given.get(CAPTION) or given.get(f"positive_{tiers}") or "", names, asked, taken
    )


@cache
def _template() -> "Template":
    from jinja2 import StrictUndefined, Template

    return Template(TEMPLATE.read_text("utf-8"), undefined=StrictUndefined)
