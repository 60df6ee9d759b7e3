"""A fine-tuning run: one step, one evaluation, and their state."""

import math
from collections.abc import Callable, Generator
from contextlib import nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo.adapters.towers import Tower
from hiergeo.evaluation.metrics import tau_d
from hiergeo.geometry import Geometry, Space
from hiergeo.losses import batch_hard, batch_hard_over_ranks, clamp_curvature
from hiergeo.training.chains import Chains, split_groups
from hiergeo.training.objective import Batch, Objective
from hiergeo.training.processes import mean_over_ranks
from hiergeo.training.re.recipe import TowerRecipe
from hiergeo.training.resuming import ResumableRun
from hiergeo.training.trainer import Divergence, EvalRecord

Mine = Callable[[Tensor, Tensor], Tensor]
"""What makes one number of P and N, as for `re_loss`."""


class Forward(nn.Module):
    """A tower wrapped by accelerate; the tower itself stays in float32."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, **tokens: Tensor) -> Tensor:
        """See the tower."""
        rows: Tensor = self.tower(**tokens)
        return rows


class TowerRun(ResumableRun):
    """A fine-tuning run; learnable curvatures are learnt along, |K| in [0.1, 10].

    Raises:
        InputError: as `split_groups`, and too few rows for a step.
    """

    def __init__(self, tower: Tower, chains: Chains, geometry: Geometry, recipe: TowerRecipe, accelerator: Any) -> None:
        self.tower, self.chains, self.geometry = tower, chains, geometry.to(tower.device)
        self.recipe, self.accelerator, self.looks = recipe, accelerator, []
        self.objective = Objective(recipe.losses)
        self.training_rows, self.validation_rows = split_groups(chains, recipe.validation, recipe.seed)
        self.last, self.every, self.patience = recipe.budget(len(self.training_rows)), recipe.every, recipe.patience
        curvature = {f"geometry.{name}": p for name, p in geometry.named_parameters() if p.requires_grad}
        self.weights = tower.trainable() | curvature
        groups: list[dict[str, Any]] = [{"params": list(tower.trainable().values())}]
        if curvature:
            groups.append({"params": list(curvature.values()), "weight_decay": 0.0})
        self.adam = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.module, self.optimiser = accelerator.prepare(Forward(tower), self.adam)

    def batches(self, left: range) -> Generator[Tensor, None, None]:
        """The rows of each step, (accumulate, batch)."""
        yield from (self.recipe.batches(self.training_rows, number) for number in left)

    def step(self, number: int, batch: Tensor) -> tuple[dict[str, float], dict[str, Any]]:
        """See `ResumableRun`; the losses have `tau_d` of the chains of the step beside them."""
        self.optimiser.zero_grad(set_to_none=True)
        parts: list[dict[str, float]] = []
        for index, rows in enumerate(batch):
            with self.accelerator.no_sync(self.module) if index + 1 < len(batch) else nullcontext():
                total, numbers = self._losses(rows, number)
                parts.append(mean_over_ranks(self.accelerator, numbers))
                if not all(map(math.isfinite, parts[-1].values())):
                    raise Divergence("the loss became NaN or infinite", number, rows)
                self.accelerator.backward(total / len(batch))
        self._check_gradients(number, batch.flatten())
        self.optimiser.step()
        clamp_curvature(self.geometry)
        return {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}, {}

    @torch.no_grad()
    def look(self, step: int, training: dict[str, float]) -> None:
        """Measure the validation rows, in float32 whatever training is in, the same on every process.

        Raises:
            Divergence: the tower that the steps made cannot be measured.
        """
        rows = self.validation_rows
        texts, *chains = self.chains.distinct(rows)
        embedded = self.tower.encode([*texts, ""])
        positive, negative = (embedded[at.to(embedded.device)] for at in chains)
        space = Space(self.geometry, embedded[-1])
        parts: list[dict[str, Tensor]] = []
        for start in range(0, len(rows), self.recipe.batch):
            part = slice(start, start + self.recipe.batch)
            batch = Batch(positive[part], negative[part], self._frozen(rows[part]), space)
            terms = self._terms(batch, batch_hard, step, None)
            parts.append(terms | {"total": self.objective.total(terms)})
        means = {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}
        validation, radii = mean_over_ranks(self.accelerator, means), space.radius(positive)
        self.looks.append(EvalRecord.of(step, training, validation, radii, space, embedded.shape[1]))

    def _losses(self, rows: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective of this process's block of a batch, and its terms, `total` and `tau_d`."""
        mine = rows.view(self.accelerator.num_processes, -1)[self.accelerator.process_index]
        texts, *chains = self.chains.distinct(mine)
        embedded = self.module(**self.tower.tokenise([*texts, ""])).float()
        embedded = normalize(embedded, dim=-1)
        space = self._space(embedded, step, rows)
        positive, negative = (embedded[at.to(embedded.device)] for at in chains)
        batch = Batch(positive, negative, self._frozen(mine), space)
        terms = self._terms(batch, batch_hard_over_ranks, step, rows)
        total = self.objective.total(terms)
        radii = space.radius(batch.positive).detach()
        order = torch.tensor(float(tau_d(radii.cpu().numpy()))).to(total.device)
        return total, terms | {"total": total, "tau_d": order}

    def _terms(self, batch: Batch, mine: Mine, step: int, rows: Tensor | None) -> dict[str, Tensor]:
        try:
            return self.objective.terms(batch, mine)
        except InputError as error:
            if step == 0:
                raise
            raise Divergence(f"the loss could not be taken ({str(error).rstrip('.')})", step, rows) from error

    def _frozen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        positive, negative = self.chains.frozen(rows)
        return positive.to(self.tower.device), negative.to(self.tower.device)

    def _space(self, embedded: Tensor, step: int, rows: Tensor) -> Space:
        """The space around the last of the embeddings, the root, once it holds them all.

        All processes refuse it if one does: one that went on alone would wait for the others for ever.
        """
        space, odd = None, (~embedded.isfinite()).any()
        if not odd:
            with suppress(InputError):
                around = Space(self.geometry, embedded[-1])
                around.points(embedded.detach())
                space = around
        beyond = torch.tensor(space is None).to(odd.device)
        anywhere = mean_over_ranks(self.accelerator, {"odd": odd, "beyond": beyond})
        if anywhere["odd"]:
            raise Divergence("an embedding became NaN or infinite", step, rows)
        if space is None or anywhere["beyond"]:
            raise Divergence(f"an embedding left the space {self.geometry.spec}", step, rows)
        return space

    def _check_gradients(self, step: int, rows: Tensor) -> None:
        """Average those of curvatures over processes and refuse odd ones, unless float16's scaling sees to that."""
        for name, weight in self.weights.items():
            if weight.grad is not None and name.startswith("geometry."):
                weight.grad = self.accelerator.reduce(weight.grad, "mean")
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        if self.accelerator.scaler is None and not all(bool(gradient.isfinite().all()) for gradient in gradients):
            raise Divergence("a gradient became NaN or infinite", step, rows)
