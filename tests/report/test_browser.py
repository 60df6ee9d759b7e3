"""Report pages in headless Chromium: what was found at once, the rest folded, fingers hit, nobody is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hiergeo
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.report import write_audit, write_leaderboard, write_page
from hiergeo.report.classified import write_classified
from hiergeo.training import suite
from tests.report.browser_common import CONTRAST, chromium, colours, logged, requests, resize, violations
from tests.report.explorer.test_phone import FINE, HEIGHT, SMALL, WIDTH
from tests.report.scenes_common import scenes_study
from tests.training.suite.suite_common import PLAN, plan, register

pytestmark = pytest.mark.slow  # a browser

SCREENS = 6

OPENED = "document.querySelectorAll('details').forEach((each) => (each.open = true))"

FIRST = """return ['h1', '.summary svg, #levels', '#results, main section:not(#levels)'].map((each) =>
  document.querySelector(each).getBoundingClientRect().top + scrollY)"""
"""Where the sentence, the picture and the results begin."""

FOLDED = """return [...document.querySelectorAll('.unfold:not([open]) > :not(.downloads, summary)')].filter((each) =>
  !each.checkVisibility()).length"""
"""How many parts of folds are out of sight."""

DESK = 2500
"""Pixels of a page at 1280 until something is unfolded."""


def comparison(path: Path) -> Path:
    geometries = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]
    scenes = hiergeo.datasets.load("scenes", count=20)
    return write_page(hiergeo.compare("tiny", scenes, geometries, samples=20, steps=5), path)


def pairs(path: Path) -> Path:
    geometries = ["euclidean", "lorentz:-1", "product:lorentz:-1x32,euclidean:x32"]
    scenes = hiergeo.datasets.load("scenes", count=20)
    return write_page(hiergeo.compare("tiny", scenes, geometries, "pairs", samples=20), path)


def audit(path: Path) -> Path:
    scenes = hiergeo.datasets.load("scenes", count=20)
    return write_audit(hiergeo.audit("tiny", scenes, "lorentz:-1", AuditSettings(steps=5)), path)


def study(path: Path) -> Path:
    return write_page(scenes_study(), path)


def leaderboard(path: Path) -> Path:
    """Of five rows and ten benchmarks."""
    entry = "[[benchmarks]]\nname = 'radius'\ntitle = 'Benchmark {0}'\nbar = 1.{0}\n"
    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        table = suite.run(plan(PLAN + "".join(map(entry.format, range(60, 68)))), path.with_suffix(""))
        return write_leaderboard(table, path)


def placed(path: Path) -> Path:
    scenes = hiergeo.datasets.load("scenes", count=60)
    found = hiergeo.classify([row.positive[-1] for row in scenes.rows], "scenes", model="tiny")
    return write_classified(found, path)


PAGES: dict[str, Callable[[Path], Path]] = {
    make.__name__: make for make in (comparison, pairs, audit, study, leaderboard, placed)
}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module", params=PAGES)
def address(request, tmp_path_factory) -> str:
    return PAGES[request.param](tmp_path_factory.mktemp("page") / "page.html").as_uri()


def test_a_page_is_short_until_it_is_unfolded_and_fingers_hit(browser, address):
    resize(browser, WIDTH, HEIGHT)
    browser.get(address)
    sentence, picture, results = browser.execute_script(FIRST)
    assert sentence <= 220
    assert picture < HEIGHT
    assert sentence < picture < results
    folded = browser.execute_script("return document.documentElement.scrollHeight")
    assert folded <= SCREENS * HEIGHT
    assert browser.execute_script(SMALL) == []
    browser.execute_script(OPENED)
    assert browser.execute_script("return document.documentElement.scrollHeight") > folded
    assert [each for each in browser.execute_script(SMALL) if "<a " not in each] == []  # links stand in sentences
    assert [each for each, _ in browser.execute_script(FINE) if each != "d"] == []  # the index of tau is small


def test_sections_are_folded_on_a_desk_too_and_open_on_paper(browser, address):
    resize(browser, 1280)
    browser.get(address)
    assert browser.execute_script("return document.documentElement.scrollHeight") <= DESK
    assert browser.execute_script(FOLDED) > 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(FOLDED) == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (1280, "light")])
def test_a_page_breaks_no_rule_of_access_and_asks_nobody(browser, address, width, scheme):
    logged(browser), requests(browser)
    resize(browser, width)
    colours(browser, scheme)
    browser.get(address)
    assert violations(browser) == []
    browser.execute_script(OPENED)
    assert browser.execute_script(CONTRAST) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert set(requests(browser)) == {address}
    assert logged(browser) == []
