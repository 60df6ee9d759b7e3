"""Pastes the tables and the picture of a run into the documentation: ``python -m benchmarks.paste DIR``."""

import argparse
import shutil
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="what --out named")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of the documentation")
    args = parser.parse_args()

    page = args.docs / "benchmarks.md"
    tables = (args.directory / "benchmarks.md").read_text(encoding="utf-8")
    picture = args.directory / "benchmarks.svg"
    if picture.exists():
        shutil.copy(picture, args.docs / "assets" / picture.name)
        tables += f"\n![Roofline, ratios and scaling](assets/{picture.name})\n"
    page.write_text(pasted(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


def pasted(page: str, tables: str) -> str:
    """`page` with `tables` in place of what is between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


if __name__ == "__main__":
    main()
