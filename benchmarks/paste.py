"""Pastes the tables and the picture of a run into the notes: ``python -m benchmarks.paste DIR``."""

import argparse
import shutil
from pathlib import Path

NOTES = Path(__file__).parent / "notes"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="what --out named")
    parser.add_argument("--notes", type=Path, default=NOTES, help="the folder of the notes")
    args = parser.parse_args()

    page = args.notes / "pair_operations.md"
    tables = (args.directory / "benchmarks.md").read_text(encoding="utf-8")
    picture = args.directory / "benchmarks.svg"
    if picture.exists():
        shutil.copy(picture, args.notes / picture.name)
        tables += f"\n![Roofline, ratios and scaling]({picture.name})\n"
    page.write_text(pasted(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


def pasted(page: str, tables: str) -> str:
    """`page` with `tables` in place of what is between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


if __name__ == "__main__":
    main()
