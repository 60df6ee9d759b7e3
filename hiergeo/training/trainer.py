"""The one loop of trainings with its history and what ends it; training a head on frozen embeddings."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from hiergeo._core import limits
from hiergeo._core.devices import AUTO
from hiergeo._core.errors import InputError, check_positive, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage.documents import STRICT, AnyFloat, Count
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.evaluation.metrics import tau_d
from hiergeo.geometry import Geometry, Space
from hiergeo.losses import check_curvature, clamp_curvature
from hiergeo.training.chains import Chains, chunks, split_groups
from hiergeo.training.objective import Batch, Objective, check_objective


class Divergence(Exception):
    """Error raised for a non-finite loss, embedding or gradient at a step, from 1, with a batch of rows (b,)."""

    def __init__(self, what: str, step: int, rows: Tensor | None) -> None:
        more = "" if rows is None or len(rows) <= 8 else " ..."
        batch = "" if rows is None else f", with the batch of rows {', '.join(map(str, rows[:8].tolist()))}{more}"
        super().__init__(f"{what} {f'at step {step}' if step else 'before the first step'}{batch}")


@dataclass(frozen=True)
class EvalRecord:
    """One evaluation during training.

    Attributes:
        step: steps taken before it.
        training: the losses of the last batch by name, not weighted, and their weighted sum `total`; empty at step 0.
        validation: the same on the validation rows, means over batches.
        tau_d: of the validation rows, in [-1, 1].
        radius: mean radius of each tier of the validation rows, geodesic units.
        curvature: signed K of every factor.
    """

    __pydantic_config__ = STRICT

    step: Count
    training: dict[str, AnyFloat]
    validation: dict[str, AnyFloat]
    tau_d: AnyFloat
    radius: tuple[AnyFloat, ...]
    curvature: tuple[AnyFloat, ...]

    @classmethod
    def of(
        cls, step: int, training: dict[str, float], validation: dict[str, float], radii: Tensor, space: Space, dim: int
    ) -> "EvalRecord":
        """The record of validation rows whose chains have these radii (n, T), in a space of dimension `dim`."""
        curvature = tuple(space.geometry.curvature_values(dim))
        means = tuple(radii.cpu().double().mean(0).tolist())
        return cls(step, training, validation, tau_d(radii.cpu().numpy()), means, curvature)

    def as_dict(self) -> dict[str, Any]:
        """JSON values by name."""
        return asdict(self)


Steps: TypeAlias = Generator[tuple[int, dict[str, float]], None, None]
"""Takes steps one by one and gives the number of each, from 1, with its losses."""


class TrainingRun(ABC):
    """The state of a training, and its loop: steps up to the `last`, looks `every` so many, and what ends it."""

    last: int
    every: int
    patience: int | None = None
    looks: list[EvalRecord]

    @abstractmethod
    def look(self, step: int, training: dict[str, float]) -> None:
        """Measure what is held out after a step with these losses, and add a record to `looks`."""

    @property
    def best(self) -> int:
        """The step of the look with the lowest validation loss, the earliest of them."""
        return min(self.looks, key=lambda look: look.validation["total"]).step

    @property
    def stops_early(self) -> bool:
        """Whether the validation loss has not fallen for as long as the patience."""
        return self.patience is not None and self.looks[-1].step - self.best >= self.patience * self.every

    def train(self, steps: Callable[[range], Steps], looked: Callable[[], None] = lambda: None) -> str | None:
        """Take the steps that are left, and call `looked` after every look; returns why training diverged, or None."""
        if not self.looks:
            self.look(0, {})
            looked()
        taken = steps(range(self.looks[-1].step + 1, self.last + 1))
        try:
            while not self.stops_early and (done := next(taken, None)) is not None:
                step, losses = done
                if step % self.every == 0 or step == self.last:
                    self.look(step, losses)
                    looked()
        except Divergence as reason:
            return str(reason)
        finally:
            taken.close()
        return None


SHARPEN = {"prior": 40.0, "mean": 1.0, "order": 20.0}
"""Losses that order radii and hardly change the frozen directions, and so retrieval."""


def at_step(history: Iterable[EvalRecord], step: int) -> EvalRecord:
    """The look of a step."""
    return next(look for look in history if look.step == step)


def check_recipe(recipe: Any, **largest: int) -> None:
    """Raise InputError for a setting that is out of range; further whole numbers go from 1 to the `largest` of each."""
    Objective(recipe.losses)
    steps = dict.fromkeys(("steps", "every", "patience"), limits.TRAINING_STEPS)
    for name, most in (steps | largest).items():
        value, kind = getattr(recipe, name), recipe.__dataclass_fields__[name].type
        if value is not None or not isinstance(None, kind):
            check_whole(name, value, 1, most)
    check_whole("seed", recipe.seed, 0, limits.SEED)
    check_positive("the learning rate", recipe.learning_rate)
    if not 0 < recipe.validation < 1:
        raise InputError(f"the share of validation rows must be between 0 and 1, not {recipe.validation:g}.")


@dataclass(frozen=True)
class Recipe:
    """How a head is made and trained.

    Attributes:
        losses: name -> weight, see `hiergeo.training.LOSSES`; `SHARPEN` by default.
        hidden: width of the residual perceptron; 0 is a linear head.
        outputs: dimension of the head's embeddings; None is that of the frozen ones.
        unit: whether the head's embeddings have norm one, as those of other models do.
        steps: the budget of steps, which few trainings use up.
        batch: chains a step.
        learning_rate: of Adam.
        validation: the share of images, or of rows without images, that validate.
        every: steps between looks at the validation rows.
        patience: looks without a better validation loss before training stops early; None never does.
        seed: of the weights, the batches and the validation rows.

    Raises:
        InputError: a number out of range, or losses that `Objective` refuses.
    """

    __pydantic_config__ = STRICT

    losses: Mapping[str, float] = field(default_factory=lambda: dict(SHARPEN))
    hidden: int = 512
    outputs: int | None = None
    unit: bool = True
    steps: int = 3000
    batch: int = 128
    learning_rate: float = 1e-3
    validation: float = 0.05
    every: int = 50
    patience: int | None = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("hidden", self.hidden, 0, limits.WIDTH)
        check_recipe(self, batch=limits.COUNT, outputs=limits.WIDTH)


@dataclass(frozen=True)
class Trained:
    """A head in its best state, by validation loss.

    Attributes:
        head: the network.
        geometry: with whatever curvature was learnt.
        recipe: what made it.
        history: the looks, the untrained head first.
        best: the step of this state.
        diverged: why training broke off; None where it did not.
    """

    head: Head
    geometry: Geometry
    recipe: Recipe
    history: tuple[EvalRecord, ...]
    best: int
    diverged: str | None


@torch_defaults()
def train_head(
    chains: Chains,
    geometry: Geometry,
    recipe: Recipe | None = None,
    *,
    device: str | torch.device | None = AUTO,
    progress: bool = False,
) -> Trained:
    """Train a head on frozen embeddings.

    Args:
        chains: what it learns from; a share of its images is held out for validation.
        geometry: where losses are taken, around the head's embedding of the empty caption; it is copied, and its
            learnable curvatures are learnt along, |K| in [0.1, 10].
        recipe: how; the defaults of `Recipe` when None.
        device: where the head is trained and left: ``auto`` (the accelerator, if there is one), a name, or a device of
            torch; None is the device of the chains. Initial weights, split and batches are the same on every device.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: an unknown device, chains of one image only, dimensions that do not fit, a prior between different
            dimensions.
    """
    recipe = recipe or Recipe()
    chains = chains if device is None else chains.to(device)
    run = _Run(chains, copy.deepcopy(geometry), recipe)
    diverged = run.train(partial(run.steps, progress=progress))
    run.module.load_state_dict(run.best_state)
    return Trained(run.head.eval(), run.geometry, recipe, tuple(run.looks), run.best, diverged)


class _Run(TrainingRun):
    """State of one training: module, optimiser, rows."""

    def __init__(self, chains: Chains, geometry: Geometry, recipe: Recipe) -> None:
        dim = chains.text.shape[1]
        outputs = recipe.outputs or dim
        geometry.parts(outputs)
        check_objective(recipe.losses, [geometry], dim, [outputs])
        check_curvature(geometry)
        self.chains, self.geometry, self.recipe = chains, geometry, recipe
        self.last, self.every, self.patience, self.looks = recipe.steps, recipe.every, recipe.patience, []
        self.head = Head(HeadShape(dim, outputs, recipe.hidden, recipe.unit), recipe.seed)
        self.module = nn.ModuleList([self.head, geometry]).to(chains.text.device)
        self.objective = Objective(recipe.losses)
        trained = [weight for weight in self.module.parameters() if weight.requires_grad]
        self.adam = torch.optim.Adam(trained, lr=recipe.learning_rate)
        self.at: tuple[int, Tensor | None] = 0, None
        self.training_rows, self.validation_rows = split_groups(chains, recipe.validation, recipe.seed)

    def steps(self, left: range, progress: bool) -> Steps:
        batches = _batches(self.training_rows, self.recipe)
        for step in track(left, "training steps", enabled=progress):
            rows = next(batches)
            self.at = step, rows
            self.adam.zero_grad(set_to_none=True)
            total, losses = self.losses(rows)
            total.backward()
            self.check("a gradient", *(p.grad for p in self.module.parameters() if p.grad is not None))
            self.adam.step()
            clamp_curvature(self.module)
            yield step, losses

    def losses(self, rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The objective of a batch, and its terms as numbers."""
        frozen = self.chains.frozen(rows)
        (positive, negative), root = self.head(torch.stack(frozen)), self.head(self.chains.root)
        self.check("an embedding", positive, negative, root)
        try:
            terms = self.objective.terms(Batch(positive, negative, frozen, Space(self.geometry, root)))
        except InputError as error:
            if self.at[1] is None:
                raise
            raise Divergence(f"the loss could not be taken ({str(error).rstrip('.')})", *self.at) from error
        total = self.objective.total(terms)
        self.check("the loss", total)
        return total, {name: float(term.detach()) for name, term in (terms | {"total": total}).items()}

    def check(self, what: str, *tensors: Tensor) -> None:
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            raise Divergence(f"{what} became NaN or infinite", *self.at)

    @torch.no_grad()
    def look(self, step: int, training: dict[str, float]) -> None:
        rows = self.validation_rows
        parts = [self.losses(part)[1] for part in chunks(rows, self.recipe.batch)]
        space = Space(self.geometry, self.head(self.chains.root))
        radii = space.radius(self.head(self.chains.text[self.chains.positive[rows]]))
        validation = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
        self.looks.append(EvalRecord.of(step, training, validation, radii, space, self.head.shape.outputs))
        if self.best == step:
            self.best_state = copy.deepcopy(self.module.state_dict())


def _batches(rows: Tensor, recipe: Recipe) -> Iterator[Tensor]:
    """Endless batches: every row once per epoch, in an order that depends only on the seed."""
    generator = torch.Generator().manual_seed(recipe.seed)
    while True:
        order = torch.randperm(len(rows), generator=generator)
        yield from chunks(rows[order.to(rows.device)], recipe.batch)
