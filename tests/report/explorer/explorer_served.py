"""A small collection behind the application of the explorer, and the law of its numbers in float64."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.search import Index, serving

ROWS, DIM = 80, 6
GEOMETRIES = ("euclidean", "lorentz:-1", "sphere:0.1")


def build_items(folder: Path) -> Index:
    """An index of random embeddings around a root, whose directions are stored in float32."""
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(ROWS, DIM, generator=generator) * torch.linspace(0.1, 1.1, ROWS)[:, None]
    captions = [f"item {place}" for place in range(ROWS)]
    return search.build(folder, None, captions, space="euclidean", embeddings=embeddings, dtype="float32")


def collected(folder: Path) -> explorer.Collection:
    """The collection of `build_items` in three geometries."""
    build_items(folder)
    return explorer.open_collection([folder], GEOMETRIES)


def browser(collection: explorer.Collection, **settings):
    """A client of the application, whose lifespan is entered."""
    from starlette.testclient import TestClient

    return TestClient(explorer.create_explorer(collection, serving.Settings(**settings)))


def fixtures():
    """Fixtures of a test module: the collection, a client of its application, and what the index holds."""
    module = pytest.fixture(scope="module")
    return module(_collection), module(_http), module(_points)


def _collection(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("explored") / "index")


def _http(collection):
    with browser(collection) as client:
        yield client


def _points(collection) -> np.ndarray:
    return tangent_vectors(collection.first)


def tangent_vectors(index: Index) -> np.ndarray:
    """What an index holds, as tangent vectors (n, D) at the root in float64, in order of the ids."""
    rows = index.store.fetch(torch.arange(len(index)))
    direction = rows.direction.double().numpy()
    return direction / np.linalg.norm(direction, axis=1)[:, None] * rows.radii.double().numpy()


class Law:
    """Margins, angles and distances of all pairs in float64, from the triangle law in a space of one curvature.

    Args:
        points: (n, D) tangent vectors at the root.
        curvature: signed K.
    """

    def __init__(self, points: np.ndarray, curvature: float, min_radius: float = 0.1) -> None:
        self.points, self.curvature, self.min_radius = points.astype(np.float64), curvature, min_radius
        self.radius = np.linalg.norm(self.points, axis=1)

    def _sn(self, r):
        s = math.sqrt(abs(self.curvature))
        return r if not s else (np.sinh(s * r) if self.curvature < 0 else np.sin(s * r)) / s

    def _cs(self, r):
        s = math.sqrt(abs(self.curvature))
        return np.ones_like(r) if not s else np.cosh(s * r) if self.curvature < 0 else np.cos(s * r)

    def pairs(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Numbers (n, m) of the points x (n, D) over y (m, D)."""
        a, b = np.linalg.norm(x, axis=1)[:, None], np.linalg.norm(y, axis=1)[None]
        cosine = np.clip((x / a) @ (y / b.T).T, -1, 1)
        theta = np.arccos(cosine)
        towards = self._cs(a) * self._sn(b) * cosine - self._sn(a) * self._cs(b)
        angle = np.arctan2(self._sn(b) * np.sin(theta), towards)
        half = self._sn((a - b) / 2) ** 2 + self._sn(a) * self._sn(b) * np.sin(theta / 2) ** 2
        s = math.sqrt(abs(self.curvature))
        inverse = {0: lambda v: v, 1: lambda v: np.arcsin(s * v) / s, -1: lambda v: np.arcsinh(s * v) / s}
        distance = 2 * inverse[int(np.sign(self.curvature))](np.sqrt(np.maximum(half, 0)))
        reach = 2 * self.min_radius / (self._sn(a) * (s or 1.0))
        aperture = np.arcsin(np.minimum(1.0, reach)) + 0 * b
        return {"angle": angle, "distance": distance, "margin": aperture - angle}
