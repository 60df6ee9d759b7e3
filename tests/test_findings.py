"""Findings: contrasts and their evidence, winners, verdicts, cautions and conclusions."""

from dataclasses import replace

import numpy as np
import pytest
from findings_common import compared, hits, measured, space
from scipy.stats import binomtest

from hiergeo.findings import (
    BeforeAfter,
    Contrast,
    Cube,
    Entry,
    Findings,
    HeadFacts,
    HeadsVerdict,
    SpaceFacts,
    SpaceVerdict,
    conclude_comparison,
    conclude_study,
    contrast_all,
    identity,
    standings,
    study_cautions,
)
from hiergeo.metrics import SMALL_SAMPLE, Interval, SignTest, find_metric, resamples

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
    assert "one space in 2 charts" in str(conclude_comparison(replace(found, cube=with_tau(found.cube))))
    assert identity("product:lorentz:-1x2") == identity("product:poincare:-1x2") != identity("lorentz:-1")
    assert identity("lorentz:-1", "model") != identity("lorentz:-1", "none")
    assert identity("a geometry without a spec") == ("a geometry without a spec",)


def with_tau(cube: Cube) -> Cube:
    drawn = np.full(9, 0.9)
    return Cube(
        tuple(replace(e, metrics=e.metrics | {"tau_d": 0.9}, draws=e.draws | {"tau_d": drawn}) for e in cube.entries)
    )


def test_metrics_that_are_no_merit_have_no_winner_and_smaller_can_be_better(monkeypatch):
    made = Contrast("score_ties", 8, "a", "b", 0.5, Interval(0.4, 0.6), Interval(0.3, 0.7))
    assert made.undecided_because == "no merit"
    from hiergeo import metrics
    from hiergeo.findings import contrasts, overview

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
    monkeypatch.setattr("hiergeo.findings.contrasts.find_metric", lambda _: replace(known, higher_is_better=merit))
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, -0.1)).direction == said
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, 0.1)).direction == "same"


def trained(values: dict[str, list[float]], metrics: tuple[str, ...] = ("recall",)) -> Cube:
    """Several seeds of every geometry, each a constant under resampling of the items, the same in every metric."""
    return Cube(
        tuple(
            Entry("m", spec, 8, seed, dict.fromkeys(metrics, value), {name: np.full(200, value) for name in metrics})
            for spec, each in values.items()
            for seed, value in enumerate(each)
        )
    )


def contrasted(values, metrics=("recall",), *, family="metric", seed=0):
    spaces = tuple(space(spec) for spec in values)
    return contrast_all(trained(values, metrics), spaces, without=frozenset(), family=family, seed=seed)


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


@pytest.mark.parametrize(("family", "tests"), [("metric", 1), ("all", 2)])
def test_p_values_are_corrected_over_the_family(family, tests):
    base, better = hits(200, 7)
    made = {"euclidean": better, "lorentz:-1": base}
    both = [
        replace(
            one, **{name: getattr(one, name) | getattr(two, name) for name in ("metrics", "draws", "rows", "items")}
        )
        for one, two in ((measured(spec, rows), measured(spec, rows, "precision")) for spec, rows in made.items())
    ]
    spaces = tuple(map(space, made))
    found = contrast_all(Cube(tuple(both)), spaces, without=frozenset(), family=family, seed=0)
    assert [each.metric for each in found] == ["recall", "precision"]
    assert [each.adjusted_p for each in found] == pytest.approx([binomtest(0, 7).pvalue * tests] * 2)


def test_the_sign_test_is_of_the_means_over_seeds():
    """Seed 0 is better on 10 items, seed 1 worse on 6 of them by as much: 4 are better."""
    base, better = hits(200, 10)
    changed = np.flatnonzero(better != base)
    worse = base.copy()
    worse[changed[:6]] = -1
    cells = (("euclidean", better, 0), ("euclidean", worse, 1), ("lorentz:-1", base, 0), ("lorentz:-1", base, 1))
    cube = Cube(tuple(measured(spec, rows, seed=seed) for spec, rows, seed in cells))
    spaces = (space("euclidean"), space("lorentz:-1"))
    (found,) = contrast_all(cube, spaces, without=frozenset(), family="metric", seed=0)
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
    monkeypatch.setattr("hiergeo.findings.overview.find_metric", lambda _: known)
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
    assert [(each.geometry, each.reference, each.dim) for each in standings(found)] == [("sphere:0.1", "lorentz:-1", 4)]


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


def head(seed=0, curvature=-1.0, problem=None, reach=0.0, **numbers) -> HeadFacts:
    return HeadFacts(seed, HEALTHY | numbers, (curvature,), reach, problem, 0)


