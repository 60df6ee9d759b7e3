"""Tables and figures that pages give away: CSV with the numbers of the result, SVG that stands alone, PNG."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from hiergeo.report import write_leaderboard, write_page
from hiergeo.training import suite
from tests.report.browser_common import chromium, logged, resize, saved
from tests.report.scenes_common import HOSTILE, scenes_study
from tests.training.suite.suite_common import PLAN, plan, toys  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow  # a browser

SVG = "{http://www.w3.org/2000/svg}"
FORMULA = '=HYPERLINK("http://example.org";"click")'
TURNED = "\u202eabc <b>bold</b>, \u2067x"


@pytest.fixture(scope="module")
def study():
    """The study of scenes, two captions of which are a formula and one that turns its line round."""
    made = scenes_study()
    frozen = made.frozen
    _, second, third, *_ = frozen.hierarchy.rows
    told = {second.positive[-1]: FORMULA, third.positive[-1]: TURNED}
    rows = tuple(
        replace(row, positive=tuple(told.get(caption, caption) for caption in row.positive))
        for row in frozen.hierarchy.rows
    )
    texts = type(frozen.texts)(told.get(caption, caption) for caption in frozen.texts)
    return replace(made, frozen=replace(frozen, hierarchy=replace(frozen.hierarchy, rows=rows), texts=texts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def page(study, folder, tmp_path_factory) -> Iterator:
    """The browser with the page of the study, all of it unfolded."""
    path = write_page(study, tmp_path_factory.mktemp("page") / "study.html", images=60)
    with chromium(folder) as browser:
        resize(browser, 1280)
        browser.get(path.as_uri())
        browser.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        yield browser


@pytest.fixture(autouse=True)
def quiet(page) -> Iterator[None]:
    """No test leaves anything on the console, and loading the page does not either."""
    yield
    assert logged(page) == []


def download(page, folder: Path, name: str, kind: str) -> Path:
    """What the button of a table or figure saves, pressed by keyboard."""
    from selenium.webdriver.common.keys import Keys

    found = page.execute_script(
        """const part = [...document.querySelectorAll(`[data-download="${arguments[0]}"]`)]
          .find((each) => (each.localName === "figure") === (arguments[1] !== "CSV"));
        const row = part.localName === "figure" ? part : (part.closest(".scroll") ?? part).nextElementSibling;
        return [...row.querySelectorAll("button")].find((each) => each.textContent === arguments[1]);""",
        name,
        kind,
    )
    path = folder / f"hiergeo-{name}.{kind.lower()}"
    path.unlink(missing_ok=True)
    found.send_keys(Keys.ENTER)
    return saved(folder, path.name)


def table(page, folder: Path, name: str) -> list[dict[str, str]]:
    raw = download(page, folder, name, "CSV").read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert len(set(rows[0])) == len(rows[0])
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_the_table_of_results_holds_every_figure_unrounded(study, page, folder):
    rows = table(page, folder, "results")
    findings, (dim,) = study.board, study.board.dims
    assert [row["metric"] for row in rows] == list(findings.metrics(dim))
    for row in rows:
        for geometry in findings.geometries(dim):
            score = findings.score(row["metric"], geometry, dim)
            held = [row[geometry], row[f"{geometry} low"], row[f"{geometry} high"]]
            assert list(map(float, held)) == [score.value, *score.interval]
            assert row[f"{geometry} best"] == str(int(findings.is_best(row["metric"], geometry, dim)))


def test_captions_stay_text_and_are_never_formulas(study, page, folder):
    rows = table(page, folder, "ladders")
    captions = {row["caption"] for row in rows}
    assert {"true chain", "euclidean, before", "lorentz:-1, after"} <= {row["ladder"] for row in rows}
    assert {HOSTILE, f"'{FORMULA}"} <= captions
    (turned,) = (caption for caption in captions if "<b>bold</b>" in caption)
    assert turned.startswith(TURNED[:4])
    assert not any(caption.lstrip().startswith(tuple("=+-@\t")) for caption in captions)
    told = [row for row in rows if row["ladder"] == "euclidean, after" and row["true"] == "1"]
    assert told


@pytest.mark.parametrize("name", ["summary", "radii", "learning"])
def test_a_figure_stands_alone(page, folder, name):
    path = download(page, folder, name, "SVG")
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    width, height = (int(root.get(side)) for side in ("width", "height"))
    assert root.findtext(f"{SVG}title")
    names = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert not names & {"script", "foreignObject", "image", "style"}
    assert not any(key in ("class", "onload") for each in root.iter() for key in each.attrib)
    text = path.read_text(encoding="utf-8")
    assert "var(" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    targets = {each.get("id") for each in root.iter()}
    assert {each.get("href")[1:] for each in root.iter(f"{SVG}use")} <= targets
    boxes = root.findall(f"{SVG}svg")
    assert boxes
    for box in boxes:
        x, y, across, down = (float(box.get(side)) for side in ("x", "y", "width", "height"))
        assert 0 <= x <= x + across <= width
        assert 0 <= y <= y + down <= height

    with Image.open(download(page, folder, name, "PNG")) as picture:
        assert picture.size == (2 * width, 2 * height)
        shades = picture.convert("L")
        assert shades.getpixel((2, 2)) == 255
        assert shades.getextrema()[0] < 120


@pytest.mark.usefixtures("toys")
def test_names_of_models_stay_text_in_what_is_saved(page, folder, tmp_path):
    turned = "<img src=x onerror=a> \u202ex"
    text = PLAN.replace('name = "b"', f"name = '{FORMULA}'").replace('name = "c"', f"name = '{turned}'")
    table_of = suite.run(plan(text), tmp_path / "out")
    page.get(write_leaderboard(table_of, tmp_path / "page.html").as_uri())
    page.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    (board, *_) = table_of.standings
    saved_rows = table(page, folder, "benchmark0")
    rows = {(row["model"].strip("\u2068\u2069"), row["model space"]): row for row in saved_rows}
    for row in board.measured:
        found = rows[f"'{FORMULA}" if row.model == FORMULA else row.model, row.space]
        assert float(found["share"]) == board.measured[row].metrics["share"]
        assert [float(found["share low"]), float(found["share high"])] == list(board.measured[row].intervals["share"])
    root = ElementTree.parse(download(page, folder, "summary", "SVG")).getroot()
    told = " ".join(root.itertext())
    assert "=HYPERLINK(" in told
    assert "<img" in told
    assert not any(each.tag.endswith("img") for each in root.iter())
