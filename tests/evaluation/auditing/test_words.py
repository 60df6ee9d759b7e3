"""What an audit says of dead factors, of saturated cones that discriminate, and of radii that do harm."""

import numpy as np
import pytest

import hiergeo
from hiergeo.evaluation.auditing import Audit, AuditSettings
from tests.evaluation.auditing.audit_common import made, sample


def audited(points, chains, geometry) -> Audit:
    return hiergeo.audit(made(points, chains), None, geometry, AuditSettings())


@pytest.mark.parametrize(
    "geometry", ["lorentz:-1x3,lorentz:-2x2", "euclidean:x3,lorentz:-2x2", "euclidean:x3,euclidean:x2"]
)
@pytest.mark.parametrize(("scale", "dead"), [((1.0, 0.0), "1"), ((1e-5, 1.0), "0"), ((1.0, 1.0), None)])
def test_a_dead_factor_is_named(geometry, scale, dead):
    points, chains = sample(rows=20)
    points[:, :3] *= scale[0]
    points[:, 3:] *= scale[1]
    found = audited(points, chains, f"product:{geometry}")
    radii = np.linalg.norm(points[:, :3], axis=1), np.linalg.norm(points[:, 3:], axis=1)
    for place, radius in enumerate(radii):
        assert found.numbers[f"radius_median_factor{place}"] == pytest.approx(np.median(radius), abs=1e-12)
        assert (f"factor {place}" in found.verdict) == (str(place) == dead)
        assert (f"factor {place}" in found.findings.headline) == (str(place) == dead)


def rays(rows: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Chains of four near the root, each along a direction of its own in the plane."""
    angles = np.linspace(0, 2 * np.pi, rows, endpoint=False)[:, None]
    radius = 0.03 * (1 + np.arange(4))[None, :, None]
    points = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return points.reshape(-1, 2), np.arange(4 * rows).reshape(rows, 4)


def test_half_spaces_that_hold_children_and_few_others_discriminate():
    found = audited(*rays(), "euclidean")
    assert found.numbers["cone_saturated"] == 1
    assert found.numbers["cone_true"] == 1
    assert found.numbers["cone_gain"] > 0.4
    assert found.findings.case == "saturated"
    cones = next(each for each in found.findings.findings if each.kind == "cones")
    assert cones.works
    assert "100.0 %" in cones.sentence.replace("\u00a0", " ")
    assert f"{100 * found.numbers['cone_random']:.1f}" in cones.sentence


def test_angles_alone_are_not_as_good_where_radii_do_harm():
    points, chains = rays(rows=48)
    found = audited(points, chains, "euclidean").findings
    assert found.effect("radii") == "harm"
    assert "as well" not in found.headline
