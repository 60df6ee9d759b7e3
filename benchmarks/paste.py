"""Pastes the tables of a run into the notes and its picture into the documentation: `python -m benchmarks.paste DIR`."""

import argparse
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="what --out named")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    args = parser.parse_args()

    page = args.root / "benchmarks" / "notes" / "benchmarks.md"
    tables = (args.directory / "benchmarks.md").read_text(encoding="utf-8")
    picture = args.directory / "benchmarks.svg"
    if picture.exists():
        shutil.copy(picture, args.root / "docs" / "assets" / picture.name)
        tables += f"\n![Roofline, ratios and scaling](../../docs/assets/{picture.name})\n"
    page.write_text(pasted(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


def pasted(page: str, tables: str) -> str:
    """`page` with `tables` in place of what is between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


if __name__ == "__main__":
    main()
