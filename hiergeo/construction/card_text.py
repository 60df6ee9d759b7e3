"""The README.md of a card: a head that hubs of datasets read, tables, and what a user has to know."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hiergeo._core.text import tame

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Categories of hubs by the rows below which they end."""

LARGEST = "1M<n<10M"

WITH_NEGATIVES = {"train": "train.csv", "test": "test_expanded.csv", "reviewed": "reviewed_expanded.csv"}
"""The file of a split that hubs show."""

LICENCE_WARNING = (
    "**No licence is stated.** Before you share or use this data, find out what the licences of the captions, of the "
    "images and of the model that wrote the texts allow, and write it into the plan (`licence`)."
)

EXPLAINED = {
    "positive": "texts joined by ` => `, general to specific",
    "negative": "for each of them a text that contradicts it",
    "image_url": "address of the image; no image is part of this data",
}


def readme(card: Mapping[str, Any]) -> str:
    """The text of the README.md of a card."""
    parts = (
        _head(card),
        *_about(card),
        *_splits(card),
        *_dropped(card),
        *_leakage(card),
        *_quality(card),
        *_made(card),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(card: Mapping[str, Any]) -> str:
    rows = sum(split["rows"] for split in card["splits"].values())
    licence = str(card["licence"])
    named = re.fullmatch(r"[A-Za-z0-9.-]+", licence)
    told: list[tuple[str, Any]] = [("pretty_name", card["title"])]
    if licence.startswith("unknown"):
        told.append(("license", "unknown"))
    else:
        told += [("license", licence.lower())] if named else [("license", "other"), ("license_name", licence)]
    if _is_english(card.get("plan", {})):
        told.append(("language", ["en"]))
    told.append(("size_categories", [next((name for most, name in SIZES if rows < most), LARGEST)]))
    told.append(("tags", ["hiergeo", "hierarchy", "textual-entailment", "image-text"]))
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in told]
    shown = {name: WITH_NEGATIVES.get(name, "") for name in card["splits"]}
    paths = {name: path if path in card["files"] else f"{name}.csv" for name, path in shown.items()}
    files = [f"  - split: {name}\n    path: {path}" for name, path in paths.items()]
    return "\n".join(("---", *lines, "configs:", "- config_name: default\n  data_files:", *files, "---"))


def _is_english(plan: Mapping[str, Any]) -> bool:
    language = plan.get("language")
    backend = plan.get("backend")
    name = backend.get("name") if isinstance(backend, Mapping) else backend
    return language == "en" or (language == "auto" and name == "wordnet")


def _about(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {plain(card['title'])}"
    tiers = len(next(iter(card["splits"].values()))["tiers"])
    source = f"the captions of {plain(card['source'])}" if card["source"] else "captions"
    yield (
        f"Chains of {tiers} texts from general to specific, with contradicting texts, in the format of HierarCaps, "
        f"made from {source} by hiergeo {plain(card['hiergeo'])}. Nobody wrote or checked them by hand unless a split "
        "is called `reviewed`."
    )
    known = not str(card["licence"]).startswith("unknown")
    yield f"Licence: {plain(card['licence'])}" + ("." if not known else "")
    if not known:
        yield LICENCE_WARNING
    yield "\n".join(f"- `{name}`: {text}." for name, text in EXPLAINED.items())
    yield '```python\nimport hiergeo\n\nchains = hiergeo.datasets.load("chains:.", split="test")  # in this folder\n```'


def _splits(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Splits"
    yield table(
        ("split", "rows", "images", "rows with negatives"),
        ((name, split["rows"], split["images"], split["negative_rows"]) for name, split in card["splits"].items()),
    )
    for name in ("test", "reviewed"):
        if {"train", name} <= set(card["splits"]):
            shared = card[f"images_in_train_and_{name}"]
            yield (
                f"**Images that are in both train and {name}: {shared:,}.**"
                if shared
                else f"No image is in both train and {name}."
            )
    yield table(
        ("split", "tier", "distinct texts", "words (mean)", "least", "most"),
        (
            (
                name,
                f"{kind} {tier}",
                held["distinct"],
                f"{held['mean_words']:.2f}",
                held["least_words"],
                held["most_words"],
            )
            for name, split in card["splits"].items()
            for kind, key in (("positive", "tiers"), ("negative", "negative_tiers"))
            for tier, held in enumerate(split[key])
        ),
    )


def _dropped(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## What was left out"
    count = sum(sum(reasons.values()) for reasons in card["dropped"].values())
    if not count:
        yield "Nothing was left out."
        return
    yield f"Of {card.get('captions', 0):,} captions {count:,} were left out; `dropped.csv` has the reason of each."
    yield table(
        ("stage", "reason", "captions"),
        ((stage, reason, n) for stage, reasons in card["dropped"].items() for reason, n in reasons.items()),
    )


def _leakage(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Leakage"
    held = card["leakage"]
    found = [
        (split, against, kind, count)
        for split, others in held.get("counts", {}).items()
        for against, counts in others.items()
        for kind, count in counts["kinds"].items()
        if count
    ]
    compared = sorted({against for others in held.get("counts", {}).values() for against in others})
    if found:
        yield "Rows that share an image or a text with other sets; `leakage.csv` lists them."
        yield table(("split", "with", "shared", "rows"), found)
    elif compared:
        yield f"No row shares an image or its most specific text with {', '.join(map(plain, compared))}."
    tiers = [
        (split, against, *counts["rows_with_a_shared_text_by_tier"])
        for split, others in held.get("counts", {}).items()
        for against, counts in others.items()
    ]
    if tiers:
        yield "Rows whose text at each tier, general to specific, occurs there at any tier:"
        width = max(map(len, tiers))
        yield table(("split", "with", *(f"tier {i}" for i in range(width - 2))), tiers)
    for name, why in held.get("unchecked", {}).items():
        yield f"**Not compared with {plain(name)}**: {plain(why)}"
    if not (compared or held.get("unchecked")):
        yield "**Compared with no other set.** `hiergeo chains leaks` does so."


def _quality(card: Mapping[str, Any]) -> Iterator[str]:
    for split, metrics in card["quality"].items():
        yield f"## Quality of {plain(split)}"
        yield table(("metric", "value"), ((name, f"{value:.4g}") for name, value in metrics.items()))


def _made(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## How it was made"
    for name in ("backend", "judge", "plan", "usage"):
        if card.get(name):
            yield f"{name.capitalize()}:"
            yield fenced(json.dumps(card[name], indent=2, ensure_ascii=False), "json")
    for name, text in card.get("prompts", {}).items():
        yield f"Prompt `{plain(name)}`:"
        yield fenced(str(text), "text")
    yield f"SHA-256 over the data files: `{card['data_sha256']}`."


def plain(text: object) -> str:
    """Text from outside as Markdown that shows it as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|&~])", r"\\\1", " ".join(tame(str(text)).split()))


def fenced(text: str, kind: str) -> str:
    """Text as a block of code, whatever it holds."""
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=2) + 1)
    fence = ticks if len(ticks) > 2 else "```"
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    cells = [[f"{each:,}" if isinstance(each, int) else plain(each) for each in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
