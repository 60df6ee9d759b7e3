"""Splits: no image and no caption on both sides, fixed by image and seed, of about the size that was asked for."""

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.construction.drafts import Draft, normalised
from hiergeo.construction.splitting import split

ROWS = st.lists(
    st.tuples(st.sampled_from(["a dog", "A dog.", "a cat", "two men", "x y"]), st.sampled_from(["", *"pqrstu"]))
)


def drafts(rows: list[tuple[str, str]]) -> list[Draft]:
    return [Draft(row, caption, image) for row, (caption, image) in enumerate(rows)]


@given(ROWS, st.integers(0, 5))
def test_what_belongs_together_is_on_one_side(rows: list[tuple[str, str]], seed: int) -> None:
    made = drafts(rows)
    found = split(made, seed, 0.5)
    graph = networkx.Graph()
    for draft in made:
        graph.add_edge(draft.row, ("caption", normalised(draft.caption)))
        if draft.image:
            graph.add_edge(draft.row, ("image", draft.image))
    for group in networkx.connected_components(graph):
        sides = {node in found.test for node in group if isinstance(node, int)}
        assert len(sides) == 1


@given(ROWS, st.integers(0, 5))
def test_the_order_of_rows_and_rows_of_other_images_do_not_matter(rows: list[tuple[str, str]], seed: int) -> None:
    made = drafts(rows)
    others = [Draft(1000 + n, f"other {n}", f"other {n}") for n in range(5)]
    alone, among = split(made, seed, 0.5), split([*others, *reversed(made)], seed, 0.5)
    assert alone.test == {row for row in among.test if row < 1000}


def test_an_image_is_on_the_same_side_whatever_its_captions() -> None:
    images = [f"http://x/{n}.jpg" for n in range(200)]
    one = split(drafts([(f"first {n}", image) for n, image in enumerate(images)]), 0, 0.3)
    other = split(drafts([(f"second {n}", image) for n, image in enumerate(images)]), 0, 0.3)
    assert one.test == other.test
    assert one.test != split(drafts([(f"first {n}", image) for n, image in enumerate(images)]), 1, 0.3).test


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_fractions_are_about_what_was_asked(fraction: float) -> None:
    found = split(drafts([(f"caption {n}", f"image {n // 2}") for n in range(4000)]), 3, fraction)
    assert abs(len(found.test) / 4000 - fraction) <= (0.03 if 0 < fraction < 1 else 0)
    assert sum(found.images) == 2000


def test_a_long_chain_of_shared_captions_is_one_group() -> None:
    rows = [(f"caption {n // 2}", f"image {(n + 1) // 2}") for n in range(600)]
    assert len(split(drafts(rows), 0, 0.5).test) in (0, 600)
