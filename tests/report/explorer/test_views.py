"""What is told of a space, in headless Chromium, against what was measured."""

import csv
import re
from dataclasses import replace

import pytest

from tests.report import browser_common
from tests.report.explorer.explorer_common import Page, explored, fixtures, small_collection

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

AT = """const panel = document.querySelector(arguments[0]);
const at = (name) => Number(panel.querySelector(name).getAttribute('x1'));
const base = panel.querySelector('.base');
return [at('.mark'), Number(base.getAttribute('x1')), Number(base.getAttribute('x2'))]"""
"""Place of the mark in a histogram of radii, and the ends of the axis."""


collection, files, page = fixtures()


def show(page: Page, fragment: str, ready: str, width: int = 1280) -> None:
    """Open a state of the page, and wait for what a selector names."""
    page.open(fragment, width)
    page.until("return document.querySelector(arguments[0]) && document.querySelector('.disc[data-drawn]')", ready)
    page.rest()


@pytest.mark.parametrize("key", ["0", "1"])
def test_a_space_is_told_below_its_disc_as_it_was_measured(page, collection, files, key):
    found = page.asked("audit", lens=key)
    show(page, f"lens={key}&q=a+trumpet", ".standing .finding")
    page.click(".standing > summary")
    page.until("return document.querySelector('.survey .panel') && document.querySelector('.strip .panel')")
    page.click(".survey > details > summary")
    page.until("return document.querySelectorAll('.survey .bars').length >= 5")
    (verdict,) = page.texts(".standing > summary")
    numbers, order = found["audit"]["numbers"], found["audit"]["answers"]["order"]
    verdict = verdict.replace("\u00a0", " ")
    beyond = found["audit"]["answers"]["beyond_length"]["word"]
    right, words = (f"{50 * (1 + numbers[name]):.1f} %" for name in ("tau_d", "length_tau_d"))
    if numbers["length_tau_d"] > order["high"] and beyond != "yes":
        assert re.findall(r"[\d.]+ %", verdict) == [words, right]
    else:
        assert re.findall(r"[\d.]+ %", verdict) == [right]
        assert ("general before specific" in verdict) == (order["word"] == "forward")
        assert ("also among captions of equal length" in verdict) == (beyond == "yes")
    *answers, statistic = page.texts(".answers li")
    assert answers == [answer["sentence"] for answer in found["audit"]["answers"].values()]
    for name in ("tau_d", "length_tau_d"):
        assert f"{numbers[name]:.3f}" in statistic
    findings = (
        "return [...document.querySelectorAll('.finding')].map((each) => [each.dataset.severity, each.textContent])"
    )
    marks = {"fine": "✓ Fine: ", "note": "○ Note: ", "warning": "▲ Warning: "}
    assert page.script(findings) == [[f["severity"], marks[f["severity"]] + f["sentence"]] for f in found["findings"]]
    edges, radius = found["radius"]["edges"], page.asked("ladder", lens=key, q="a trumpet")["query"]["radius"]
    mark, low, high = page.script(AT, ".strip")
    assert (mark - low) / (high - low) == pytest.approx((radius - edges[0]) / (edges[-1] - edges[0]), abs=0.01)
    assert page.texts(".strip .marked, .strip .label") == ["radius", "your query"]
    assert page.texts(".strip .name") == [tier["name"] for tier in found["tiers"]]
    ticks = [float(tick) for tick in page.texts(".strip .tick")]
    assert len(ticks) >= 3
    assert edges[0] <= ticks[0] < ticks[-1] <= edges[-1]
    tiers = [f"{tier['name']}: {tier['items']} items" for tier in found["tiers"]]
    assert page.texts(".strip-tier title") == tiers
    if key == "0":
        return
    mark, low, high = page.script(AT, ".survey .panel")
    assert (mark - low) / (high - low) == pytest.approx((1 - edges[0]) / (edges[-1] - edges[0]), abs=0.01)
    page.click(".survey .downloads .button", 0)
    with browser_common.saved(files, "radii-in-b-markup-b-model.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = sum(int(row[name]) for row in rows for name in row if name not in ("from", "to"))
    assert counts == sum(tier["items"] for tier in found["tiers"])


def test_without_chains_a_line_says_what_they_would_show(tmp_path):
    plain = replace(small_collection(tmp_path), tiers=None, hierarchy=None)
    with explored(plain) as url, browser_common.chromium() as browser:
        page = Page(browser, url)
        show(page, "q=a+trumpet", ".strip .help")
        assert page.texts(".standing > summary") == ["About this space"]
        assert not page.texts(".finding")
        page.click(".standing > summary")
        page.until("return document.querySelector('.finding')")
