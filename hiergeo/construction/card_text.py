"""The README.md of a dataset card: what the template beside this module shows of the JSON."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiergeo._core import markdown

TEMPLATE = Path(__file__).parent / "dataset_card.md.jinja"

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Categories of hubs by the rows below which they end."""

LARGEST = "1M<n<10M"

WITH_NEGATIVES = {"train": "train.csv", "test": "test_expanded.csv"}
"""The file of a split that hubs show."""


def readme(card: Mapping[str, Any]) -> str:
    """The text of the README.md of a card."""
    splits, leakage = card["splits"], card["leakage"]
    leaks = leakage.get("counts", {})
    compared = [(split, against, counts) for split, others in leaks.items() for against, counts in others.items()]
    shared_texts = [(split, against, *each["rows_with_a_shared_text_by_tier"]) for split, against, each in compared]
    return markdown.card(
        "DatasetCard",
        TEMPLATE,
        _head(card),
        card=card,
        unlicensed=_unlicensed(card),
        tiers=len(next(iter(splits.values()))["tiers"]),
        splits=[(name, each["rows"], each["images"], each["negative_rows"]) for name, each in splits.items()],
        shared_images=card["images_in_train_and_test"] if {"train", "test"} <= set(splits) else None,
        words=[
            (name, f"{kind} {tier}", n["distinct"], f"{n['mean_words']:.2f}", n["least_words"], n["most_words"])
            for name, split in splits.items()
            for kind, key in (("positive", "tiers"), ("negative", "negative_tiers"))
            for tier, n in enumerate(split[key])
        ],
        dropped=[(stage, reason, n) for stage, reasons in card["dropped"].items() for reason, n in reasons.items()],
        leaks=[
            (split, against, kind, count)
            for split, against, each in compared
            for kind, count in each["kinds"].items()
            if count
        ],
        compared=", ".join(sorted({markdown.plain(against) for _, against, _ in compared})),
        shared_texts=shared_texts,
        tier_names=[f"tier {tier}" for tier in range(max(map(len, shared_texts), default=2) - 2)],
        unchecked=leakage.get("unchecked", {}),
        as_json=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    )


def _head(card: Mapping[str, Any]) -> dict[str, Any]:
    """What hubs read."""
    licence = str(card["licence"])
    named = re.fullmatch(r"[A-Za-z0-9.-]+", licence)
    rows = sum(split["rows"] for split in card["splits"].values())
    paths = {name: WITH_NEGATIVES.get(name, "") for name in card["splits"]}
    files = [{"split": name, "path": path if path in card["files"] else f"{name}.csv"} for name, path in paths.items()]
    head = {
        "pretty_name": card["title"],
        "license": "unknown" if _unlicensed(card) else licence.lower() if named else "other",
        "license_name": None if named or _unlicensed(card) else licence,
        "language": ["en"] if _is_english(card.get("plan", {})) else None,
        "size_categories": [next((name for most, name in SIZES if rows < most), LARGEST)],
        "tags": ["hiergeo", "hierarchy", "textual-entailment", "image-text"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return {name: value for name, value in head.items() if value is not None}


def _unlicensed(card: Mapping[str, Any]) -> bool:
    return str(card["licence"]).startswith("unknown")


def _is_english(plan: Mapping[str, Any]) -> bool:
    backend = plan.get("backend")
    name = backend.get("name") if isinstance(backend, Mapping) else backend
    return plan.get("language") == "en" or name == "wordnet"
