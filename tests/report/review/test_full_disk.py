"""A review on a disk that is full: decisions and exports are whole or not there, and go on with room again."""

import shutil

import pytest

from hiergeo._core.errors import UnavailableError
from hiergeo.construction.card import read_card, write_card
from hiergeo.construction.leakage import Leakage
from hiergeo.report import review
from hiergeo.report.review.desk import version_of
from tests.attack.mishaps import disk, may_mount
from tests.report.review.review_common import ROWS, built, served

pytestmark = pytest.mark.skipif(not may_mount(), reason="full disks are mounted")

EXPORTED = ("reviewed.csv", "reviewed_expanded.csv", "reviewed.json", "card.json", "README.md")


def decision(row: int) -> dict:
    return {"row": row, "version": version_of(ROWS[row]), "reviewer": "Anna", "kind": "accept"}


@pytest.fixture
def small(tmp_path):
    """A disk of 1 MB with a set of chains, and what fills it to the last byte."""
    with disk(tmp_path / "disk", "size=1m"):
        folder = built(tmp_path / "disk" / "set")
        write_card(folder, {}, Leakage())
        yield folder, tmp_path / "disk" / "full"


def fill(path, pages: int = 0) -> None:
    with path.open("wb") as handle:
        handle.write(bytes(4096 * max(0, shutil.disk_usage(path.parent).free // 4096 - pages)))


def test_a_decision_on_a_full_disk_is_refused_and_kept_once_there_is_room(small) -> None:
    folder, rest = small
    with served(folder) as (client, desk):
        fill(rest)
        status, answer = client.send("api/decide", decision(0))
        assert (status, set(answer)) == (507, {"error", "field"})
        assert desk.counts()["accept"] == 0
        rest.unlink()
        assert client.send("api/decide", decision(0))[0] == 200
    with review.open_desk(folder) as desk:
        assert desk.counts()["accept"] == 1


def test_whatever_page_is_the_last_that_fits_an_export_is_whole_or_not_there(small) -> None:
    folder, rest = small
    with review.open_desk(folder) as desk:
        for row in (0, 1):
            desk.decide(row, version_of(ROWS[row]), "Anna", "accept")
    ends = set()
    for pages in range(12):
        before = {name: (folder / name).read_bytes() for name in EXPORTED[:3] if (folder / name).exists()}
        fill(rest, pages)
        with review.open_desk(folder) as desk:
            try:
                review.export(desk)
                ends.add("done")
            except UnavailableError:
                ends.add("refused")
        after = {name: (folder / name).read_bytes() for name in EXPORTED[:3] if (folder / name).exists()}
        assert len(after) in (0, 3)
        assert after.items() >= before.items()
        assert [path.name for path in folder.rglob("*.part")] == []
        rest.unlink()
    assert ends == {"done", "refused"}
    assert set(read_card(folder)["files"]) >= {"reviewed.csv", "reviewed_expanded.csv"}
