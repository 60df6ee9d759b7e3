"""The tables of the terminal: their figures are the results', and they fit 80 columns."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import hiergeo
from hiergeo import datasets
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.answers import HEADLINE
from hiergeo.evaluation.findings import Contrast
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.report import comparison_table, result_table, write_page
from hiergeo.report.drawing import ticks
from hiergeo.report.labels import baseline, label, listing, number, short_model
from hiergeo.report.terminal import comparison_tables, read_metrics
from tests.report.page_common import read
from tests.report.test_page import GEOMETRIES, Handmade, compared, hierarchy


def printed(table) -> str:
    file = io.StringIO()
    Console(file=file, width=80).print(table)
    return file.getvalue()


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared()


@pytest.fixture(scope="module")
def pairs() -> Comparison:
    return compared("pairs", data=hierarchy(negatives=True))


def with_winners(comparison: Comparison, **winners: str | None) -> Comparison:
    """The same results with winners given by hand: contrasts of a winner are decided, all others are not."""

    def told(contrast: Contrast) -> Contrast:
        winner = winners.get(contrast.metric)
        ours = comparison.findings.charts(winner) if winner else ()
        sign = (contrast.a in ours) - (contrast.b in ours)
        ends = sorted((0.1 * sign, 0.2 * sign)) if sign else (-1, 1)
        return replace(
            contrast, difference=0.15 * sign, simultaneous=Interval(*ends), test=None, adjusted_p=None, one_space=False
        )

    copy = replace(comparison)
    contrasts = tuple(map(told, comparison.findings.contrasts))
    copy.__dict__["findings"] = replace(comparison.findings, contrasts=contrasts)
    return copy


def test_result_table_shows_every_metric_and_interval(comparison):
    result = comparison.results[1]
    text = printed(result_table(result, full=True))
    rows = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    told = {name: value for name, value in result.metrics.items() if name != "tau_d_equal_length"}
    for metric, value in told.items():
        assert f"{value:.4f}" in rows[label(metric)]
    for metric in told.keys() & result.intervals.keys():
        low, high = result.intervals[metric]
        assert f"{low:.4f} to {high:.4f}".replace("-", "−") in rows[label(metric)]
    for setting in ("handmade", "toys test", "re, 10 steps", "lorentz:-0.7"):
        assert setting in " ".join(text.split())


def test_comparison_table_has_a_row_a_geometry_and_tau_d_once(comparison):
    text = printed(comparison_table(with_winners(comparison)))
    lines = text.splitlines()
    for result in comparison.results:
        row = next(line for line in lines if line.startswith(f" {result.geometry} "))
        for metric in ("precision", "recall"):
            assert number(result.metrics[metric]) in row.split()
        low, high = result.intervals["precision"]
        assert f"{number(low)} to {number(high)}" in lines[lines.index(row) + 1]
    first, *others = (next(line for line in lines if line.startswith(f" {spec} ")) for spec in GEOMETRIES)
    assert first.split()[1] == number(comparison.results[0].metrics["tau_d"])
    assert all(row.split()[1] == "same" for row in others)


def test_wide_characters_and_tables_fit_eighty_columns(comparison, pairs):
    for table in (comparison_table(comparison), comparison_table(pairs), result_table(pairs.results[0])):
        assert max(map(len, printed(table).splitlines())) <= 80


def test_pairs_table_is_turned_and_loses_no_figure(pairs):
    text = printed(comparison_table(pairs))
    assert all(geometry in text.splitlines()[1] for geometry in GEOMETRIES)
    for result in pairs.results:
        for metric in read_metrics(result.intervals):
            if metric != "tau_d":
                assert number(result.metrics[metric]) in text


@pytest.mark.parametrize(
    ("width", "parts"),
    [(95, [4]), (94, [3, 1]), (78, [3, 1]), (77, [2, 2]), (61, [2, 2]), (60, [1, 1, 1, 1]), (10, [1, 1, 1, 1])],
)
def test_a_table_too_wide_is_several_that_keep_every_geometry(pairs, width, parts):
    """Names take 23 columns and the edges 4; the widest figure, "-0.123 to 0.456", takes 15, and a gap is 2."""
    tables = list(comparison_tables(pairs, width))
    headings = [[str(column.header) for column in table.columns[1:]] for table in tables]
    assert [len(names) for names in headings] == parts
    assert [name for names in headings for name in names] == GEOMETRIES
    assert [bool(str(table.caption)) for table in tables] == [False] * (len(parts) - 1) + [True]
    first = pairs.results[0]
    for table in tables:
        place = GEOMETRIES.index(str(table.columns[1].header))
        figures = dict(zip(map(str, table.columns[0].cells), map(str, table.columns[1].cells), strict=True))
        found = next(each for name, each in figures.items() if name.partition("\n")[0] == label("auroc_margin"))
        assert found.partition("\n")[0].rstrip("*") == number(pairs.results[place].metrics["auroc_margin"])
    named = next(str(name) for name in tables[0].columns[0].cells if str(name).startswith(label("auroc") + "\n"))
    assert named.endswith(number(first.baselines["auroc"]["length"]))


def test_few_metrics_make_one_table_at_any_width(comparison):
    (table,) = comparison_tables(comparison, 10)
    assert [str(each) for each in table.columns[0].cells][: len(GEOMETRIES)] == GEOMETRIES


def test_tables_and_pages_give_the_same_control(comparison, tmp_path):
    """Ladders by words depend on the distances of a space: the figures of the last space differ from the first's."""
    *others, last = comparison.results
    known = {name: {"length": 0.9} for name in last.baselines}
    changed = replace(comparison, results=(*others, replace(last, baselines=known)))
    page = write_page(changed, tmp_path / "page.html", images=1).read_text()
    controls = {name: changed.findings.baselines(name, changed.dim)["length"] for name in ("tau_d", "precision")}
    assert any(value != others[0].baselines[name]["length"] for name, value in controls.items())
    for name, value in controls.items():
        assert baseline(changed.findings.baselines(name, changed.dim)) == ("words alone", value)
        assert f'data-value="{name}" data-baseline="{value}"' in page
        assert number(value) in printed(comparison_table(changed))


