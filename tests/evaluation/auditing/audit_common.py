"""What the tests of audits share: hand-made embeddings, and formulas in NumPy from their definitions."""

import numpy as np
import torch

from hiergeo.datasets.hierarchy import Hierarchy, Row, distinct
from hiergeo.evaluation import Embedded


def made(points, chains, negative=None, root=None, name="made"):
    """Embeddings of chains (n, T) of positions in `points` (N, D), float64; captions are called by their positions."""
    points = torch.as_tensor(np.asarray(points), dtype=torch.float64)
    positive = [[str(node) for node in chain] for chain in np.asarray(chains).tolist()]
    wrong = [None] * len(positive) if negative is None else [[str(node) for node in c] for c in negative.tolist()]
    rows = tuple(
        Row(index, tuple(chain), None if other is None else tuple(other))
        for index, (chain, other) in enumerate(zip(positive, wrong, strict=True))
    )
    texts = distinct(caption for row in rows for caption in row.positive)
    captions = distinct((*texts, *(caption for row in rows for caption in row.negative or ())))
    place = {caption: index for index, caption in enumerate(captions)}
    contradicting = None
    if negative is not None:
        contradicting = torch.tensor([[place[caption] for caption in row.negative] for row in rows])
    embeddings = points[[int(caption) for caption in captions]]
    origin = torch.zeros_like(embeddings[0]) if root is None else torch.as_tensor(root, dtype=torch.float64)
    return Embedded("made", Hierarchy(name, "test", rows), texts, embeddings, contradicting, None, origin)


def skewed(value, low, high):
    """The interval of a t-test of a mean, with the end towards 0 on the scale of artanh where that is longer."""
    step = (low if value > 0 else high) - value
    odds = (1 + value) / (1 - value) * np.exp(2 * step / (1 - value**2))
    end = (odds - 1) / (odds + 1)
    return (min(low, end), high) if value > 0 else (low, max(high, end))


def sample(seed=0, rows=12, tiers=4, dim=5, scale=1.0):
    """Random points of growing radius, distinct in all chains, and their chains."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(rows * tiers, dim)) * scale
    points *= (1 + 0.5 * (np.arange(len(points)) % tiers))[:, None]
    return points, np.arange(len(points)).reshape(rows, tiers)


def lorentz_distance(x, y, k):
    """Geodesic distance for K = -k of tangent vectors at the root, through coordinates on the hyperboloid."""

    def lifted(v):
        r = np.linalg.norm(v, axis=-1, keepdims=True) * np.sqrt(k)
        return np.cosh(r), np.sinh(r) * v / np.linalg.norm(v, axis=-1, keepdims=True)

    (a, u), (b, w) = lifted(x), lifted(y)
    return np.arccosh(np.maximum(1, (a * b)[..., 0] - (u * w).sum(-1))) / np.sqrt(k)


def exterior_angle(x, y, k):
    """Exterior angle at x for K = -k by the law of cosines of hyperbolic triangles; for k = 0 of flat ones."""
    a, b = np.linalg.norm(x, axis=-1), np.linalg.norm(y, axis=-1)
    if k == 0:
        step = y - x
        return np.arccos(np.clip((x * step).sum(-1) / (a * np.linalg.norm(step, axis=-1)), -1, 1))
    d, s = lorentz_distance(x, y, k), np.sqrt(k)
    inner = (np.cosh(s * a) * np.cosh(s * d) - np.cosh(s * b)) / (np.sinh(s * a) * np.sinh(s * d))
    return np.pi - np.arccos(np.clip(inner, -1, 1))


def half_aperture(x, k, least=0.1):
    """Half aperture of the cone at x for K = -k."""
    r = np.linalg.norm(x, axis=-1)
    return np.arcsin(np.minimum(1, 2 * least / (r if k == 0 else np.sinh(np.sqrt(k) * r))))
