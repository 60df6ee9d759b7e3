"""Metrics that are fed batch by batch, also on many processes, with the interface of torchmetrics.

As a `torchmetrics.Metric` they have `update`, `compute`, `reset`, `forward` (the value of one batch, which is added to
the rest) and a `state_dict`, and they need nothing but torch. Where `torch.distributed` is initialised, `compute`
gathers what all processes were fed; the values are exactly those of `hiergeo.metrics` on all data at once.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch import distributed as dist

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.evaluation.metrics.embeddings import tau_d_rows
from hiergeo.evaluation.metrics.ladders import Truth, ladder_scores
from hiergeo.evaluation.metrics.ranking import Ranking


class StreamingMetric(nn.Module):
    """A metric that accumulates a state; the base of the metrics here and of third parties'.

    The state is a list of values for each name, kept in the widest float of the metric's device, which `to` changes:
    with NCCL move the metric to the GPU of its process. `update` calls `accumulate`, and `value_of` turns the values of
    all batches and processes into the metric.

    Args:
        group: the processes that `compute` gathers from; None is all of them.
        sync_on_compute: whether `compute` gathers at all.

    Attributes:
        names: of the values that are accumulated.
    """

    names: ClassVar[tuple[str, ...]]
    _place: Tensor

    def __init__(self, group: dist.ProcessGroup | None = None, sync_on_compute: bool = True) -> None:
        super().__init__()
        self._group, self._sync = group, sync_on_compute
        self._parts: dict[str, list[Tensor]] = {name: [] for name in self.names}
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch; raises InputError for what the metric cannot use, and then nothing is added."""

    @abstractmethod
    def value_of(self, values: dict[str, Tensor]) -> Any:
        """The metric of all values, (n,) by name."""

    def accumulate(self, values: dict[str, Any]) -> None:
        """Add values by name, of any shape; they are kept on the device of the metric (see `to`)."""
        kept = {name: self._kept(given) for name, given in values.items()}
        for name, part in kept.items():
            self._parts[name].append(part)

    def compute(self) -> Any:
        """The metric of everything that was added, on all processes.

        Raises:
            InputError: nothing was added anywhere.
        """
        whole = {name: self._gathered(self._joined(parts)) for name, parts in self._parts.items()}
        if not any(values.numel() for values in whole.values()):
            raise InputError(f"{type(self).__name__} was given nothing to measure: call update first.")
        return self.value_of(whole)

    def reset(self) -> None:
        """Forget everything that was added."""
        for parts in self._parts.values():
            parts.clear()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch, and return the metric of this batch alone on this process."""
        before = {name: len(parts) for name, parts in self._parts.items()}
        self.update(*args, **kwargs)
        return self.value_of({name: self._joined(parts[before[name] :]) for name, parts in self._parts.items()})

    def get_extra_state(self) -> dict[str, Tensor]:
        """What `state_dict` stores: the values so far, by name."""
        return {name: self._joined(parts) for name, parts in self._parts.items()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Take up stored values in place of those so far; raises InputError for those of another metric."""
        fits = isinstance(state, dict) and set(state) == set(self._parts)
        if not fits or not all(isinstance(values, Tensor) and not values.is_complex() for values in state.values()):
            raise InputError(
                f"the stored state is not one of {type(self).__name__}: it needs {', '.join(self._parts)}."
            )
        self._parts = {name: [self._kept(values).clone()] if values.numel() else [] for name, values in state.items()}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "StreamingMetric":
        super()._apply(fn, recurse)
        self._parts = {name: [self._kept(part) for part in parts] for name, parts in self._parts.items()}
        return self

    def _gathered(self, values: Tensor) -> Tensor:
        """The values of all processes, in the order of their ranks."""
        if not (self._sync and dist.is_available() and dist.is_initialized()):
            return values
        count = torch.tensor([len(values)], device=values.device)
        counts = [torch.zeros_like(count) for _ in range(dist.get_world_size(self._group))]
        dist.all_gather(counts, count, group=self._group)
        padded = values.new_zeros(max(int(each) for each in counts))
        padded[: len(values)] = values
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded, group=self._group)
        return torch.cat([part[: int(each)] for part, each in zip(parts, counts, strict=True)])

    def _kept(self, values: Any) -> Tensor:
        return wide(torch.as_tensor(values).detach().reshape(-1).to(self._place.device))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts) if parts else wide(self._place)


@final
class TauD(StreamingMetric):
    """`hiergeo.evaluation.metrics.tau_d` of chains that come in batches."""

    names = ("rows",)

    def update(self, radii: Tensor) -> None:
        """Add chains.

        Args:
            radii: (n, T), tiers from general to specific.

        Raises:
            InputError: another shape, fewer than two tiers, NaN, or something that is not a number.
        """
        rows = tau_d_rows(wide(_numbers(radii, "radii").detach()).cpu().numpy())
        self.accumulate({"rows": rows})

    def value_of(self, values: dict[str, Tensor]) -> Tensor:
        return values["rows"].mean()


@final
class LadderPrecisionRecall(StreamingMetric):
    """Precision and recall of ladders that come in batches: see `metrics.ladder_precision_recall`."""

    names = ("precision", "recall")

    def update(self, ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> None:
        """Add images.

        Args:
            ladders: the captions retrieved for each image.
            truths: the chains of each image.

        Raises:
            InputError: different numbers of them, none, or an image without a chain.
        """
        precision, recall = ladder_scores(ladders, truths)
        self.accumulate({"precision": precision, "recall": recall})

    def value_of(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """``precision`` and ``recall``."""
        return {name: rows.mean() for name, rows in values.items()}


class _PairMetric(StreamingMetric):
    """A ranking of the scores of true and false pairs; all scores are kept."""

    names = ("positive", "negative")

    def update(self, positive: Tensor, negative: Tensor) -> None:
        """Add pairs.

        Args:
            positive: scores of true pairs, of any shape, larger is more confident.
            negative: scores of false pairs.

        Raises:
            InputError: NaN among them, or something that is not a number.
        """
        given = {"positive": _numbers(positive, "positive"), "negative": _numbers(negative, "negative")}
        for name, scores in given.items():
            if bool(scores.isnan().any()):
                raise InputError(f"{name} scores hold {int(scores.isnan().sum())} NaN.")
        self.accumulate(given)

    def _ranking(self, values: dict[str, Tensor]) -> Ranking:
        return Ranking(values["positive"].cpu().numpy(), values["negative"].cpu().numpy())


@final
class PairAUROC(_PairMetric):
    """`hiergeo.evaluation.metrics.auroc` of pairs that come in batches, exact."""

    def value_of(self, values: dict[str, Tensor]) -> Tensor:
        return values["positive"].new_tensor(self._ranking(values).auroc())


@final
class PairAveragePrecision(_PairMetric):
    """`hiergeo.evaluation.metrics.average_precision` of pairs that come in batches, exact."""

    def value_of(self, values: dict[str, Tensor]) -> Tensor:
        return values["positive"].new_tensor(self._ranking(values).average_precision())


def _numbers(values: Any, name: str) -> Tensor:
    try:
        numbers = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name} must be a tensor of numbers, not a {type(values).__name__}.") from error
    if numbers.is_complex():
        raise InputError(f"{name} must be real numbers, not {numbers.dtype}.")
    return numbers
