"""Embeddings become points a stretch of rows at a time, and are the points that they are one by one."""

from typing import Any

import pytest
import torch

from hiergeo import Space
from hiergeo.geometry import points


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_no_more_than_a_stretch_is_held_in_float64(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    ray = points.to_frozen_ray

    def counted(x: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        held.append(len(x))
        return ray(x, *rest)

    monkeypatch.setattr(points, "STRETCH", 4)
    monkeypatch.setattr(points, "to_frozen_ray", counted)
    x, root = torch.randn(count, 6), torch.randn(6)
    space = Space("lorentz:-1", root)
    found = space.points(x)
    assert sum(held) == count
    assert max(held) <= 4
    assert len(held) == -(-count // 4)
    monkeypatch.undo()
    torch.testing.assert_close(found.radius, torch.cat([space.points(row).radius for row in x.split(1)]))
