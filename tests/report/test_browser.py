"""The report of a study in a real browser: headless Chromium, on a phone and on a desk, by light and by dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import hiergeo
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.report import write_audit, write_page
from tests.report.browser_common import CONTRAST, chromium, colours, logged, requests, resize, violations
from tests.report.scenes_common import HOSTILE, scenes_study

pytestmark = pytest.mark.slow  # a browser


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    path: Path = write_page(scenes_study(), tmp_path_factory.mktemp("study") / "study.html", images=2)
    return path.as_uri()


@pytest.fixture(scope="module")
def shorter(tmp_path_factory) -> tuple[Path, Path]:
    """The pages of a comparison and of an audit."""
    folder, scenes = tmp_path_factory.mktemp("shorter"), hiergeo.datasets.load("scenes", count=20)
    comparison = hiergeo.compare("tiny", scenes, ["euclidean", "lorentz:-1"], samples=20, steps=5)
    audit = hiergeo.audit("tiny", scenes, "lorentz:-1", AuditSettings(steps=5))
    return write_page(comparison, folder / "comparison.html", images=2), write_audit(audit, folder / "audit.html")


@pytest.fixture(scope="module")
def page(browser, address):
    """The browser with the report open, on a desk."""
    resize(browser, 1280)
    browser.get(address)
    return browser


def script(page, code: str, *arguments):
    return page.execute_script(code, *arguments)


def press(page, *keys: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        ActionChains(page).send_keys(getattr(Keys, key)).perform()


def current(page) -> str:
    return script(page, "return document.querySelector('.facts .current').textContent")


def test_nothing_is_logged_and_nothing_is_asked_of_the_network(page, address):
    logged(page), requests(page)
    page.get(address)
    assert logged(page) == []
    assert set(requests(page)) == {address}
    assert page.title.startswith("Study of tiny on scenes test")


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_line_is_wider_than_the_screen(page, width):
    resize(page, width)
    script(page, "document.querySelectorAll('details').forEach((each) => (each.open = true))")
    wide, room = script(page, "const d = document.documentElement; return [d.scrollWidth, d.clientWidth]")
    resize(page, 1280)
    assert (wide, room) == (width, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable(page, scheme):
    colours(page, scheme)
    paper = script(page, "return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(253, 252, 250)") == (scheme == "light")
    assert script(page, CONTRAST) == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_first_screen_says_what_was_found_in_a_sentence_and_a_picture(page, width, height):
    resize(page, width, height)
    script(page, "scrollTo(0, 0)")
    bottoms = script(
        page, "return [...document.querySelectorAll('h1, .summary svg')].map((e) => e.getBoundingClientRect().bottom)"
    )
    resize(page, 1280)
    assert len(bottoms) == 4
    assert max(bottoms) < height


def test_arrow_keys_walk_the_disk(page):
    script(page, "document.querySelector('.switch input').focus()")
    press(page, "ARROW_RIGHT", "TAB")
    focus = "return [document.activeElement.tagName, document.activeElement.getAttribute('aria-label')]"
    tag, label = script(page, focus)
    assert tag == "svg"
    assert label.startswith(script(page, "return document.querySelector('.switch input:checked + span').textContent"))
    outline = script(page, "return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    start = current(page)
    press(page, "ARROW_DOWN")
    inwards = current(page)
    assert inwards != start
    press(page, "ARROW_UP")
    assert current(page) == start
    press(page, "ARROW_RIGHT")
    assert current(page) != start
    press(page, "ARROW_LEFT")
    assert current(page) == start


def test_pointing_shows_the_caption_and_the_image(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    mark = script(
        page,
        """const marks = [...document.querySelectorAll('.view:not([hidden]) use.tier3[data-chain]')];
        const far = marks.find((mark) => mark.dataset.chain === arguments[0]);
        far.scrollIntoView({block: 'center'}); return far""",
        script(
            page,
            "return String([...document.querySelectorAll('#chains > li')].findIndex((li) => "
            "li.textContent.includes(arguments[0])))",
            HOSTILE,
        ),
    )
    ActionChains(page).move_to_element(mark).perform()
    assert HOSTILE in page.find_element(By.CSS_SELECTOR, ".facts").text
    assert "r = " in current(page)
    assert script(page, "return document.querySelector('.facts img').naturalWidth") > 50
    assert len(page.find_elements(By.CSS_SELECTOR, ".view:not([hidden]) .lit .link")) == 2
    assert page.title.startswith("Study")  # the caption's script did not run


def test_one_space_is_shown_at_a_time_and_all_of_them_on_paper(page):
    visible = "return [...document.querySelectorAll('.view')].map((view) => view.checkVisibility())"
    script(page, "document.querySelectorAll('.switch input')[2].click()")
    assert script(page, visible) == [False, False, True]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert script(page, visible) == [True, True, True]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert printed["data"].startswith("JVBERi")


def test_without_its_script_the_page_shows_every_space(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(address)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    shown = "return [...document.querySelectorAll('.view, .switch, .told')].map((part) => part.checkVisibility())"
    assert browser.execute_script(shown).count(True) == 3
    assert browser.execute_script("return document.querySelectorAll('button').length") == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_breaks_no_rule_of_access(browser, shorter, width, scheme):
    logged(browser), requests(browser)
    for path in shorter:
        resize(browser, width)
        colours(browser, scheme)
        browser.get(path.as_uri())
        assert violations(browser) == []
        assert script(browser, CONTRAST) == []
        assert script(browser, "return document.documentElement.scrollWidth") == width
        assert set(requests(browser)) == {path.as_uri()}
    assert logged(browser) == []


def test_the_page_of_a_study_breaks_no_rule_of_access(browser, address):
    """Its thousands of marks, all alike, are left out."""
    resize(browser, 390)
    browser.get(address)
    script(browser, "document.querySelectorAll('use[data-chain]').forEach((each) => each.remove())")
    assert violations(browser) == []