def test_a_baseline_is_named_where_the_heading_cannot_name_it(comparison):
    first = comparison.results[0]
    known = {"tau_d": {"length": 0.25}, "precision": {"chance": 0.125}, "recall": {}}
    table = result_table(replace(first, baselines=known))
    rows = {str(name): str(beside) for name, beside in zip(table.columns[0].cells, table.columns[3].cells, strict=True)}
    assert [rows[label(name)] for name in ("tau_d", "precision", "recall")] == [
        "words alone 0.2500",
        "chance 0.1250",
        "–",
    ]
    alone = result_table(replace(first, baselines={"tau_d": {"length": 0.25}}))
    assert [str(each) for each in alone.columns[3].cells][list(first.metrics).index("tau_d")] == "0.2500"
    assert len(result_table(replace(first, baselines={})).columns) == 3


def test_winner_is_marked_with_its_other_chart(comparison):
    table = comparison_table(with_winners(comparison, precision="lorentz:-0.7"))
    text = printed(table)
    marked = [line.split()[0] for line in text.splitlines() if "* " in line and line.startswith(" ")]
    assert marked == ["lorentz:-0.7", "poincare:-0.7"]
    full = " ".join(printed(comparison_table(with_winners(comparison, precision="lorentz:-0.7"), full=True)).split())
    assert "by 95 % intervals and tests over all metrics and spaces" in full
    assert "one space in 2 charts, so they tie" in full


def test_no_winner_is_said_so(comparison):
    text = " ".join(printed(comparison_table(with_winners(comparison), full=True)).split())
    assert "No geometry is best" in text
    assert "*" not in text


def test_text_alone_claims_no_comparison_that_was_not_made():
    comparison = hiergeo.compare(Handmade(has_images=False), hierarchy(), GEOMETRIES, steps=10, samples=40)
    text = printed(comparison_table(comparison))
    assert "best" not in text + comparison.conclusion.headline
    assert {frozenset(each) for each in comparison.answers.values()} == {frozenset(HEADLINE)}


def test_margin_is_the_paired_difference_to_the_closest_rival(comparison):
    first, second, third, fourth = comparison.results
    count = len(first.draws["recall"])
    base = np.linspace(0.2, 0.3, count)

    def scoring(result: Result, value: float, draws: np.ndarray) -> Result:
        return replace(result, metrics=result.metrics | {"recall": value}, draws=result.draws | {"recall": draws})

    results = (
        scoring(first, 0.28, base + 0.03),
        scoring(second, 0.26, base + np.where(np.arange(count) % 2, 0.05, -0.03)),
        scoring(third, 0.26, base + np.where(np.arange(count) % 2, 0.05, -0.03)),
        scoring(fourth, 0.27, base + 0.02),
    )
    lead = replace(comparison, results=results).findings.closest_rival("recall", comparison.dim)
    assert (lead.a, lead.b, lead.winner) == ("euclidean", "lorentz:-0.7", None)
    assert lead.difference == pytest.approx(0.02)
    assert lead.interval == pytest.approx((-0.02, 0.06))
    without = replace(comparison, results=(results[0], results[3])).findings.closest_rival("recall", comparison.dim)
    assert without.b == "sphere:0.3"
    assert without.interval == pytest.approx((0.01, 0.01))


