"""Ranks among the points of one ray against the engine of every pair."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import Polar, pairwise
from hiergeo.evaluation.auditing.attribution import parent_ranks, ray_ranks
from hiergeo.evaluation.auditing.subject import Subject, radii_alone, subject_of
from hiergeo.evaluation.measuring import as_space
from tests.evaluation.auditing.audit_common import made, sample


@given(
    st.lists(st.sampled_from((0.25, 0.5, 0.75, 1.0, 1.0 + 2.0**-40, 1e-9, 2e-9, 7.0)), min_size=1, max_size=40),
    st.sampled_from((-2.0, -0.3, 0.0)),
    st.sampled_from((torch.float32, torch.float64)),
    st.randoms(use_true_random=False),
)
def test_ranks_on_a_ray_are_those_of_the_engine(radii, curvature, dtype, random):
    radius = torch.tensor(radii, dtype=torch.float64)
    points, target = (torch.tensor([random.randrange(len(radii)) for _ in range(20)]) for _ in range(2))
    ray = Polar(torch.ones(len(radii), 1, dtype=dtype), radius)
    x = Polar(ray.direction[points], radius[points])
    assert torch.equal(ray_ranks(radius, points, target, dtype), pairwise.rank(x, ray, curvature, target))


@pytest.mark.parametrize("spec", ["lorentz:-1", "euclidean", "sphere:0.1", "product:lorentz:-1x2,euclidean:x3"])
@pytest.mark.parametrize("at_root", [False, True])
def test_parents_by_radius_alone_are_ranked_as_by_the_engine(spec, at_root, monkeypatch):
    points, chains = sample(3, rows=8)
    points[5], points[9], points[11] = points[2], -points[2], points[2] * (1 - at_root)
    subject = radii_alone(subject_of(made(np.float32(points), chains), as_space(spec)))
    found = parent_ranks(subject)
    assert subject.on_a_ray == (not at_root and spec in ("lorentz:-1", "euclidean"))
    monkeypatch.setattr(Subject, "on_a_ray", False)
    np.testing.assert_array_equal(found, parent_ranks(subject))
