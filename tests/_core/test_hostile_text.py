"""Captions, file names and options that hold escapes, marks of direction, markup and line ends, through every verb."""

import csv
import re
import unicodedata

import pytest
from PIL import Image

from hiergeo.report.page import environment
from tests.report.page_common import read, scripts

COCO = "http://images.cocodataset.org/val2014/COCO_val2014_{:012d}.jpg"
HOSTILE = (
    "red \x1b[31m red \x1b]0;title\x07",
    "mark \u202e drow",
    "open \u2067\u2066 never closed",
    "</li><script>alert(1)</script> {{ 7 * 7 }} [bold]x[/]",
    "two\nlines\r\nand\u2028more\x07\x9b1m",
    "\u200e\u200f\u061c of no width",
    "left \u200e alone",
    "קבצים in another direction",
    "long " + "x" * 100_000,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data home whose test split is of hostile captions, with images."""
    folder = tmp_path / "home" / "hierarcaps"
    (folder / "images").mkdir(parents=True)
    with (folder / "hierarcaps_test.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "captions", "image_url"))
        for number, text in enumerate(HOSTILE, 1):
            writer.writerow((number, " => ".join(("a", f"b {number}", f"c {number}", text)), COCO.format(number)))
            name = folder / "images" / f"COCO_val2014_{number:012d}.jpg"
            Image.effect_noise((48, 48), 10 * number).convert("RGB").save(name)
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def harmless(printed: str) -> None:
    """Assert that a terminal shows it as text: no controls, and no mark of direction that reaches beyond its line."""
    for line in printed.split("\n"):
        assert not {character for character in line if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")}
        depth = 0
        for character in line:
            depth += character in "\u2066\u2067\u2068"
            depth -= character == "\u2069"
            assert depth >= 0
            assert depth or character not in "\u202a\u202b\u202c\u202d\u202e\u200e\u200f\u061c"
        assert depth == 0


def test_a_page_of_hostile_captions(run, home):
    code, out, err = run("compare", "-m", "tiny", "-g", "euclidean", "-g", "lorentz:-1", "--html", "page.html")
    assert code == 0, err
    harmless(out)
    page = read(home / "page.html")
    assert len(scripts(home / "page.html")) == len(page.having("script")) == 2
    whole = (home / "page.html").read_text(encoding="utf-8")
    assert not {character for character in whole if unicodedata.category(character) in ("Cc", "Zl", "Zp")} - {"\n"}
    assert "{{ 7 * 7 }}" in page.text
    assert len(whole) < 300_000
    isolates = re.findall(r"<bdi>(.*?)</bdi>", whole, re.DOTALL)
    assert any("\u202e" in each for each in isolates)
    harmless(re.sub(r"<bdi>(.*?)</bdi>", "", whole, flags=re.DOTALL))


def test_a_ladder_of_hostile_captions(run, home):
    name = "a\x1b[31m\u202egnp.jpg"
    Image.new("RGB", (40, 40), "red").save(home / name)
    lines = filter(None, (" ".join(text.split())[:60_000] for text in HOSTILE))
    (home / "captions.txt").write_text("\n".join(lines), encoding="utf-8")
    assert run("index", "build", "index", "-m", "tiny", "--captions", "captions.txt")[0] == 0
    code, out, err = run("search", "index", name, "--find", "ladder")
    assert code == 0, err
    harmless(out)
    assert len(out) < 20_000


def test_whatever_a_template_prints_is_text():
    assert environment().from_string("{{ x }}").render(x="a\x1b\ud800<\n") == "a\ufffd\ufffd&lt; "
