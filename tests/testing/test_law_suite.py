"""The suite of laws passes those of hiergeo, and finds what a broken law breaks."""

import pytest
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.geometry import PairLaw, parse
from hiergeo.geometry.law import INVARIANTS
from hiergeo.testing import LawConformance

EVERY = frozenset(INVARIANTS)


class Order(PairLaw):
    """A law that keeps all of them, to be broken."""

    invariants = EVERY

    def rows(self, v: Tensor) -> Tensor:
        return v.abs()

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().sum(-1)

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return -(x - y).clamp_min(0).sum(-1)


class Skewed(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - 2 * y).abs().sum(-1)


class Squared(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().sum(-1)


class Strict(Order):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return super().margin(x, y) - 1e-6


class Near(Order):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return 0.3 - super().distance(x, y)


class Upwards(Order):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return super().margin(y, x)


class Coarse(Order):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return super().margin((8 * x).floor(), (8 * y).floor())


class Centred(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y - (x - y).mean(0, keepdim=True)).abs().sum(-1)


class Rooted(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().sum(-1).sqrt()


class Detached(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x.detach() - y).abs().sum(-1)


class Blind(Order):
    def rows(self, v: Tensor) -> Tensor:
        return v.abs().nan_to_num()


class Shapeless(Order):
    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return -(x - y).clamp_min(0)


class Negative(Order):
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).sum(-1)


class Unknown(Order):
    invariants = EVERY | {"convex"}


def failing(law: PairLaw) -> str:
    """What the suite finds first, in the order of its tests."""
    kit = type("Kit", (LawConformance,), {"make": lambda self: law})()
    for name in (name for name in vars(LawConformance) if name.startswith("test_")):
        try:
            getattr(kit, name)()
        except (AssertionError, RuntimeError, InputError) as error:
            return f"{name}: {error}"
    return ""


@pytest.mark.parametrize("spec", ["order", "box", "box:0.2", "gaussian", "shadow", "shadow:0.5", "penumbral"])
def test_the_laws_of_hiergeo_pass(spec: str) -> None:
    law = parse(spec)
    assert isinstance(law, PairLaw)
    assert failing(law) == ""


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (Order(), ""),
        (PairLaw(), "neither"),
        (Unknown(), "convex"),
        (Skewed(), "symmetric"),
        (Squared(), "detour"),
        (Strict(), "reflexive"),
        (Near(), "rooted"),
        (Upwards(), "rooted"),
        (Coarse(), "antisymmetric"),
        (Centred(), "test_rows_blocks_and_batches_agree"),
        (Rooted(), "gradient"),
        (Detached(), "Jacobian"),
        (Blind(), "NaN"),
        (Negative(), "negative"),
        (Shapeless(), "shape"),
    ],
)
def test_a_broken_law_is_found(law: PairLaw, words: str) -> None:
    found = failing(law)
    assert words in found if words else not found


@pytest.mark.parametrize(
    ("law", "invariant"), [(Near(), "transitive"), (Upwards(), "monotone"), (Near(), "antisymmetric")]
)
def test_each_declared_invariant_is_checked_alone(law: PairLaw, invariant: str) -> None:
    law.invariants = frozenset({invariant})
    assert invariant in failing(law)
    law.invariants = frozenset()
    assert failing(law) == "", "what a law does not declare is not asked of it"
