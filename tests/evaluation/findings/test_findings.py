"""Findings: contrasts and their evidence, winners, and when differences are decided."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from hiergeo.evaluation.answers import Answer
from hiergeo.evaluation.findings import (
    BeforeAfter,
    Contrast,
    Cube,
    Entry,
    Findings,
    SpaceFacts,
    conclude_comparison,
    conclude_study,
    contrast_all,
    identity,
)
from hiergeo.evaluation.metrics import SMALL_SAMPLE, Interval, SignTest, find_metric, resamples
from tests.evaluation.findings.findings_common import compared, contrast, hits, measured, space, trained

HEALTHY = {"in_cone_random": 0.1, "aperture_root": 0.0, "radius_spread": 1.5, "bend": 0.3}


def test_five_items_better_and_none_worse_name_no_winner():
    """The bootstrap interval excludes 0, and the exact test says that chance does as much once in 16 times."""
    base, better = hits(200, 5)
    (contrast,) = compared({"euclidean": better, "lorentz:-1": base}).contrasts
    assert contrast.simultaneous.low > 0
    assert contrast.test == SignTest(5, 0, 195, pytest.approx(2 * 0.5**5))
    assert contrast.undecided_because == "sign test"
    assert contrast.winner is None


def test_ten_items_better_and_none_worse_name_one():
    base, better = hits(200, 10)
    findings = compared({"euclidean": better, "lorentz:-1": base})
    assert findings.contrasts[0].winner == "euclidean"
    assert findings.leaders("recall", 8) == ("euclidean",)
    turned = findings.contrasts[0].seen_from("lorentz:-1")
    assert (turned.a, turned.winner, turned.test.better, turned.test.worse) == ("lorentz:-1", "euclidean", 0, 10)
    assert turned.interval == (-findings.contrasts[0].interval.high, -findings.contrasts[0].interval.low)


def test_p_values_are_corrected_over_the_rivals():
    base, better = hits(200, 7)
    alone = compared({"euclidean": better, "lorentz:-1": base})
    many = compared(
        {"euclidean": better, "lorentz:-1": base, "sphere:0.25": base, "lorentz:-2": base, "lorentz:-3": base}
    )
    assert alone.winner("recall", 8) == "euclidean"
    assert many.winner("recall", 8) is None
    p = binomtest(0, 7).pvalue
    adjusted = [each.adjusted_p for each in many.contrasts if each.a == "euclidean"]
    assert adjusted == pytest.approx([p * 10] * 4)


@pytest.mark.parametrize(("bend", "winner"), [(0.5, "euclidean"), (0.001, None)])
def test_flat_spaces_have_no_winner_among_them(bend, winner):
    base, better = hits(200, 40)
    found = compared({"euclidean": better, "lorentz:-0.05": base}, bends={"lorentz:-0.05": bend})
    assert found.winner("recall", 8) == winner
    assert found.contrasts[0].undecided_because == (None if winner else "flat")
    assert ["flat" in each.kind for each in found.cautions] == ([] if winner else [True])


def test_flat_spaces_win_together_against_the_others():
    """The one that beats the curved space leads; the flat rival does not stand in its way."""
    base, better = hits(200, 40)
    even_better = better.copy()
    even_better[np.flatnonzero(better == 0)[:20]] = 1
    rows = {"euclidean": better, "lorentz:-0.05": even_better, "lorentz:-4": base}
    found = compared(rows, bends={"lorentz:-0.05": 0.001})
    assert found.leaders("recall", 8) == ("euclidean", "lorentz:-0.05")
    assert found.winner("recall", 8) == "lorentz:-0.05"
    assert compared(rows).leaders("recall", 8) == ("lorentz:-0.05",)


def test_a_product_that_adds_lengths_is_never_flat():
    added = SpaceFacts("product:euclidean:x4,euclidean:x4,l1", 8, "l1", False, 0.0, adds_lengths=True)
    assert not added.level
    assert not added.counts_as_one_with(space("euclidean"))


def test_charts_are_one_space():
    base, better = hits(200, 40)
    found = compared({"lorentz:-1": better, "poincare:-1": better, "euclidean": base})
    assert found.twins == (("lorentz:-1", "poincare:-1"),)
    assert [(each.a, each.b) for each in found.contrasts] == [("lorentz:-1", "euclidean"), ("poincare:-1", "euclidean")]
    assert found.leaders("recall", 8) == ("lorentz:-1", "poincare:-1")
    answers = {"lorentz:-1": {"order": Answer("none", 0.0, -0.05, 0.05, 50, "")}}
    (charts,) = conclude_comparison(found, answers).remarks[1:]
    assert all(each in charts for each in found.twins[0])
    assert identity("product:lorentz:-1x2") == identity("product:poincare:-1x2") != identity("lorentz:-1")
    assert identity("lorentz:-1", "model") != identity("lorentz:-1", "none")
    assert identity("a geometry without a spec") == ("a geometry without a spec",)


def test_metrics_that_are_no_merit_have_no_winner_and_smaller_can_be_better(monkeypatch):
    made = Contrast("score_ties", 8, "a", "b", 0.5, Interval(0.4, 0.6), Interval(0.3, 0.7))
    assert made.undecided_because == "no merit"
    from hiergeo.evaluation import metrics
    from hiergeo.evaluation.findings import contrasts, overview

    def find(name):
        return metrics.Metric(name, name, higher_is_better=False)

    monkeypatch.setattr(contrasts, "find_metric", find)
    monkeypatch.setattr(overview, "find_metric", find)
    base, better = hits(200, 40)
    found = compared({"euclidean": better, "lorentz:-1": base})
    assert found.leaders("recall", 8) == ("lorentz:-1",)
    assert found.closest_rival("recall", 8).a == "lorentz:-1"


@pytest.mark.parametrize(("merit", "said"), [(True, "worse"), (False, "better"), (None, "same")])
def test_a_change_is_better_in_the_direction_of_the_metric(monkeypatch, merit, said):
    known = find_metric("recall")
    monkeypatch.setattr(
        "hiergeo.evaluation.findings.contrasts.find_metric", lambda _: replace(known, higher_is_better=merit)
    )
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, -0.1)).direction == said
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, 0.1)).direction == "same"


def contrasted(values, metrics=("recall",), *, seed=0):
    spaces = tuple(space(spec) for spec in values)
    return contrast_all(trained(values, metrics), spaces, without=frozenset(), seed=seed)


def test_every_difference_resamples_the_seeds_by_itself_and_charts_share_a_resampling():
    """One stream for all would make differences of equal numbers vary together: see `crossed_draws`."""
    level, bent = [0.5, 0.6, 0.9], [0.1, 0.4, 0.2]
    values = {"euclidean": level, "lorentz:-1": bent, "poincare:-1": bent, "sphere:0.1": bent}
    found = contrasted(values, ("recall", "precision"))
    of = {(each.metric, each.b): each.interval for each in found if each.a == "euclidean"}
    one, chart, other = (of["recall", spec] for spec in ("lorentz:-1", "poincare:-1", "sphere:0.1"))
    assert one == chart
    assert len({one, other, of["precision", "lorentz:-1"], of["precision", "sphere:0.1"]}) == 4


def test_the_resampling_of_seeds_follows_the_seed():
    values = {"euclidean": [0.5, 0.6, 0.9], "lorentz:-1": [0.1, 0.4, 0.2]}
    (one,), (again,), (other,) = (contrasted(values, seed=seed) for seed in (3, 3, 4))
    assert one.interval == again.interval != other.interval


def test_p_values_are_corrected_over_all_metrics():
    base, better = hits(200, 7)
    made = {"euclidean": better, "lorentz:-1": base}
    both = [
        replace(
            one, **{name: getattr(one, name) | getattr(two, name) for name in ("metrics", "draws", "rows", "items")}
        )
        for one, two in ((measured(spec, rows), measured(spec, rows, "precision")) for spec, rows in made.items())
    ]
    spaces = tuple(map(space, made))
    found = contrast_all(Cube(tuple(both)), spaces, without=frozenset(), seed=0)
    assert [each.metric for each in found] == ["recall", "precision"]
    assert [each.adjusted_p for each in found] == pytest.approx([binomtest(0, 7).pvalue * 2] * 2)


def test_where_few_items_differ_their_signs_decide():
    """Five of 200 items differ, all alike: the interval excludes 0, and a coin does as much once in 16 times."""
    base, better = hits(200, 5)
    (few,) = compared({"euclidean": better, "lorentz:-1": base}, metric="parent_mrr").contrasts
    assert few.simultaneous.low > 0
    assert few.test is not None
    assert few.adjusted_p == pytest.approx(2 * 0.5**5)
    assert (few.undecided_because, few.winner) == ("sign test", None)
    base, better = hits(200, 10)
    assert (
        compared({"euclidean": better, "lorentz:-1": base}, metric="parent_mrr").winner("parent_mrr", 8) == "euclidean"
    )


def test_different_items_are_not_paired():
    cube = Cube((measured("euclidean", np.ones(40)), measured("lorentz:-1", np.zeros(50))))
    assert contrast_all(cube, (space("euclidean"), space("lorentz:-1")), without=frozenset(), seed=0) == ()


def test_the_sign_test_is_of_the_means_over_seeds():
    """Seed 0 is better on 10 items, seed 1 worse on 6 of them by as much: 4 are better."""
    base, better = hits(200, 10)
    changed = np.flatnonzero(better != base)
    worse = base.copy()
    worse[changed[:6]] = -1
    cells = (("euclidean", better, 0), ("euclidean", worse, 1), ("lorentz:-1", base, 0), ("lorentz:-1", base, 1))
    cube = Cube(tuple(measured(spec, rows, seed=seed) for spec, rows, seed in cells))
    spaces = (space("euclidean"), space("lorentz:-1"))
    (found,) = contrast_all(cube, spaces, without=frozenset(), seed=0)
    assert (found.test.better, found.test.worse, found.test.tied) == (4, 0, 196)


def test_controls_are_not_contrasted():
    found = compared({"euclidean": np.ones(40), "lorentz:-1": np.zeros(40)}, metric="auroc_equal_length")
    assert found.contrasts == ()


def test_a_sphere_that_shortens_circles_is_curved():
    assert not space("sphere:0.1", bend=-0.3).level
    assert space("sphere:0.1", bend=-0.01).level


def test_a_change_is_the_mean_over_seeds_minus_what_was_before():
    """Three seeds at 0.2, 0.4 and 0.9 from 0.3: on average 0.2 more. The items move before and after alike."""
    wave = np.sin(np.arange(400))
    before, *after = (
        Entry("m", "euclidean", 8, seed, {"recall": value}, {"recall": value + wave})
        for seed, value in ((None, 0.3), (0, 0.2), (1, 0.4), (2, 0.9))
    )
    change = BeforeAfter.of("recall", before, after)
    assert (change.before, change.after) == pytest.approx((0.3, 0.5))
    steady = BeforeAfter.of("recall", before, [replace(before, seed=seed) for seed in range(3)])
    assert steady.interval == pytest.approx((0, 0))
    assert BeforeAfter.of("precision", before, after) is None


RIVALS = {
    True: (("euclidean", 0.9), ("lorentz:-1", (0.1, 0.2)), ("sphere:0.1", (0.05, 0.9))),
    False: (("euclidean", 0.1), ("lorentz:-1", (-0.9, -0.3)), ("sphere:0.1", (-0.2, -0.1))),
}
"""The best geometry and its value, and intervals of its lead over two rivals, by whether a larger value is better."""


@pytest.mark.parametrize("merit", [True, False])
def test_the_closest_rival_is_the_one_that_the_best_is_least_surely_ahead_of(monkeypatch, merit):
    known = replace(find_metric("recall"), higher_is_better=merit)
    monkeypatch.setattr("hiergeo.evaluation.findings.overview.find_metric", lambda _: known)
    (best, value), *rivals = RIVALS[merit]
    values = {best: value} | {spec: 0.5 for spec, _ in rivals}
    made = [Contrast("recall", 8, best, spec, 0.0, Interval(*ends), Interval(*ends)) for spec, ends in rivals]
    findings = Findings(trained({k: [v] for k, v in values.items()}), tuple(map(space, values)), tuple(made))
    assert findings.closest_rival("recall", 8).b == "sphere:0.1"
    near = (replace(made[0]), replace(made[1], one_space=True))
    assert replace(findings, contrasts=near).closest_rival("recall", 8).b == "lorentz:-1"


def test_the_span_of_a_metric_holds_every_seed():
    """The interval of a mean over many seeds leaves the farthest of them out."""
    findings = Findings(
        trained({"euclidean": [0.5] * 19 + [0.9], "lorentz:-1": [0.5] * 19 + [0.1]}),
        (space("euclidean"), space("lorentz:-1")),
    )
    assert findings.score("recall", "euclidean", 8).interval.high < 0.9
    assert findings.score("recall", "lorentz:-1", 8).interval.low > 0.1
    assert findings.span("recall", 8) == (0.1, 0.9)


def test_the_reach_of_contrasts_is_that_of_the_farthest_bound_on_either_side():
    made = (contrast(-0.4, 0.1, 0.2), contrast(0.1, 0.1, 0.2, b="sphere:0.1"))
    specs = ("euclidean", "lorentz:-1", "sphere:0.1")
    findings = Findings(trained({spec: [0.5] for spec in specs}, ("auroc",)), tuple(map(space, specs)), made)
    assert findings.reach("auroc", 8) == pytest.approx(0.6)


def test_every_dimension_has_a_reference_of_its_own():
    """A product exists at one dimension only and comes first; without euclidean the others have another reference."""
    decided = contrast(0.2, 0.05, 0.1, a="lorentz:-1", b="sphere:0.1")
    spaces = [
        SpaceFacts(spec, dim, spec, True, 0.5)
        for dim, named in ((8, ("product", "lorentz:-1", "sphere:0.1")), (4, ("lorentz:-1", "sphere:0.1")))
        for spec in named
    ]
    entries = tuple(Entry("m", each.geometry, each.dim, None, {"auroc": 0.5}) for each in spaces)
    found = Findings(Cube(entries), tuple(spaces), (replace(decided, dim=4),))
    told = str(conclude_study(found, None))
    assert told.count("Against") == 1
    assert "Against lorentz:-1 at dimension 4: sphere:0.1 is" in told


@pytest.mark.parametrize(("count", "warned"), [(10, True), (29, True), (30, False)])
def test_small_samples_carry_a_caution(count, warned):
    found = compared({"euclidean": np.ones(count), "lorentz:-1": np.zeros(count)})
    assert [each.kind for each in found.cautions] == (["small sample"] if warned else [])
    if warned:
        assert found.cautions[0].subjects == ("recall",)
        assert f"{count} images" in found.cautions[0].message


@pytest.mark.slow
def test_chance_is_rarely_called_a_winner_where_differences_are_rare():
    """Spaces that differ on 4 of 200 items, by chance: intervals exclude 0 too often, the sign test does not."""
    generator = np.random.default_rng(0)
    excluded, named = [], []
    for _ in range(200):
        base = np.full(200, 0.5)
        other = base.copy()
        other[:4] += generator.choice([-0.5, 0.5], size=4)
        (contrast,) = compared({"euclidean": other, "lorentz:-1": base}).contrasts
        excluded.append(contrast.simultaneous.low > 0 or contrast.simultaneous.high < 0)
        named.append(contrast.winner is not None)
    assert np.mean(excluded) > 0.08
    assert np.mean(named) <= 0.05


@pytest.mark.parametrize(
    ("draw", "count", "least", "most"),
    [
        ("standard_exponential", 10, 0.75, 0.88),
        ("standard_normal", 10, 0.86, 0.93),
        ("standard_exponential", SMALL_SAMPLE, 0.88, 0.95),
        ("standard_normal", SMALL_SAMPLE, 0.91, 0.97),
        ("standard_exponential", 200, 0.92, 0.98),
    ],
)
def test_coverage_of_intervals(draw, count, least, most):
    """How often 95 % intervals of a mean hold it: what the caution says of 10 rows, and why 30 are enough."""
    generator = np.random.default_rng(3)
    truth = 1.0 if draw == "standard_exponential" else 0.0
    shares = np.stack(list(resamples(count, 400, seed=0))) / count
    ends = np.quantile(getattr(generator, draw)((2000, count)) @ shares.T, [0.025, 0.975], axis=1)
    assert least <= np.mean((ends[0] <= truth) & (truth <= ends[1])) <= most


# Verdicts and conclusions of studies.


def with_controls(*reached: dict[str, float], metric: str = "precision") -> Findings:
    """Two spaces, with what controls reach in each."""
    base, better = hits(400, 60)
    found = compared({"euclidean": base, "lorentz:-1": better}, metric=metric)
    pairs = zip(found.cube.entries, reached, strict=True)
    return replace(found, cube=Cube(tuple(replace(entry, baselines={metric: each}) for entry, each in pairs)))


@pytest.mark.parametrize(("metric", "least", "strongest"), [("precision", 0.96, 0.99), ("tie", 0.2, 0.1)])
@pytest.mark.parametrize("first", [True, False])
def test_a_control_is_what_it_reaches_in_the_space_where_it_does_best(metric, least, strongest, first):
    reached = [{"length": strongest, "chance": float("nan")}, {"length": least}]
    found = with_controls(*(reached if first else reached[::-1]), metric=metric)
    assert found.baselines(metric, 8) == {"length": strongest}
    (grid,) = found.grids()
    assert (grid.heads[-1], grid.rows[0][1][-1].value) == ("words alone", f"{strongest:.3f}")
    assert found.baselines("recall", 8) == found.baselines(metric, 7) == {}


def test_a_control_of_several_seeds_is_their_mean():
    found = with_controls({}, {})
    entries = tuple(
        replace(each, seed=seed, baselines={"precision": {"length": value}})
        for each in found.cube.entries
        for seed, value in ((0, 0.9), (1, 0.7))
    )
    assert replace(found, cube=Cube(entries)).baselines("precision", 8) == {"length": pytest.approx(0.8)}


@pytest.mark.parametrize("effective", [400.0, 7.5])
def test_differences_of_items_that_share_captions_are_tested_by_students_t(effective):
    found = with_controls({}, {})
    entries = [replace(each, effective={"precision": effective}) for each in found.cube.entries]
    (contrast,) = contrast_all(Cube(tuple(entries)), found.spaces, without=frozenset(), seed=0)
    draws = entries[0].draws["precision"] - entries[1].draws["precision"]
    error = draws.std() * stats.norm.ppf(0.975) / stats.t.ppf(0.975, effective - 1)
    difference = entries[0].metrics["precision"] - entries[1].metrics["precision"]
    assert contrast.test is None
    assert contrast.adjusted_p == pytest.approx(2 * stats.t.sf(abs(difference) / error, effective - 1))