def heads(*facts, geometry="lorentz:-1", rate=0.1, tried=()) -> HeadsVerdict:
    return HeadsVerdict(geometry, 8, facts or (head(),), rate, tried)


FLAT_HEADS = heads(head(curvature=0.0, bend=0.0), geometry="euclidean")
CURVED_HEADS = heads()


def contrast(difference, half, wide, metric="auroc", a="euclidean", b="lorentz:-1"):
    ends = [Interval(difference - reach, difference + reach) for reach in (half, wide)]
    return Contrast(metric, 8, a, b, difference, *ends)


def conclusion(
    contrasts, verdicts=(FLAT_HEADS, CURVED_HEADS), seeds=5, twins=(), shared=frozenset(), leakage=None
) -> str:
    named = [each.geometry for each in verdicts]
    named += [spec for spec in twins if spec not in named]
    entries = tuple(Entry("model", spec, 8, seed, {"auroc": 0.5}) for spec in named for seed in range(seeds))
    spaces = tuple(space(spec) for spec in named)
    found = Findings(Cube(entries), spaces, tuple(contrasts), shared)
    cautions = tuple(study_cautions(found, verdicts, seeds, leakage))
    return str(conclude_study(replace(found, cautions=cautions), leakage))


@pytest.mark.parametrize("numbers", [{"in_cone_random": 0.95}, {"aperture_root": 0.6}, {"radius_spread": 1.05}])
def test_collapse_is_counted_over_seeds(numbers):
    lost = heads(head(), head(1, **numbers))
    assert list(lost.collapse.values()) == [1]
    assert "Collapse in 1 of 2 heads" in str(lost)
    assert "collapse in lorentz:-1 at dimension 8" in conclusion([contrast(0, 1, 2)], (FLAT_HEADS, lost))


def test_a_healthy_curved_cell():
    verdict = heads(head(curvature=-0.5), head(1, curvature=-0.7))
    assert not verdict.collapsed
    assert not verdict.flat
    assert "With K = −0.7 to −0.5 a circle of the largest radius is up to 30.00% longer" in str(verdict)


def test_a_flat_cell_is_to_be_treated_as_euclidean_and_leads_by_no_curvature():
    bent = heads(head(bend=0.015), head(bend=0.01))
    assert bent.flat
    assert "treat it as Euclidean" in str(bent)
    assert not heads(head(bend=0.015), head(bend=0.03)).flat
    assert not FLAT_HEADS.flat
    assert "circle" not in str(FLAT_HEADS)
    assert "its lead is not one of curvature" in conclusion([contrast(-0.5, 0.1, 0.2)], (FLAT_HEADS, bent))


def test_the_equator_and_the_edge_of_the_grid_are_named():
    assert "beyond the equator" in str(heads(head(curvature=1.0, reach=1.6, bend=-0.3), geometry="sphere:1"))
    assert "equator" not in str(heads(head(curvature=1.0, reach=1.5, bend=-0.3), geometry="sphere:1"))
    assert "0.1, is the largest" in str(heads(tried=(0.01, 0.05, 0.1)))
    assert "is the smallest" in str(heads(tried=(0.1, 0.5, 1.0)))
    assert "tried" not in str(heads(tried=(0.01, 0.1, 1.0)))


def test_problems_are_named_with_their_seed():
    verdict = heads(head(), head(3, problem="the loss became NaN at step 7"))
    assert verdict.broken
    assert "Seed 3: the loss became NaN at step 7; it counts with the state of step 0." in str(verdict)


def test_an_interval_that_excludes_0_alone_and_not_simultaneously_is_no_difference():
    assert contrast(0.02, 0.01, 0.03).winner is None
    said = conclusion([contrast(0.02, 0.01, 0.03), contrast(0.01, 0.02, 0.06, "tau_d")])
    assert said.startswith("No difference: none of the 2 differences")
    assert "euclidean minus lorentz:-1 in AUROC at dimension 8, is +0.0200" in said


def test_a_conclusion_names_metrics_by_their_labels_and_writes_true_minus_signs():
    said = conclusion([contrast(-0.02, 0.01, 0.03, "auroc_margin")], shared=frozenset({"auroc_sibling"}))
    assert "in AUROC (margin) at dimension 8, is −0.0200 (95 % interval on its own −0.0300 to −0.0100)" in said
    assert "AUROC (sibling) cannot differ" in said
    assert "most in" not in conclusion([contrast(0.05, 0.01, 0.02, "auroc_margin")])


