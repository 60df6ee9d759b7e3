"""Contrast of unequal sides with labels, against matrices in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.geometry import Space
from hiergeo.losses import contrastive_loss, siglip_loss
from hiergeo.pairwise import backend
from tests.losses import near_zero

DIM = 6
ROOT = torch.linspace(-0.2, 0.2, DIM, dtype=torch.float64)
X, Y = torch.randn(2, 5, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
Y = Y[:3]
LABELS = torch.tensor([4, 0, 4, 1, 0]), torch.tensor([0, 4, 1])
SAME = (LABELS[0][:, None] == LABELS[1]).numpy()
SPACES = [("euclidean", "distance"), ("lorentz:-0.7", "distance"), ("sphere:0.1", "distance"), ("euclidean", "cosine")]


def similarities(space: Space, by: str) -> np.ndarray:
    def of(a: Tensor, b: Tensor) -> float:
        return float(torch.cosine_similarity(a, b, dim=0) if by == "cosine" else -space.distance(a, b))

    return np.array([[of(a, b) for b in Y] for a in X])


@pytest.mark.parametrize(("spec", "by"), SPACES)
def test_sides_of_other_sizes_are_matched_by_labels(spec, by):
    space = Space(spec, ROOT)
    logits = similarities(space, by) / 0.3
    by_row = -(np.where(SAME, log_softmax(logits, 1), 0).sum(1) / SAME.sum(1))
    by_column = -(np.where(SAME, log_softmax(logits, 0), 0).sum(0) / SAME.sum(0))
    for reduction, expected in (
        ("mean", (by_row.mean() + by_column.mean()) / 2),
        ("sum", (by_row.sum() + by_column.sum()) / 2),
    ):
        value = contrastive_loss(space, X, Y, 0.3, LABELS, by=by, reduction=reduction)
        assert float(value) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="not 5 and 3"):
        contrastive_loss(space, X, Y, 0.3, LABELS, by=by, reduction="none")


@pytest.mark.parametrize("sides", ["both", "rows"])
@pytest.mark.parametrize(("spec", "by"), [*SPACES, ("lorentz:-0.7?learnable", "distance")])
def test_levels_are_a_mask_over_all_pairs(spec, by, sides):
    """A label that stands at two levels matches within each; values and gradients are those of masked logits."""
    labels = torch.tensor([4, 0, 4, 0, 0]), torch.tensor([0, 4, 0])
    levels = torch.tensor([7, 7, 7, -1, -1]), torch.tensor([7, 7, -1])
    beside = levels[0][:, None] != levels[1]
    same = (labels[0][:, None] == labels[1]) & ~beside
    space = Space(spec, ROOT)
    x, y, temperature = (value.clone().requires_grad_() for value in (X, Y, torch.tensor(0.3, dtype=torch.float64)))
    near = torch.cosine_similarity(x[:, None], y, dim=-1) if by == "cosine" else -space.pairwise_distance(x, y)
    logits = (near / temperature).masked_fill(beside, -torch.inf)
    halves = [-(logits.log_softmax(dim).masked_fill(~same, 0).sum(dim) / same.sum(dim)).mean() for dim in (1, 0)]
    expected = halves[0] if sides == "rows" else sum(halves) / 2
    learnt = [x, y, temperature, *space.parameters()]
    wanted = torch.autograd.grad(expected, learnt)
    value = contrastive_loss(space, x, y, temperature, labels, levels=levels, by=by, sides=sides)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(torch.autograd.grad(value, learnt), wanted, rtol=1e-7, atol=1e-9)


def test_levels_give_the_loss_of_bioclip_hc():
    """Their sum over ranks of a taxonomy: each picture among the texts of a level, where equal texts are one."""
    space, images = Space("lorentz:-1", "none"), X
    of_level = [torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 1, 2, 2])]
    texts = [
        torch.randn(int(of.max()) + 1, DIM, generator=torch.Generator().manual_seed(9)).double() for of in of_level
    ]
    total, rows = 0.0, 0.0
    for text, of in zip(texts, of_level, strict=True):
        logits = -space.pairwise_distance(images, text) / 0.3
        positive = torch.nn.functional.one_hot(of).double()
        by_text = (logits.log_softmax(0) * positive).sum(0) / positive.sum(0)
        by_image = logits.log_softmax(1).gather(1, of[:, None])
        rows, total = rows - float(by_image.mean()), total - float(by_image.mean() + by_text.mean()) / 2
    parts = [
        contrastive_loss(space, images, text, 0.3, (of, torch.arange(len(text))))
        for text, of in zip(texts, of_level, strict=True)
    ]
    assert float(sum(parts)) == pytest.approx(total, rel=1e-9)
    level = torch.tensor([0, 1]).repeat_interleave(5), torch.tensor([0, 0, 1, 1, 1])
    labels = torch.cat(of_level), torch.tensor([0, 1, 0, 1, 2])
    both = images.repeat(2, 1), torch.cat(texts)
    at_once = contrastive_loss(space, *both, 0.3, labels, levels=level, sides="rows")
    assert 2 * float(at_once) == pytest.approx(rows, rel=1e-9)


@pytest.mark.parametrize(("spec", "by"), SPACES)
def test_every_pair_of_siglip_is_a_decision_of_its_own(spec, by):
    space = Space(spec, ROOT)
    logits = similarities(space, by) / 0.3 + 0.8
    expected = np.log1p(np.exp(np.where(SAME, -logits, logits))).sum() / len(X)
    assert float(siglip_loss(space, X, Y, 0.3, 0.8, LABELS, by=by)) == pytest.approx(expected, rel=1e-9)


def test_a_row_without_a_match_is_named_and_may_be_in_siglip():
    lonely = torch.tensor([4, 0, 4, 7, 0]), torch.tensor([0, 4, 4])
    with pytest.raises(InputError, match="row 3 of x"):
        contrastive_loss(Space("euclidean"), X, Y, 0.3, lonely)
    assert torch.isfinite(siglip_loss(Space("euclidean"), X, Y, 0.3, 0.0, lonely))


def test_labels_and_measures_that_do_not_fit_are_refused():
    for labels in ((LABELS[0].float(), LABELS[1]), (LABELS[0][:4], LABELS[1]), (LABELS[0], LABELS[1][:, None])):
        with pytest.raises(InputError, match="labels of"):
            contrastive_loss(Space("euclidean"), X, Y, 0.3, labels)
        with pytest.raises(InputError, match="levels of"):
            contrastive_loss(Space("euclidean"), X, Y, 0.3, LABELS, levels=labels)
    with pytest.raises(InputError, match="row 1 of x"):
        contrastive_loss(Space("euclidean"), X, X, levels=(torch.zeros(5).long(), torch.tensor([0, 1, 0, 0, 0])))
    with pytest.raises(InputError, match="'distance' or 'cosine'"):
        contrastive_loss(Space("euclidean"), X, Y, 0.3, LABELS, by="dot")


@pytest.mark.parametrize("native", [None, False])
@pytest.mark.parametrize("sides", ["both", "rows"])
@pytest.mark.parametrize(("spec", "by"), near_zero.SPACES)
def test_losses_near_zero_keep_their_digits(spec, by, sides, native):
    """More rows than reduce columns together; what a match leaves over is far below the rounding of float32."""
    with backend(native=native):
        for target in (1e-3, 1e-6, 1e-9):
            assert max(near_zero.errors(spec, by, sides, target, count=300)) < 2e-5
