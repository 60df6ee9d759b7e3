"""Conformance suite for losses: plug-ins that head training and fine-tuning can minimise."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo.geometry import Space, parse
from hiergeo.training import Batch, ChainLoss

DIM, ROWS, TIERS = 8, 12, 4


class LossConformance:
    """Inherit from this, define `make`, and pytest checks that your loss can be trained with.

    ```python
    class TestSpread(LossConformance):
        def make(self):
            return spread
    ```

    Attributes:
        specs: the geometries that the loss is taken in.
        whole_gradient: whether the gradient is that of the whole value; False for losses that treat a part of it as a
            constant on purpose.
        steps: steps of gradient descent within which it has to fall.
        rate: their length, as a share of the norm of the embeddings.
    """

    specs: ClassVar[tuple[str, ...]] = ("euclidean", "lorentz:-0.7", "poincare:-0.5", "sphere:0.3")
    whole_gradient: ClassVar[bool] = True
    steps: ClassVar[int] = 30
    rate: ClassVar[float] = 0.02

    def make(self) -> ChainLoss | Callable[[Batch], Tensor]:
        """The loss: a `ChainLoss`, or a function of a `Batch`."""
        raise NotImplementedError

    def test_it_is_one_finite_number(self) -> None:
        for spec, batch in self._batches():
            value = self._loss(batch)
            assert isinstance(value, Tensor), f"a {type(value).__name__} in {spec}, not a tensor"
            assert value.ndim == 0, f"a loss of shape {tuple(value.shape)} in {spec}"
            assert value.is_floating_point(), f"a loss of {value.dtype} in {spec}"
            assert bool(value.isfinite()), f"the loss is {float(value)} in {spec}"

    def test_its_gradient_is_the_slope_of_its_value(self) -> None:
        for spec, batch in self._batches(torch.float64):

            def loss(positive: Tensor, negative: Tensor, batch: Batch = batch) -> Tensor:
                return self._loss(batch._replace(positive=positive, negative=negative))

            chains = [chain.clone().requires_grad_() for chain in batch[:2]]
            gradients = torch.autograd.grad(loss(chains[0], chains[1]), chains, allow_unused=True)
            assert any(part is not None and bool(part.any()) for part in gradients), f"no gradient in {spec}"
            if self.whole_gradient:
                torch.autograd.gradcheck(loss, chains, atol=1e-4, rtol=1e-4, fast_mode=True)

    def test_gradients_are_finite_at_special_points(self) -> None:
        for spec, batch in self._batches():
            positive, negative, root = batch.positive.clone(), batch.negative.clone(), batch.space.root
            assert root is not None
            positive[0] = positive[0, :1]
            positive[1, 0] = root
            negative[2] = -positive[2]
            positive.requires_grad_()
            (gradient,) = torch.autograd.grad(
                self._loss(batch._replace(positive=positive, negative=negative)), positive, allow_unused=True
            )
            finite = gradient is None or bool(gradient.isfinite().all())
            assert finite, (
                f"equal tiers, tiers at the root or opposite negatives give NaN or Inf for a gradient in {spec}"
            )

    def test_the_order_of_rows_does_not_matter(self) -> None:
        for spec, batch in self._batches(torch.float64):
            order = torch.arange(ROWS).roll(5)
            turned = Batch(
                batch.positive[order],
                batch.negative[order],
                (batch.frozen[0][order], batch.frozen[1][order]),
                batch.space,
            )
            torch.testing.assert_close(
                self._loss(turned), self._loss(batch), rtol=1e-6, atol=1e-8, msg=f"rows in another order in {spec}"
            )

    def test_it_changes_nothing_and_draws_nothing(self) -> None:
        for spec, batch in self._batches():
            before, generator = [chain.clone() for chain in (*batch[:2], *batch.frozen)], torch.get_rng_state()
            first, second = self._loss(batch), self._loss(batch)
            assert torch.equal(first, second), f"the same batch has two losses in {spec}"
            assert torch.equal(torch.get_rng_state(), generator), "the global generator of random numbers was used"
            for chain, copy in zip((*batch[:2], *batch.frozen), before, strict=True):
                assert torch.equal(chain, copy), f"the loss changed the embeddings that it was given in {spec}"

    def test_it_falls_along_its_gradient(self) -> None:
        for spec, batch in self._batches():
            positive, negative = (chain.clone().requires_grad_() for chain in batch[:2])
            start = lowest = float(self._loss(batch))
            for _ in range(self.steps):
                loss = self._loss(batch._replace(positive=positive, negative=negative))
                gradients = torch.autograd.grad(loss, (positive, negative), allow_unused=True)
                with torch.no_grad():
                    for chain, gradient in zip((positive, negative), gradients, strict=True):
                        if gradient is not None and bool(gradient.any()):
                            chain -= self.rate * chain.norm() * gradient / gradient.norm()
                            chain.copy_(normalize(chain, dim=-1))
                lowest = min(
                    lowest, float(self._loss(batch._replace(positive=positive.detach(), negative=negative.detach())))
                )
            assert lowest < start, f"{self.steps} steps of descent leave the loss at {start:.6g} in {spec}"

    def test_it_says_whether_it_sees_the_curvature(self) -> None:
        loss = self.make()
        sees = loss.sees_curvature if isinstance(loss, ChainLoss) else True
        flat, bent = (self._loss(_batch(spec, torch.float64)) for spec in ("lorentz:-0.2", "lorentz:-3"))
        differ = not torch.allclose(flat, bent, rtol=1e-6, atol=1e-9)
        assert differ == sees, f"sees_curvature is {sees}, and two curvatures give {float(flat):.6g}, {float(bent):.6g}"

    def _loss(self, batch: Batch) -> Tensor:
        loss = self.make()
        return (loss.measure if isinstance(loss, ChainLoss) else loss)(batch)

    def _batches(self, dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, Batch]]:
        for spec in self.specs:
            yield spec, _batch(spec, dtype)


def _batch(spec: str, dtype: torch.dtype) -> Batch:
    """Random chains of unit embeddings, the frozen ones a little beside them, around a root of their own."""
    positive, negative, shift = (_random((ROWS, TIERS, DIM), seed=seed) for seed in (1, 2, 3))
    root = normalize(_random((DIM,), seed=4), dim=0)
    frozen = (normalize(positive + 0.3 * shift, dim=-1).to(dtype), normalize(negative + 0.3 * shift, dim=-1).to(dtype))
    return Batch(
        normalize(positive, dim=-1).to(dtype),
        normalize(negative, dim=-1).to(dtype),
        frozen,
        Space(parse(spec), root.to(dtype)),
    )


def _random(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
