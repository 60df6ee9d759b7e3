"""Figures draw what the objects say: data, labels, units; and they say what is missing."""

import re
import sys
from xml.etree import ElementTree

import matplotlib.figure
import numpy as np
import pytest

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo._core.text import shortened
from hiergeo.report import panels, plot
from hiergeo.report.drawing import svg, words
from hiergeo.report.radii import distributions
from hiergeo.report.summary import Dot, DotPlot
from hiergeo.training.study import Study
from tests.report.scenes_common import scenes_study

SPACES = ("euclidean", "lorentz:-1", "sphere:0.25")


@pytest.fixture(scope="module")
def comparison() -> hiergeo.Comparison:
    return hiergeo.compare("tiny", hiergeo.datasets.load("scenes", count=60), SPACES, steps=20, samples=100)


@pytest.fixture(scope="module")
def study() -> Study:
    return scenes_study()


def saved(figure: matplotlib.figure.Figure, tmp_path) -> matplotlib.figure.Figure:
    """The figure, drawn once so that its layout is known to work."""
    figure.savefig(tmp_path / "figure.png", dpi=50)
    assert (tmp_path / "figure.png").stat().st_size > 1000
    return figure


def test_radii(comparison, tmp_path):
    figure = saved(plot.radii(comparison), tmp_path)
    assert [axes.get_title("left") for axes in figure.axes] == list(SPACES)
    (tallest,) = {each.counts.max() for each in distributions({"": comparison.results[0]})}
    for axes, result in zip(figure.axes, comparison.results, strict=True):
        outlines = [patch for patch in axes.patches if patch.get_label().startswith("tier")]
        assert [patch.get_label() for patch in outlines] == [f"tier {tier}" for tier in range(4)]
        for patch, tier in zip(outlines, result.radii.T, strict=True):
            tops, edges, base = patch.get_data()
            counts = np.histogram(tier, edges)[0]
            assert (base - tops) / panels.BAR * tallest == pytest.approx(counts)
            assert counts.sum() == len(result.radii)
        assert axes.get_xlabel() == "radius r (geodesic units)"
        assert axes.get_ylabel() == "chains"
    assert len(plot.radii(comparison.results[0]).axes) == 1
    assert len(plot.radii({"a": comparison.results[0], "b": comparison.results[1]}).axes) == 2


def test_ladders_have_a_thumbnail_and_every_caption(comparison, tmp_path):
    figure = saved(plot.ladders(comparison, images=2, seed=1), tmp_path)
    assert sum(len(axes.images) for axes in figure.axes) == 2
    place = int(figure.axes[0].get_title("left").removeprefix("image "))
    where = [image.image_id for image in comparison.embedded.hierarchy.images].index(place)
    for axes, result in zip(figure.axes[1:4], comparison.results, strict=True):
        captions = [shortened(caption, panels.CAPTION) for caption in result.ladders[where]]
        assert [text.get_text() for text in axes.texts] == captions


def test_learning_curves(study, tmp_path):
    figure = saved(plot.learning_curves(study), tmp_path)
    first = next(axes for axes in figure.axes if axes.get_title("left") == "validation loss: total")
    history = study.cells[0].runs[0].trained.history
    lines = [line for line in first.lines if len(line.get_xdata()) == len(history)]
    assert lines[0].get_xdata().tolist() == [look.step for look in history]
    assert lines[0].get_ydata().tolist() == [look.validation["total"] for look in history]
    assert first.get_xlabel() == "training step"
    assert [axes.get_title("left") for axes in figure.axes][-2:] == [
        "rank correlation of tier and radius",
        "curvature K",
    ]


def test_forest(comparison, study, tmp_path):
    figure = saved(plot.forest(comparison), tmp_path)
    assert [axes.get_title("left") for axes in figure.axes] == ["precision", "recall", "true of the picture"]
    for axes, metric in zip(figure.axes, ("precision", "recall", "true_of_picture"), strict=True):
        contrasts = comparison.board.contrasts_of(metric, comparison.dim)
        drawn_ends = [tuple(line.get_xdata()) for line in axes.lines]
        for each in contrasts:
            assert {tuple(each.simultaneous), tuple(each.interval), (each.difference,)} <= set(drawn_ends)
        assert [text.get_text() for text in axes.get_yticklabels()] == [f"{each.a} − {each.b}" for each in contrasts]
    assert [axes.get_title("left") for axes in plot.forest(study, metrics=["auroc"]).axes] == ["AUROC"]
    with pytest.raises(InputError, match="tau_d"):
        plot.forest(comparison, metrics=["tau_d"])
    with pytest.raises(InputError, match="dim must be one of 64"):
        plot.forest(comparison, dim=3)


def test_a_figure_in_a_page_is_the_same_bytes_holds_text_as_text_and_asks_for_nothing(comparison):
    drawn = [svg(plot.summary(comparison), "a <b> & c") for _ in range(2)]
    assert drawn[0] == drawn[1]
    root = ElementTree.fromstring(drawn[0])
    assert root.attrib["aria-label"] == "a <b> & c"
    assert {"euclidean", "lorentz:-1"} <= {text.text for text in root.iter("text")}
    assert "http" not in drawn[0]
    assert not re.search(r"#[0-9a-f]{6}\b|<style|font-family", drawn[0])
    targets = re.findall(r"#(\w+)", drawn[0])
    assert set(targets) <= {each.get("id") for each in root.iter()}
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(
    "name", ["$x^2$ and $", "\u202eturned", "<img src=x>", "line\nbreak \x00", "\ud800", "\u4e2d\U0001f600"]
)
def test_names_from_outside_are_no_formulas_and_break_nothing(name):
    made = DotPlot("recall", (Dot(name, 0.5), Dot("b", 0.25)), of=name)
    root = ElementTree.fromstring(svg(plot.dots(made), str(made)))
    told = "".join(root.itertext())
    assert words(name).replace(r"\$", "$") in told
