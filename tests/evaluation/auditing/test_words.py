"""What an audit says of factors, of saturated cones that decide, and of radii that do harm."""

import numpy as np
import pytest

import hiergeo
from hiergeo.evaluation.auditing import Audit, AuditSettings
from hiergeo.evaluation.measuring import ProtocolSettings, answered
from hiergeo.evaluation.metrics.sharing import Sharing, mean_test
from tests.evaluation.auditing.audit_common import made, sample


def audited(points, chains, geometry) -> Audit:
    return hiergeo.audit(made(points, chains), None, geometry, AuditSettings())


@pytest.mark.parametrize(
    "geometry", ["lorentz:-1x3,lorentz:-2x2", "euclidean:x3,lorentz:-2x2", "euclidean:x3,euclidean:x2"]
)
@pytest.mark.parametrize("scale", [(1.0, 0.0), (1e-5, 1.0), (1.0, 1.0)])
def test_each_factor_has_its_median_radius(geometry, scale):
    points, chains = sample(rows=20)
    points[:, :3] *= scale[0]
    points[:, 3:] *= scale[1]
    found = audited(points, chains, f"product:{geometry}")
    radii = np.linalg.norm(points[:, :3], axis=1), np.linalg.norm(points[:, 3:], axis=1)
    for place, radius in enumerate(radii):
        assert found.numbers[f"radius_median_factor{place}"] == pytest.approx(np.median(radius), abs=1e-12)


def rays(rows: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Chains of four near the root, each along a direction of its own in the plane."""
    angles = np.linspace(0, 2 * np.pi, rows, endpoint=False)[:, None]
    radius = 0.03 * (1 + np.arange(4))[None, :, None]
    points = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return points.reshape(-1, 2), np.arange(4 * rows).reshape(rows, 4)


def test_half_spaces_that_hold_children_and_few_others_decide():
    found = audited(*rays(), "euclidean")
    assert found.numbers["cone_saturated"] == 1
    assert found.numbers["cone_true"] == 1
    cones = found.answers["cones"]
    assert (cones.word, cones.n) == ("decide", 72)
    assert cones.value == pytest.approx(found.numbers["cone_gain"]) == pytest.approx(1 - found.numbers["cone_random"])
    assert cones.value > 0.4
    assert f"{100 * found.numbers['cone_random']:.0f} %" in cones.sentence


def test_a_general_caption_that_all_chains_hold_is_left_out_of_depth_and_not_of_tau_d():
    points, _ = sample(rows=20)
    chains = np.array([[0, 1 + row // 4, 20 + row] for row in range(20)])
    found = audited(points, chains, "euclidean")
    radii = np.linalg.norm(points, axis=1)[chains]
    signs = np.sign(np.stack([radii[:, 1] - radii[:, 0], radii[:, 2] - radii[:, 0], radii[:, 2] - radii[:, 1]]))
    assert found.numbers["tau_d"] == pytest.approx(signs.mean())
    assert found.numbers["depth"] == pytest.approx(signs[2].mean())
    assert found.intervals["depth"].low <= found.numbers["depth"] <= found.intervals["depth"].high
    expected = mean_test(Sharing(chains), signs.mean(axis=0)).interval
    assert found.intervals["tau_d"] == pytest.approx(expected)
    result = answered(made(points, chains), hiergeo.Space("euclidean"), ProtocolSettings("re"), None, progress=False)
    assert result.metrics["tau_d"] == pytest.approx(signs.mean())
    assert result.intervals["tau_d"] == pytest.approx(expected)
