"""The conformance suite of laws of pairs: what every law must do, and the invariants that it declares."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from hiergeo.geometry import PairLaw, Space
from hiergeo.geometry.law import INVARIANTS

SLACK = 64
"""Rounding of a value, in units of the precision."""


class LawConformance:
    """Inherit from this, define `make`, and pytest runs the contract against your law.

    ```python
    class TestMyLaw(LawConformance):
        def make(self):
            return MyLaw()
    ```

    Of every law values, shapes, gradients and rows with NaN are checked, and that rows, blocks and batches agree. The
    `invariants` of the law are checked on pairs and triples of `sample`, and none that it does not declare.

    `dim` is the dimension of its embeddings.
    """

    dim: ClassVar[int] = 4

    def make(self) -> PairLaw:
        """The law."""
        raise NotImplementedError

    def sample(self, generator: torch.Generator) -> Tensor:
        """Embeddings (N, dim) less their root, float64: points, and others further along and near the same ways."""
        first = torch.randn(24, self.dim, generator=generator, dtype=torch.float64) / 4
        near = torch.randn(24, self.dim, generator=generator, dtype=torch.float64) / 32
        onwards = 1 + torch.rand(24, 1, generator=generator, dtype=torch.float64)
        rows = [first, first * onwards, first * onwards**2, first + near, torch.zeros_like(first[:1])]
        return torch.cat(rows)

    def test_what_it_declares(self) -> None:
        law = self.make()
        assert law.measures, f"{law.spec} defines neither a distance nor a margin"
        unknown = set(law.invariants) - set(INVARIANTS)
        assert not unknown, f"unknown invariants {sorted(unknown)}; they are {', '.join(INVARIANTS)}"
        law.check(self.dim)

    def test_rows_blocks_and_batches_agree(self) -> None:
        for name, space, x, y in self._cases():
            whole = getattr(space, f"pairwise_{name}")(x, y)
            assert whole.shape == (len(x), len(y)), f"{name}: {tuple(whole.shape)} of {len(x)} and {len(y)} rows"
            torch.testing.assert_close(getattr(space, name)(x[:, None], y), whole, msg=f"{name} of rows and of blocks")
            single = torch.stack([getattr(space, name)(x[i], y[i]) for i in range(len(y))])
            torch.testing.assert_close(whole[: len(y)].diagonal(), single, msg=f"{name} of one pair and of many")
            batch = getattr(space, f"pairwise_{name}")(torch.stack((x, x.flip(0))), torch.stack((y, y)))
            torch.testing.assert_close(batch[1], whole.flip(0), msg=f"{name} of a batch")

    def test_values_and_gradients_are_finite_everywhere(self) -> None:
        for name, space, x, _ in self._cases():
            for dtype in (torch.float32, torch.float64):
                rows = x.to(dtype).requires_grad_()
                value = getattr(space, f"pairwise_{name}")(rows, rows)
                (gradient,) = torch.autograd.grad(value.sum(), rows)
                assert bool(value.isfinite().all()), f"{name}: a value in {dtype} is not finite"
                assert bool(gradient.isfinite().all()), f"{name}: a gradient in {dtype} is not finite"

    def test_gradients_are_those_of_the_values(self) -> None:
        for name, space, x, y in self._cases():
            a, b = x[:3].clone().requires_grad_(), y[3:6].clone().requires_grad_()
            assert torch.autograd.gradcheck(getattr(space, f"pairwise_{name}"), (a, b)), f"gradients of {name}"

    def test_a_row_with_nan_is_nan_and_harms_no_other(self) -> None:
        for name, space, x, y in self._cases():
            x = x.clone()
            x[1, 0] = math.nan
            value = getattr(space, f"pairwise_{name}")(x, y)
            assert bool(value[1].isnan().all()), f"{name} of a row with NaN is a number"
            assert not bool(value[2:].isnan().any()), f"{name}: NaN of one row reaches another"

    def test_distances_are_not_negative(self) -> None:
        law = self.make()
        if "distance" in law.measures:
            x = self._sample()
            assert bool((Space(law, "none").pairwise_distance(x, x) >= 0).all()), "a distance is negative"

    def test_declared_of_the_distance(self) -> None:
        law = self.make()
        x = self._sample()
        if "distance" not in law.measures or not {"symmetric", "metric"} & law.invariants:
            return
        apart = Space(law, "none").pairwise_distance(x, x)
        slack = self._slack(apart)
        assert bool(((apart - apart.T).abs() <= slack).all()), "not symmetric"
        if "metric" in law.invariants:
            assert bool((apart.diagonal() <= slack).all()), "not a metric: a point is away from itself"
            detours = apart[:, :, None] + apart[None]
            assert bool((apart[:, None] <= detours + slack).all()), "not a metric: a detour is shorter"

    def test_declared_of_the_entailment(self) -> None:
        law = self.make()
        if "margin" not in law.measures:
            return
        x = self._sample()
        space = Space(law, "none")
        margin, radius, slack = space.pairwise_margin(x, x), space.radius(x), self._slack(x)
        loose, other = margin >= -slack, ~torch.eye(len(x), dtype=torch.bool)
        strict = (margin >= 0) & other
        if "reflexive" in law.invariants:
            assert bool(loose.diagonal().all()), "not reflexive: a point does not entail itself"
        if "rooted" in law.invariants:
            assert bool(loose[-1].all()), "not rooted: the root does not entail everything"
        if {"transitive", "antisymmetric", "monotone"} & law.invariants:
            assert int(strict[:-1].sum()) >= 8, "too few pairs of the sample are entailed: override sample"
        if "transitive" in law.invariants:
            through = (strict.double() @ strict.double() > 0) & other
            assert bool(loose[through].all()), "not transitive"
        if "antisymmetric" in law.invariants:
            twins = (law.rows(x)[:, None] - law.rows(x)).abs().amax(-1) <= slack
            assert bool((strict & strict.T <= twins).all()), "not antisymmetric: two points entail each other"
        if "monotone" in law.invariants:
            outwards = radius >= radius[:, None] - slack
            assert bool(outwards[strict].all()), "not monotone: a point entails one nearer to the root"

    def _sample(self) -> Tensor:
        return self.sample(torch.Generator().manual_seed(0))

    def _cases(self) -> list[tuple[str, Space, Tensor, Tensor]]:
        law, x = self.make(), self._sample()
        return [(name, Space(law, "none"), x, x[7:40]) for name in sorted(law.measures)]

    def _slack(self, values: Tensor) -> float:
        return SLACK * torch.finfo(torch.float64).eps * max(1.0, float(values.abs().max()))
