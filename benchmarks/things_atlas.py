"""How the pictures of scenes were made: ``python -m benchmarks.things_atlas FONT OUT`` draws them anew.

FONT is ``NotoColorEmoji.ttf`` with its bitmaps of 136 x 128 pixels (Debian: fonts-noto-color-emoji).
"""

import csv
from pathlib import Path

import typer
from PIL import Image, ImageDraw, ImageFont

from hiergeo.datasets.scenes.things import COLUMNS, TABLE, TILE

BITMAPS = 109
"""The only size at which the font has pictures."""

COLOURS = 64
"""Colours of a picture, whose transparency counts as one of their parts."""


def make(font: Path, out: Path) -> None:
    """Draw the picture of every character of the table into one file, ``COLUMNS`` in a row."""
    letters = ImageFont.truetype(str(font), BITMAPS)
    with TABLE.open(encoding="utf-8", newline="") as lines:
        characters = [row["picture"] for row in csv.DictReader(lines)]
    atlas = Image.new("RGBA", (TILE * COLUMNS, TILE * -(-len(characters) // COLUMNS)))
    for at, character in enumerate(characters):
        canvas = Image.new("RGBA", (140, 140))
        ImageDraw.Draw(canvas).text((2, 6), character, font=letters, embedded_color=True)
        drawn = canvas.crop(canvas.getbbox())
        drawn.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
        drawn = drawn.quantize(COLOURS, Image.Quantize.FASTOCTREE).convert("RGBA")
        atlas.paste(drawn, (TILE * (at % COLUMNS), TILE * (at // COLUMNS)))
    atlas.save(out, "WEBP", lossless=True, method=6)


if __name__ == "__main__":
    typer.run(make)
