"""Traversal in flat space goes by the cosine, whatever the norms: against numpy in float64."""

import numpy as np
import pytest
import torch

import hiergeo
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.protocols import Traversal, View

ROWS, TIERS, DIM, STEPS = 60, 4, 6, 20


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Chains that leave the root for their image, with norms between 0.5 and 1.5, in float64."""
    generator = np.random.default_rng(0)
    root, image = generator.normal(size=DIM), generator.normal(size=(ROWS, DIM))
    share = np.linspace(0.3, 0.9, TIERS)[:, None]
    captions = root + share * (image[:, None] - root) + 0.4 * generator.normal(size=(ROWS, TIERS, DIM))
    named = {"captions": captions.reshape(-1, DIM), "image": image, "root": root[None]}
    return {name: unit(rows) * generator.uniform(0.5, 1.5, (len(rows), 1)) for name, rows in named.items()}


def any_hit_of(captions: np.ndarray, image: np.ndarray, root: np.ndarray) -> float:
    """Of the source: normalised features, a straight walk from the nearest caption to the root, again normalised."""
    captions, image, root = unit(captions), unit(image), unit(root)
    start = captions[(image @ captions.T).argmax(1)]
    left = 1 - np.arange(STEPS)[:, None, None] / STEPS
    met = (unit(root + left * (start - root)) @ captions.T).argmax(-1)
    return float((met // TIERS == np.arange(ROWS)).any(0).mean())


def view_of(rows: dict[str, np.ndarray], scale: float) -> View:
    texts = tuple(f"{row} {tier}" for row in range(ROWS) for tier in range(TIERS))
    chains = [texts[TIERS * row : TIERS * (row + 1)] for row in range(ROWS)]
    images = tuple(ImageRef(row, open=lambda: pytest.fail("opened")) for row in range(ROWS))
    hierarchy = Hierarchy(
        "drawn", "test", tuple(Row(row, chain, None, image_id=row) for row, chain in enumerate(chains)), images
    )
    made = {name: torch.from_numpy(scale * each).float() for name, each in rows.items()}
    embedded = Embedded("drawn", hierarchy, texts, made["captions"], None, made["image"], made["root"][0])
    return View(embedded, hiergeo.Space("euclidean").rooted(embedded.root))


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_captions_are_met_by_cosine_at_every_scale(drawn, scale):
    expected = any_hit_of(**drawn)
    view = view_of(drawn, scale)
    assert 0.3 < expected < 0.9
    assert Traversal().run(view, STEPS, False).statistics["any_hit"].value == pytest.approx(expected)
