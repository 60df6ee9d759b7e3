"""What results show of themselves at a prompt and in a notebook, whatever their names hold."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

import hiergeo
from hiergeo._core.records import Figure, Grid, html, paragraphs
from hiergeo._core.text import tame

HOSTILE = '<img src=x onerror="alert(1)">&amp;\u202e</td></table>\x1b[2J'
SPECS = ["euclidean", "lorentz:-1"]


class Seen(HTMLParser):
    """The tags of a page, each with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}"


def seen(page: str) -> Seen:
    found = Seen(page)
    assert not found.open, "every tag is closed"
    assert {tag for tag, _ in found.tags} <= {"p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert {name for _, attributes in found.tags for name in attributes} <= {"scope", "colspan"}
    assert "\x1b" not in page
    assert tame(page) == page, "marks of direction are closed where they are opened"
    return found


@pytest.fixture(scope="module")
def rows():
    return hiergeo.datasets.load("scenes").take(24)


@pytest.fixture(scope="module")
def comparison(rows):
    return hiergeo.compare("tiny", rows, SPECS, samples=50)


def test_a_result_shows_its_metrics_beside_words_alone(comparison) -> None:
    result = comparison.results[0]
    page = seen(result._repr_html_())
    for name in ("tiny", "scenes", "tau_d", "words alone", f"{result.metrics['tau_d']:.4f}"):
        assert name in page.text
    assert f"{result.metrics['tau_d']:.4f}" in repr(result)


def test_a_comparison_shows_its_conclusion_and_every_space(comparison) -> None:
    page = seen(comparison._repr_html_())
    for name in (*SPECS, comparison.conclusion.headline, "recall"):
        assert name in page.text
    assert comparison.conclusion.headline[:30] in repr(comparison)
    assert [attributes["colspan"] for tag, attributes in page.tags if "colspan" in attributes] == ["2", "2"]


def test_hostile_names_stay_text(comparison) -> None:
    about = dict.fromkeys(("model", "dataset", "split"), HOSTILE)
    named, other = (replace(each, settings=each.settings | about) for each in comparison.results)
    named = replace(named, settings=named.settings | {"geometry": HOSTILE})
    others = replace(comparison, results=(named, other))
    pages = [named._repr_html_(), paragraphs(HOSTILE), others.board._repr_html_()]
    assert ["<img src=x" in seen(page).text for page in pages] == [True] * 3
    grid = Grid(HOSTILE, (HOSTILE,), ((HOSTILE, (Figure(HOSTILE, HOSTILE, HOSTILE, best=True),)),))
    assert "<img src=x" in seen(html(grid)).text
