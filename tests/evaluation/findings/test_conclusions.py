"""Verdicts on trained heads, conclusions of studies and of comparisons, on numbers made by hand."""

from dataclasses import replace

import pytest

from hiergeo.evaluation.answers import Answer, inapplicable
from hiergeo.evaluation.findings import (
    Cube,
    Entry,
    Findings,
    HeadFacts,
    HeadsVerdict,
    conclude_comparison,
    conclude_study,
    study_cautions,
)
from tests.evaluation.findings.findings_common import contrast, space, trained

HEALTHY = {"in_cone_random": 0.1, "aperture_root": 0.0, "radius_spread": 1.5, "bend": 0.3}


def head(seed=0, curvature=-1.0, problem=None, reach=0.0, **numbers) -> HeadFacts:
    return HeadFacts(seed, HEALTHY | numbers, (curvature,), reach, problem, 0)


def heads(*facts, geometry="lorentz:-1", rate=0.1, tried=()) -> HeadsVerdict:
    return HeadsVerdict(geometry, 8, facts or (head(),), rate, tried)


FLAT_HEADS = heads(head(curvature=0.0, bend=0.0), geometry="euclidean")
CURVED_HEADS = heads()


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
    assert not verdict.collapse
    assert not verdict.flat
    assert "With K = −0.7 to −0.5 a circle of the largest radius is up to 30.00 % longer" in str(verdict)


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
    assert "Seed 3: the loss became NaN at step 7; it counts with the state of step 0." in str(verdict)


def test_an_interval_that_excludes_0_alone_and_not_simultaneously_is_no_difference():
    assert contrast(0.02, 0.01, 0.03).winner is None
    said = conclusion([contrast(0.02, 0.01, 0.03), contrast(0.01, 0.02, 0.06, "tau_d")])
    assert "none of 2 differences" in said.lower()
    assert "2 of 2" not in said
    assert "euclidean minus lorentz:-1 in AUROC at dimension 8, is +0.0200" in said


def test_a_conclusion_names_metrics_by_their_labels_and_writes_true_minus_signs():
    said = conclusion([contrast(-0.02, 0.01, 0.03, "auroc_margin")], shared=frozenset({"auroc_sibling"}))
    assert "in AUROC (margin) at dimension 8, is −0.0200 (95 % interval on its own −0.0300 to −0.0100)" in said
    assert "AUROC (sibling) cannot differ" in said
    assert "most in" not in conclusion([contrast(0.05, 0.01, 0.02, "auroc_margin")])


def test_few_seeds_cannot_tell_that_there_is_no_difference():
    said = conclusion([contrast(0.02, 0.01, 0.03)], seeds=3)
    assert said.startswith("With 3 seeds the study is inconclusive")
    assert "repeat the study with 5 seeds" in said


@pytest.mark.parametrize(("seeds", "few"), [(4, True), (5, False)])
def test_five_seeds_are_enough_to_conclude_that_there_is_no_difference(seeds, few):
    made = (contrast(0.02, 0.01, 0.03),)
    spaces = (space("euclidean"), space("lorentz:-1"))
    findings = Findings(trained({each.geometry: [0.5] * seeds for each in spaces}, ("auroc",)), spaces, made)
    cautions = study_cautions(findings, (FLAT_HEADS, CURVED_HEADS), seeds, None)
    assert [each.kind for each in cautions] == (["few seeds"] if few else [])
    assert ("inconclusive" in conclude_study(findings, None).headline) is few


def test_a_standing_names_the_largest_difference_whatever_its_sign():
    made = [contrast(-0.02, 0.005, 0.01, "auroc"), contrast(-0.08, 0.01, 0.02, "recall")]
    assert "better in 2 of 2 metrics, most in recall, by 0.0800" in conclusion(made)


def test_the_clearest_difference_may_be_negative():
    made = [contrast(0.01, 0.04, 0.06, "auroc"), contrast(-0.02, 0.01, 0.03, "tau_d")]
    assert "The clearest, euclidean minus lorentz:-1 in tau_d at dimension 8, is −0.0200" in conclusion(made)


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
    assert "3 of 4 differences" in said
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


def answer(word, value=0.5, n=40) -> Answer:
    if word == "inapplicable":
        return inapplicable("not asked")
    return Answer(word, value, value - 0.1, value + 0.1, n, word)


def compared_answers(curvatures, order="forward", beyond="yes"):
    """Answers by geometry; the order is the same in all spaces."""
    return {
        spec: {"order": answer(order), "beyond_length": answer(beyond), "curvature": answer(word)}
        for spec, word in curvatures.items()
    }


ONE = Findings(Cube((Entry("model", "euclidean", 8, None, {"auroc": 0.5}),)), (space("euclidean"),))


def compared_headline(curvatures, **answers) -> str:
    return conclude_comparison(ONE, compared_answers(curvatures, **answers)).headline


def test_flat_spaces_alone_have_no_word_about_curvature():
    assert "urvature" not in compared_headline({"euclidean": "inapplicable"})


def test_curved_spaces_that_agree_speak_as_one():
    agreed = {"euclidean": "inapplicable", "lorentz:-1": "harms", "lorentz:-2": "harms"}
    assert compared_headline(agreed) == compared_headline({"lorentz:-1": "harms"})
    assert "harms" in compared_headline(agreed)


@pytest.mark.parametrize("other", ["harms", "none", "unclear"])
def test_the_space_in_which_curvature_helps_alone_is_named(other):
    said = compared_headline({"euclidean": "inapplicable", "lorentz:-1": other, "lorentz:-4": "helps"})
    assert "lorentz:-4" in said
    assert "lorentz:-1" not in said


def test_that_curvature_helps_nowhere_is_not_said_where_it_cannot_be_told():
    settled, unclear = (compared_headline({"lorentz:-1": "harms", "lorentz:-4": word}) for word in ("none", "unclear"))
    assert settled.endswith("helps nowhere.")
    assert "nowhere measurably" in unclear


def test_several_spaces_in_which_curvature_helps_are_counted():
    said = compared_headline({"lorentz:-1": "helps", "lorentz:-2": "harms", "lorentz:-4": "helps"})
    assert "2 spaces" in said


def test_a_comparison_says_every_answer_once():
    answers = compared_answers({"euclidean": "inapplicable", "lorentz:-1": "harms", "lorentz:-2": "none"})
    remarks = conclude_comparison(ONE, answers).remarks
    assert remarks == ("forward", "yes", "In lorentz:-1, harms", "In lorentz:-2, none")


def test_toy_settings_come_first():
    said = conclude_comparison(ONE, compared_answers({"lorentz:-1": "helps"}), "A toy").headline
    assert said.startswith("A toy: ")
