"""The dataset card of a build: the README.md that hubs of datasets read, by `DatasetCard` of huggingface_hub.

It holds no date and no absolute path: the same build has the same card, byte for byte.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiergeo._core import markdown
from hiergeo._core.storage.files import sha256
from hiergeo._core.version import __version__
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.leakage import KINDS, Leakage

README = "README.md"

TEMPLATE = Path(__file__).parent / "dataset_card.md.jinja"

UNSTATED = "unknown: the licences of the captions, of the images and of the model that wrote the texts decide"

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Categories of hubs by the rows below which they end."""

ABSENT = "it was not on the machine; where it is, `hiergeo chains leaks` compares with it."
"""What the card says of a set that could not be compared: why is a matter of the machine."""


def readme(
    folder: Path,
    plan: BuildPlan,
    source: str,
    captions: int,
    splits: Mapping[str, tuple[str, int, int]],
    dropped: Mapping[tuple[str, str], int],
    leaks: Leakage,
    facts: Mapping[str, Any],
    prompts: Mapping[str, str],
) -> str:
    """The text of the card.

    Args:
        folder: of the data files, whose hashes are told.
        plan: of the build.
        source: what the captions are called, without folders.
        captions: how many were read.
        splits: split -> the file that hubs show, its rows and its images.
        dropped: (stage, reason) -> how many captions were dropped there for it.
        leaks: what the splits share with other sets.
        facts: how the texts were made, JSON values by name: identities, usage.
        prompts: instructions to a language model by name.
    """
    order = sorted(leaks.counts, key=lambda key: (*key[:2], KINDS.index(key[2])))
    title = plan.title or f"Chains of {source or 'captions'}"
    return markdown.card(
        "DatasetCard",
        TEMPLATE,
        _head(plan, title, splits),
        plan=plan,
        title=title,
        licence=plan.licence or UNSTATED,
        source=source,
        version=__version__,
        captions=captions,
        splits=[(name, rows, images) for name, (_, rows, images) in splits.items()],
        dropped=[(stage, reason, count) for (stage, reason), count in dropped.items()],
        leaks=[(*key, leaks.counts[key]) for key in order],
        tiers=[(split, against, *counts) for (split, against), counts in leaks.tiers.items()],
        tier_names=[f"tier {tier}" for tier in range(plan.tiers)],
        compared=", ".join(sorted({markdown.plain(against) for _, against in leaks.tiers})),
        unchecked=dict.fromkeys(leaks.unchecked, ABSENT),
        made={name: portable(value) for name, value in {**facts, "plan": plan.as_table()}.items() if value},
        prompts=prompts,
        hashes=[(path.name, sha256(path)) for path in sorted(folder.glob("*.csv"))],
        as_json=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    )


def portable(value: Any) -> Any:
    """JSON values without the folders of absolute paths, which other machines do not have."""
    if isinstance(value, Mapping):
        return {name: portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"^([a-z_]+:)?(?:/(?!/)|~|[A-Za-z]:[\\/])(?:[^\n]*[\\/])?(?=[^\n\\/]+/?$)", r"\1", value)


def _head(plan: BuildPlan, title: str, splits: Mapping[str, tuple[str, int, int]]) -> dict[str, Any]:
    """What hubs read."""
    is_identifier = bool(re.fullmatch(r"[A-Za-z0-9.-]+", plan.licence))
    rows = sum(count for _, count, _ in splits.values())
    files = [{"split": name, "path": path} for name, (path, _, _) in splits.items()]
    head = {
        "pretty_name": title,
        "license": "unknown" if not plan.licence else plan.licence.lower() if is_identifier else "other",
        "license_name": plan.licence if plan.licence and not is_identifier else None,
        "language": ["en"] if plan.backend == "wordnet" else None,
        "size_categories": [next((name for most, name in SIZES if rows < most), "1M<n<10M")],
        "tags": ["hiergeo", "hierarchy", "textual-entailment", "image-text"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return {name: value for name, value in head.items() if value is not None}
