"""What a build made, and its card: the README.md that hubs of datasets read, by `DatasetCard` of huggingface_hub.

The card holds no date and no absolute path: the same build has the same card, byte for byte.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hiergeo._core import markdown
from hiergeo._core.storage.files import sha256
from hiergeo._core.text import without_folders
from hiergeo._core.version import __version__
from hiergeo.construction import splitting
from hiergeo.construction.build_plan import TABLES, BuildPlan
from hiergeo.construction.leakage import KINDS, Leakage

README = "README.md"

TEMPLATE = Path(__file__).parent / "dataset_card.md.jinja"

UNSTATED = "unknown: the licences of the captions, of the images and of the model that wrote the texts decide"

ABSENT = "it was not on the machine; where it is, `hiergeo chains leaks` compares with it."
"""What the card says of a set that could not be compared: why is a matter of the machine."""


@final
@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        folder: of its files.
        rows: captions that were read, unreadable rows among them.
        train: rows of the train split.
        test: rows of the test split.
        images: distinct images of the train and of the test split.
        dropped: (stage, reason) -> rows that were dropped there for it.
        made: shards that this run made; the others were there.
        usage: what the backend used for the stored texts, in this run and before: ``prompt_tokens``, ...
        finished: False after a part of the shards, which leaves the files of the splits to the last run.
    """

    folder: Path
    rows: int
    train: int = 0
    test: int = 0
    images: tuple[int, int] = (0, 0)
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    made: int = 0
    usage: Mapping[str, float] = field(default_factory=dict)
    finished: bool = True

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the result by name: rows, kept, train, test, images, dropped and usage."""
        whole = self.train + self.test
        numbers: dict[str, float] = {
            "rows": self.rows,
            "kept": whole,
            "dropped": sum(self.dropped.values()),
            "train": self.train,
            "test": self.test,
            "train_images": self.images[0],
            "test_images": self.images[1],
            "test_fraction": self.test / whole if whole else 0.0,
        }
        drops = {f"dropped/{stage}/{reason}": float(count) for (stage, reason), count in self.dropped.items()}
        return numbers | drops | {f"usage/{name}": value for name, value in self.usage.items()}


def readme(
    folder: Path,
    plan: BuildPlan,
    source: str,
    built: Built,
    leaks: Leakage,
    identities: Mapping[str, Any],
    prompts: Mapping[str, str],
) -> str:
    """The text of the card of the data files in a folder, with what wrote and judged the texts, and prompts by name."""
    parts = (("train", splitting.TRAIN, built.train), ("test", splitting.EXPANDED, built.test))
    splits = [(*part, images) for part, images in zip(parts, built.images, strict=True) if part[2]]
    table = plan.as_table()
    for part in TABLES:
        if part in table:
            table[part]["name"] = without_folders(table[part]["name"])
    facts = {**identities, "usage": built.usage, "plan": table}
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
        captions=built.rows,
        splits=[(name, rows, images) for name, _, rows, images in splits],
        dropped=[(stage, reason, count) for (stage, reason), count in built.dropped.items()],
        leaks=[(*key, leaks.counts[key]) for key in order],
        compared=markdown.plain(", ".join(leaks.against)),
        unchecked=dict.fromkeys(leaks.unchecked, ABSENT),
        made={name: value for name, value in facts.items() if value},
        prompts=prompts,
        hashes=[(path.name, sha256(path)) for path in sorted(folder.glob("*.csv"))],
        as_json=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    )


def _head(plan: BuildPlan, title: str, splits: Sequence[tuple[str, str, int, int]]) -> dict[str, Any]:
    """What hubs read."""
    is_identifier = bool(re.fullmatch(r"[A-Za-z0-9.-]+", plan.licence))
    files = [{"split": name, "path": path} for name, path, _, _ in splits]
    head = {
        "pretty_name": title,
        "license": "unknown" if not plan.licence else plan.licence.lower() if is_identifier else "other",
        "license_name": plan.licence if plan.licence and not is_identifier else None,
        "language": ["en"] if plan.backend == "wordnet" else None,
        "tags": ["hiergeo", "hierarchy", "textual-entailment", "image-text"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return {name: value for name, value in head.items() if value is not None}
