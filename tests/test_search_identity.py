"""An item found again by its own text entails itself, however its embedding was rounded."""

from pathlib import Path

import pytest
import torch

from hiergeo import Space, search

SPACES = ("euclidean", "lorentz:-1", "sphere:0.2", "product:lorentz:-1x8,euclidean:x8")


@pytest.mark.parametrize("spec", SPACES)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("screen", ["never", "always"])
def test_an_item_is_the_first_of_its_own_children_and_neighbours(
    tmp_path: Path, spec: str, dtype: str, screen: str
) -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(400, 16), dim=1)
    space = Space(spec, rows.mean(0))
    index = search.build(tmp_path / "index", None, embeddings=rows, space=space, dtype=dtype)
    index.screen = screen
    asked = rows[::40] + torch.randn(10, 16) * 1e-7
    ids = list(range(0, 400, 40))
    for answers in (index.children(asked), index.children(asked, by="angle"), index.neighbours(asked)):
        first = [answer.hits[0] for answer in answers]
        assert [hit.id for hit in first] == ids
        assert all(hit.angle == hit.distance == 0 for hit in first)
        assert [hit.margin for hit in first] == pytest.approx(space.margin(asked, asked).tolist(), abs=1e-5)
    for i, answer in zip(ids, index.parents(asked, 400), strict=True):
        (own,) = (hit for hit in answer.hits if hit.id == i)
        assert own.angle == 0
        assert own.margin > 0
    assert all(count >= 1 for count in index.count(asked))
    assert index.count(asked, within=0.0) == [1] * 10
    for i, climb in zip(ids, index.ladder(asked, torch.tensor([9.0])), strict=True):
        assert [hit.id for hit in climb.hits] == [i]


def test_copies_at_the_same_radius_are_all_found(tmp_path: Path) -> None:
    rows = torch.nn.functional.normalize(torch.randn(300, 8), dim=1)
    rows[::100] = rows[0]
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space("euclidean", False))
    answer = index.children(rows[0], 5, by="angle")
    assert [hit.id for hit in answer.hits[:3]] == [0, 100, 200]
    assert answer.hits[2].angle == 0 < answer.hits[3].angle
