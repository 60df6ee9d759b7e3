"""The page of a review: keys, what other pages and files can do, deaths of the server, and how it reads."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hiergeo.report.review.desk import Desk, version_of
from hiergeo.search.serving import Limits
from tests.report import browser_common
from tests.report.explorer.explorer_common import Page
from tests.report.review.review_common import HOSTILE, ROWS, Client, built, served
from tests.tools import warm

pytest.importorskip("starlette")

VERDICT = {"row": 0, "version": version_of(ROWS[0]), "reviewer": "Anna", "kind": "accept"}

TOKEN = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(tmp_path / "set")


def test_rows_are_told_and_decided(folder):
    with served(folder) as (client, desk):
        status, told = client.send("api/review?reviewer=Anna")
        assert (status, told["tiers"], told["states"], told["doubts"]) == (200, 3, [0, 0, 0], [1, 0, 2])
        assert client.send("api/row/1")[1]["contradiction"][1] == pytest.approx(0.3)
        status, answer = client.send("api/decide", VERDICT)
        assert (status, answer["row"]["state"], answer["counts"]["accept"]) == (200, "accept", 1)
        assert client.send("api/review?reviewer=Anna")[1]["mine"] == [2, 0, 0]
        assert client.send("api/review?reviewer=Ben")[1]["mine"] == [0, 0, 0]
        assert client.send("api/export", {})[1]["metrics"]["accepted"] == 1
        assert client.send("api/undo", {"reviewer": "Anna"})[1]["undone"] == "accept"
        assert desk.counts()["undecided"] == 3


def test_pages_of_other_sites_decide_nothing(folder):
    with served(folder, hosts=frozenset({"127.0.0.1"})) as (client, desk):
        for header, value, status in (
            ("Content_Type", "text/plain", 415),
            ("Content_Type", "application/x-www-form-urlencoded", 415),
            ("Origin", "https://evil.example", 403),
            ("Origin", "null", 403),
            ("Host", "evil.example", 400),
        ):
            assert client.send("api/decide", VERDICT, **{header: value})[0] == status
        assert desk.counts()["accept"] == 0


def test_the_token_guards_all_but_the_page(folder):
    with served(folder, token=TOKEN) as (client, desk):
        paths = ("", "page/main.js", "api/review", "api/picture/0")
        assert [client.send(path)[0] for path in paths] == [200, 200, 401, 401]
        assert client.send("api/decide", VERDICT)[0] == 401
        assert client.send("api/decide", VERDICT, Authorization=f"Bearer {TOKEN}")[0] == 200
        assert desk.counts()["accept"] == 1


EDIT = {"row": 0, "version": VERDICT["version"], "reviewer": "Anna"}

BAD: list[tuple[str, Any, int]] = [
    ("decide", b"{", 400),
    ("decide", b"[" * 100_000, 400),
    ("decide", [], 400),
    ("decide", {**VERDICT, "more": 1}, 400),
    ("decide", {**VERDICT, "row": 99}, 400),
    ("decide", {**VERDICT, "row": -1}, 400),
    ("decide", {**VERDICT, "row": True}, 400),
    ("decide", {**VERDICT, "version": "0" * 16}, 409),
    ("decide", {**VERDICT, "kind": "undo"}, 400),
    ("decide", {**VERDICT, "reviewer": "\ud800"}, 400),
    ("decide", {**VERDICT, "reviewer": "x" * 10_000}, 400),
    ("edit", {**EDIT, "positive": ["a", "b", "c"]}, 400),
    ("edit", {**EDIT, "positive": ["a", "b", 3], "negative": None}, 400),
    ("edit", {**EDIT, "positive": ["a", "b", "\ud800"], "negative": ["d", "e", "f"]}, 400),
    ("undo", {}, 400),
    ("export", {}, 400),
]


def test_bodies_that_cannot_be_used_are_refused(folder):
    with served(folder) as (client, desk):
        for name, body, status in BAD:
            assert client.send(f"api/{name}", body)[0] == status, str(body)[:100]
        assert desk.counts()["undecided"] == 3
        assert desk.journal.entries == []


def test_bodies_have_an_end(folder):
    with served(folder, limits=Limits(body_bytes=1000)) as (client, _):
        assert client.send("api/decide", {**VERDICT, "reason": "x" * 1000})[0] == 413


def test_nothing_else_is_given_away(folder):
    with served(folder) as (client, _):
        for path in ("api/row/3", "api/row/-1", "api/row/x", "api/picture/1", "api/picture/2", "page/desk.py"):
            assert client.send(path)[0] in (400, 404), path
        assert client.send("page/..%2fdesk.py")[0] == 404
        assert client.send("api/picture/0")[1][:2] == b"\xff\xd8"


def test_no_decision_of_two_reviewers_is_lost(folder):
    with served(folder) as (client, desk):

        def reviewed(name: str) -> None:
            for turn in range(20):
                kind = "accept" if turn % 2 else "reject"
                assert client.send("api/decide", {**VERDICT, "reviewer": name, "kind": kind})[0] == 200

        threads = [Thread(target=reviewed, args=(name,)) for name in ("Anna", "Ben")]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(desk.journal.entries) == 40
    verdicts = Desk(folder).standing(0).verdicts
    assert {name: each.kind for name, each in verdicts.items()} == {"Anna": "accept", "Ben": "accept"}


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_it_acknowledged(folder):
    command = [sys.executable, "-m", "hiergeo", "chains", "review", str(folder), "--port", "0", "--no-open"]
    kept: set[str] = set()
    with warm.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        client = Client(server.stdout.readline().split()[-1] + "/")
        for place in range(1000):
            if place == 15:
                Thread(target=os.kill, args=(server.pid, signal.SIGKILL)).start()
            try:
                status, _ = client.send("api/decide", {**VERDICT, "reviewer": f"reviewer {place}"})
            except OSError:
                break
            assert status == 200
            kept.add(f"reviewer {place}")
    assert len(kept) >= 15
    with served(folder) as (client, desk):
        assert kept <= set(desk.standing(0).verdicts)
        assert client.send("api/decide", VERDICT)[0] == 200


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Desk]]:
    folder = built(tmp_path_factory.mktemp("page") / "set")
    with served(folder) as (client, desk), browser_common.chromium() as browser:
        yield Page(browser, client.url), desk


def shown(page: Page, row: int) -> None:
    page.until("return document.querySelector('#row')?.textContent.startsWith(arguments[0])", f"Row {row} ")


def test_chains_are_checked_by_keys_alone(opened):
    page, desk = opened
    browser_common.resize(page.browser, 1280)
    page.browser.get(page.url)
    page.until("return document.activeElement.id === 'name'")
    assert browser_common.violations(page.browser) == []
    page.press("Anna", "ENTER")
    shown(page, 0)
    page.until("return document.querySelector('.frame img').naturalWidth === 60")
    page.press("a")
    shown(page, 1)
    assert desk.standing(0).verdicts["Anna"].kind == "accept"
    page.press("r", "2")
    shown(page, 2)
    assert desk.standing(1).verdicts["Anna"].reason == "negative does not contradict"
    page.press("u")
    shown(page, 1)
    page.press("e", " more", "ESCAPE")
    assert desk.standing(1).state == "undecided"
    page.press("e")
    page.until("return document.activeElement.matches('textarea')")
    page.press("END", " more", "ENTER")
    page.until("return document.querySelector('.state.edited')")
    assert desk.standing(1).chain.positive[0] == "vehicle more"
    page.until("return document.querySelector('[role=alert]')?.textContent.includes('fewer words')")
    desk.edit(1, desk.standing(1).version, "Ben", ("vehicle", "coach", "a red coach"), ROWS[1].negative)
    page.press("a")
    page.until("return document.querySelector('#again')")
    page.script("document.querySelector('#again').click()")
    page.until("return document.querySelector('.texts').textContent.includes('coach')")
    page.press("a")
    shown(page, 2)
    page.press("?")
    page.until("return document.getElementById('help').open")
    assert browser_common.violations(page.browser) == []
    page.press("ESCAPE")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_whatever_the_texts(opened, width):
    page, _ = opened
    browser_common.logged(page.browser)
    browser_common.resize(page.browser, width)
    page.browser.get("about:blank")
    page.browser.get(page.url)
    page.until("return document.querySelector('#name, #row, #filter')")
    if page.script("return !!document.querySelector('#name')"):
        page.press("Anna", "ENTER")
    page.until("return document.querySelector('#filter')")
    page.script("const f = document.querySelector('#filter'); f.value = 'all'; f.dispatchEvent(new Event('change'))")
    shown(page, 0)
    page.script("document.activeElement.blur()")
    page.press("k")
    shown(page, 2)
    assert HOSTILE in page.script("return document.querySelector('.texts').textContent")
    for scheme in ("light", "dark"):
        browser_common.colours(page.browser, scheme)
        assert browser_common.violations(page.browser) == []
        page.press("e")
        page.until("return document.querySelector('textarea')")
        assert browser_common.violations(page.browser) == []
        page.press("ESCAPE", "r")
        page.until("return document.querySelector('#reasons')")
        assert browser_common.violations(page.browser) == []
        page.press("ESCAPE")
    assert page.script("return document.documentElement.scrollWidth") == width
    assert page.browser.title == "set · hiergeo chains review"
    assert [each for each in browser_common.logged(page.browser, "SEVERE") if "409" not in each] == []