def test_few_seeds_cannot_tell_that_there_is_no_difference():
    said = conclusion([contrast(0.02, 0.01, 0.03)], seeds=3)
    assert said.startswith("Inconclusive, 3 seeds cannot tell")
    assert "repeat the study with 5 seeds" in said


@pytest.mark.parametrize(("seeds", "few"), [(4, True), (5, False)])
def test_five_seeds_are_enough_to_conclude_that_there_is_no_difference(seeds, few):
    made = (contrast(0.02, 0.01, 0.03),)
    spaces = (space("euclidean"), space("lorentz:-1"))
    findings = Findings(trained({each.geometry: [0.5] * seeds for each in spaces}, ("auroc",)), spaces, made)
    cautions = study_cautions(findings, (FLAT_HEADS, CURVED_HEADS), seeds, None)
    assert [each.kind for each in cautions] == (["few seeds"] if few else [])
    assert conclude_study(findings, None).headline.startswith("Inconclusive" if few else "No difference")


def test_a_standing_names_the_largest_difference_whatever_its_sign():
    made = [contrast(-0.02, 0.005, 0.01, "auroc"), contrast(-0.08, 0.01, 0.02, "recall")]
    assert "better in 2 of 2 metrics, most in recall, by 0.0800" in conclusion(made)


def test_the_clearest_difference_may_be_negative():
    made = [contrast(0.01, 0.04, 0.06, "auroc"), contrast(-0.02, 0.01, 0.03, "tau_d")]
    assert "The clearest, euclidean minus lorentz:-1 in tau_d at dimension 8, is −0.0200" in conclusion(made)


def test_cones_that_hold_random_captions_more_often_are_uninformative():
    numbers = {"radius_spread": 2.0, "in_cone": 0.1, "in_cone_random": 0.4}
    assert "uninformative" in str(SpaceVerdict.of(numbers))
    assert "uninformative" not in str(SpaceVerdict.of(numbers | {"in_cone": 0.46}))


def test_a_sphere_shortens_circles_by_a_positive_percentage():
    numbers = {"radius_spread": 2.0, "in_cone": 0.5, "in_cone_random": 0.1, "curvature": 1.0, "bend": -0.3}
    assert "is 30 % shorter" in str(SpaceVerdict.of(numbers))


def test_heads_on_a_sphere_bend_the_other_way():
    verdict = heads(head(curvature=1.0, bend=-0.3), head(1, curvature=1.0, bend=0.01), geometry="sphere:1")
    assert verdict.bend == -0.3
    assert not verdict.flat


def test_a_difference_without_width_decides_nothing():
    assert contrast(0.02, 0.0, 0.0).winner is None


def test_leads_in_both_directions_are_counted():
    made = [
        contrast(0.05, 0.01, 0.02, "auroc"),
        contrast(0.03, 0.01, 0.02, "recall"),
        contrast(-0.04, 0.01, 0.02, "precision"),
        contrast(0.01, 0.01, 0.02, "tau_d"),
    ]
    assert [each.winner for each in made] == ["euclidean", "euclidean", "lorentz:-1", None]
    said = conclusion(made)
    assert said.startswith("3 of 4 differences")
    assert "better in 1 of 4 metrics, precision, by 0.0400, and worse in 2, most in AUROC, by 0.0500" in said


def test_without_euclid_the_first_geometry_is_the_reference():
    made = [contrast(0.05, 0.01, 0.02, a="lorentz:-1", b="sphere:0.25")]
    said = conclusion(made, (heads(), heads(geometry="sphere:0.25")))
    assert "Against lorentz:-1 at dimension 8: sphere:0.25 is worse in 1" in said


def test_a_lead_across_learning_rates_is_not_put_down_to_geometry():
    verdicts = (replace(FLAT_HEADS, learning_rate=0.003), heads(rate=0.001))
    assert "euclidean (0.003), lorentz:-1 (0.001)" in conclusion([contrast(0.05, 0.01, 0.02)], verdicts)
    assert "rates" not in conclusion([contrast(0.05, 0.01, 0.02)])
    assert "rates" not in conclusion([contrast(0.05, 0.06, 0.07)], verdicts)


def test_charts_shared_metrics_and_leakage_are_said():
    said = conclusion([contrast(0, 1, 2)], twins=("poincare:-1",), shared=frozenset({"tau_d"}), leakage="9 rows.")
    assert "lorentz:-1 and poincare:-1 are one space in 2 charts" in said
    assert "tau_d cannot differ under these losses" in said
    assert said.endswith("Trained on test data: 9 rows.")
    assert conclusion([]).startswith("Nothing was compared")
