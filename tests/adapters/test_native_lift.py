"""Raw rows around a root of zeros in Lorentz(-c) are the space of MERU: against its formulas in numpy, float64.

x is lifted to sinh(sqrt(c)|x|) x / (sqrt(c)|x|); the time is sqrt(1/c + |space|^2). Sources: Desai et al. (ICML
2023), sections 2 and 3; Ganea et al. (ICML 2018) for cones, and Le et al. (ACL 2019) for their exterior angle.
"""

import math

import numpy as np
import pytest
import torch

from hiergeo import Lorentz, Space, adapters
from tests.adapters import meru_common as meru

K = 0.1
CURVATURES = [0.1, 0.37, 1.0, 2.7, 10.0]


def lift(x: np.ndarray, c: float) -> np.ndarray:
    scaled = math.sqrt(c) * np.linalg.norm(x, axis=-1, keepdims=True)
    return np.sinh(scaled) * x / scaled


def time(space: np.ndarray, c: float) -> np.ndarray:
    return np.sqrt(1 / c + (space**2).sum(-1))


def inner(x: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    return (x * y).sum(-1) - time(x, c) * time(y, c)


def distance(x: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    return np.arccosh(-c * inner(x, y, c)) / math.sqrt(c)


def half_aperture(x: np.ndarray, c: float) -> np.ndarray:
    return np.arcsin(np.minimum(1, 2 * K / (math.sqrt(c) * np.linalg.norm(x, axis=-1))))


def exterior_angle(x: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    product = c * inner(x, y, c)
    below = np.linalg.norm(x, axis=-1) * np.sqrt(product**2 - 1)
    return np.arccos((time(y, c) + time(x, c) * product) / below)


@pytest.mark.parametrize("c", CURVATURES)
def test_raw_rows_around_zero_are_their_space(c):
    generator = np.random.default_rng(int(c * 100))
    rows = generator.normal(size=(2, 400, 24))
    rows *= generator.uniform(0.05, 3, size=(2, 400, 1)) / math.sqrt(c) / np.linalg.norm(rows, axis=-1, keepdims=True)
    x, y = (lift(part, c) for part in rows)
    space = Space(Lorentz(-c), torch.zeros(24, dtype=torch.float64), min_radius=K)
    own, other = torch.from_numpy(rows)
    assert space.radius(own).numpy() == pytest.approx(distance(x, np.full_like(x, 1e-300), c), abs=1e-9)
    assert space.distance(own, other).numpy() == pytest.approx(distance(x, y, c), abs=1e-9)
    assert space.half_aperture(own).numpy() == pytest.approx(half_aperture(x, c), abs=1e-9)
    assert space.exterior_angle(own, other).numpy() == pytest.approx(exterior_angle(x, y, c), abs=1e-9)
    margin = half_aperture(x, c) - exterior_angle(x, y, c)
    assert space.margin(own, other).numpy() == pytest.approx(margin, abs=1e-9)


def test_the_native_space_of_a_checkpoint_is_theirs(tmp_path):
    """From the file to cone margins, with nothing of the package in between on the other side."""
    weights = meru.state()
    model = adapters.load(f"meru:{meru.write(tmp_path / 'a.pth', weights)}{meru.OPTIONS}")
    texts = ["an animal", "a bird", "a big brown owl", "two dogs", "a cat", "the sea at night"]
    tokens = model.tokenizer(texts).numpy()
    c = math.exp(meru.CURV)
    points = lift(meru.text_rows(meru.arrays(weights), tokens) * math.exp(meru.TEXTUAL_ALPHA), c)
    space, rows = model.native_space(), model.encode_text(texts)
    assert (space.min_radius, space.geometry.value) == (K, pytest.approx(-c))
    margins = half_aperture(points[:-1], c) - exterior_angle(points[:-1], points[1:], c)
    assert space.margin(rows[:-1], rows[1:]).numpy() == pytest.approx(margins, abs=1e-5)
    assert space.distance(rows[:-1], rows[1:]).numpy() == pytest.approx(distance(points[:-1], points[1:], c), rel=1e-5)