def test_details_are_for_those_who_ask(pairs):
    """Controls and metrics without merit, and the notes on tests, are not in the short table."""
    short, full = (comparison_table(with_winners(pairs), full=full) for full in (False, True))
    metrics = [name for name in pairs.results[0].intervals if name != "tau_d_equal_length"]
    plain = [name for name in metrics if not find_metric(name).control]
    shown = [[str(cell).partition("\n")[0] for cell in table.columns[0].cells] for table in (short, full)]
    assert shown == [[label(name) for name in names] for names in (plain, metrics)]
    assert len(str(full.caption)) > len(str(short.caption))


@pytest.mark.parametrize(("other", "said"), [("lorentz:-1", True), ("product:lorentz:-1x4,euclidean:x60,l1", False)])
def test_pairs_of_equal_length_are_told_on_one_scale(other, said, tmp_path):
    """By one sentence in per cent where all spaces order them alike, else by a row; on pages downloads keep it."""
    metric, data = "tau_d_equal_length", datasets.load("scenes", count=30, balanced=True)
    found = hiergeo.compare("tiny", data, ["euclidean", other], steps=5, samples=20)
    shares = {answers["beyond_length"].sentence for answers in found.answers.values()}
    assert (len(shares & set(found.conclusion.remarks)) == 1) is said
    headers = [str(column.header) for column in comparison_table(found, full=True).columns]
    assert (label(metric) in headers) is not said
    page = read(write_page(found, tmp_path / "page.html", images=1))
    (at,) = (place for place, (tag, each) in enumerate(page.tags) if tag == "th" and each.get("data-value") == metric)
    assert page.tags[at - 1][0] == "tr"
    assert ("hidden" in page.tags[at - 1][1]) is said


def test_spaces_that_measure_radii_differently_do_not_share_tau_d():
    spaces = ["euclidean", "product:lorentz:-1x4,euclidean:x8,l1"]
    comparison = hiergeo.compare(Handmade(), hierarchy(), spaces, steps=10, samples=40)
    assert comparison.shared == frozenset()
    text = printed(comparison_table(comparison, full=True))
    assert "same" not in text
    assert "…" not in text
    assert "no winner is named for it" in " ".join(text.split())
    assert all(number(result.metrics["tau_d"]) in text for result in comparison.results)


def test_product_lacks_the_angle_scores_and_says_so():
    spaces = ["product:lorentz:-1x4,euclidean:x8", "euclidean"]
    data = hierarchy(negatives=True)
    comparison = hiergeo.compare(Handmade(), data, spaces, protocol="pairs", samples=40)
    findings, dim = comparison.findings, comparison.dim
    assert findings.score("auroc", comparison.results[0].geometry, dim) is None
    assert "auroc" in findings.metrics(dim)
    assert "AUROC" in printed(comparison_table(comparison))


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("tau_d", "tau_d"),
        ("any_hit", "any hit"),
        ("auroc_margin_sibling", "AUROC (margin, sibling)"),
        ("average_precision", "AP"),
        ("average_precision_sibling", "AP (sibling)"),
        ("score_ties_margin", "score ties (margin)"),
    ],
)
def test_labels(metric, name):
    assert label(metric) == name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("npz:/home/me/a b/emb.npz", "npz:emb.npz"),
        ("open_clip:ViT-B-32/openai", "open_clip:ViT-B-32/openai"),
        ("open_clip:ViT-B-32//abs/path.safetensors", "open_clip:ViT-B-32/path.safetensors"),
        ("open_clip:hf-hub:ORG/NAME", "open_clip:hf-hub:ORG/NAME"),
        ("tiny", "tiny"),
    ],
)
def test_short_model(name, short):
    assert short_model(name) == short


def test_listing():
    assert [listing(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(("low", "high"), [(1.03, 1.48), (0.0, 1e-3), (-2.0, 1e4), (0.5, 1.5)])
def test_ticks_are_round_and_inside(low, high):
    places = ticks(low, high)
    assert 3 <= len(places) <= 9
    assert low <= places[0] <= places[-1] <= high
    step = (places[-1] - places[0]) / (len(places) - 1)
    assert np.diff(places) == pytest.approx(step)
    assert f"{step:.6e}"[:8] in ("1.000000", "2.000000", "5.000000")
    assert np.array(places) / step == pytest.approx(np.round(np.array(places) / step), abs=1e-6)
