"""What results show of themselves at a prompt and in a notebook, whatever their names hold."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

import hiergeo
from hiergeo._core import notebook
from hiergeo._core.records import Figure, Grid, html
from hiergeo._core.text import tame
from hiergeo.evaluation.auditing import AuditSettings
from tests.report.scenes_common import scenes_study

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


def test_an_audit_shows_its_verdict_and_controls(rows) -> None:
    audit = hiergeo.audit("tiny", rows, "lorentz:-1", AuditSettings())
    page = seen(audit._repr_html_())
    for name in (audit.headline, "angles alone", "K = 0, best radii", "parent MRR"):
        assert name in page.text
    assert audit.headline in repr(audit)


def test_a_study_shows_its_conclusion_and_every_dimension() -> None:
    study = scenes_study()
    page = seen(study._repr_html_())
    assert page.text.count("dimension") >= len(study.plan.dims)
    for name in (*study.plan.geometries, study.conclusion.headline):
        assert name in page.text
    assert study.conclusion.headline[:30] in repr(study)
    assert len(repr(study)) < 400


def test_a_space_shows_what_its_repr_says() -> None:
    space = hiergeo.Space("lorentz:-1?learnable")
    assert repr(space) in seen(space._repr_html_()).text


def test_hostile_names_stay_text(comparison) -> None:
    about = dict.fromkeys(("model", "dataset", "split"), HOSTILE)
    named, other = (replace(each, settings=each.settings | about) for each in comparison.results)
    named = replace(named, settings=named.settings | {"geometry": HOSTILE})
    others = replace(comparison, results=(named, other))
    pages = [named._repr_html_(), notebook.sentences(HOSTILE), others.board._repr_html_()]
    assert ["<img src=x" in seen(page).text for page in pages] == [True] * 3
    grid = Grid(HOSTILE, (HOSTILE,), ((HOSTILE, (Figure(HOSTILE, HOSTILE, HOSTILE, best=True),)),))
    assert "<img src=x" in seen(html(grid)).text
