"""Prints the version, where every place that names it agrees: `python release/versions.py [TAG]`.

Exits with 1 and what differs where the tag is not `v` and the version, or where one of `hiergeo/_core/version.py`,
CITATION.cff, the topmost heading of CHANGELOG.md and the conda recipe names another.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

PLACES = {
    "hiergeo/_core/version.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## (.+)$",
    "release/conda/recipe.yaml": r'^  version: "(.+)"$',
}
"""Files that name the version, and the first line of each that does."""


def named(root: Path) -> dict[str, str]:
    """The version that each place names; empty where a file has no such line."""
    found = {name: re.search(rule, (root / name).read_text(encoding="utf-8"), re.M) for name, rule in PLACES.items()}
    return {name: match[1] if match else "" for name, match in found.items()}


def main(words: Sequence[str]) -> int:
    places = named(ROOT) | {f"the tag {tag}": tag.removeprefix("v") if tag.startswith("v") else "" for tag in words}
    if len(set(places.values())) > 1 or not all(places.values()):
        print(*(f"{name}: {version or 'no version'}" for name, version in places.items()), sep="\n", file=sys.stderr)
        return 1
    print(*set(places.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
