"""A loss that ran away: said of the step and the rows that it happened at."""

from torch import Tensor

NAMED_ROWS = 8
"""Rows of a batch that a divergence names before it only counts."""


class Divergence(Exception):
    """A loss, an embedding or a gradient that is not finite; its text names the step and the rows."""


def divergence(what: str, step: int, rows: Tensor | None) -> Divergence:
    """The error for `what` at a step, counted from 1 (0 is before the first), with the batch `rows` (b,) if any."""
    if rows is None:
        return Divergence(f"{what} at step {step}" if step else f"{what} before the first step")
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    named = ", ".join(map(str, rows[:NAMED_ROWS].tolist()))
    return Divergence(f"{what} at step {step}, with the batch of rows {named}{more}")
