"""Columns of the data in bins: counted anew by hand, over HTTP and in an export."""

import base64
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("starlette")

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.report import explorer
from hiergeo.report.explorer.columns import of_numbers
from tests.report.explorer.explorer_exported import held
from tests.report.explorer.explorer_served import browser

ROWS = 400
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> tuple[Path, list[dict[str, str]]]:
    """An index and the rows of its table, which lie in another order there and name other items too."""
    folder, draw = tmp_path_factory.mktemp("columns"), np.random.default_rng(3)
    rows = []
    for item in range(ROWS):
        source = HOSTILE if item % 7 == 0 else f"source {int(draw.zipf(1.6)) % 40}"
        year = "" if item % 11 == 0 else str(2000 + item % 9)
        score = f"{draw.normal():.4f}" if item % 13 else " "
        rows.append({"caption": f"item {item}", "source/of": source, "year": year, "score": score, "empty": ""})
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*reversed(rows), dict.fromkeys(rows[0], "1")])
    embeddings = torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(1))
    search.build(folder / "index", None, [row["caption"] for row in rows], embeddings=embeddings, dtype="float32")
    return folder, rows


def check(column: dict, bins: np.ndarray, cells: list[str]) -> None:
    """Whether every item is in the bin of its cell, and counts are those of bins."""
    size = len(column["counts"])
    assert (len(bins), size <= 24) == (len(cells), True)
    assert np.bincount(bins[bins != 255], minlength=size).tolist() == column["counts"]
    for at, cell in zip(bins.tolist(), cells, strict=True):
        if not cell.strip():
            assert at == 255
        elif column["kind"] == "number":
            last = at == size - 1
            assert column["edges"][at] <= float(cell)
            assert float(cell) < column["edges"][at + 1] or (last and float(cell) == column["edges"][size])
        else:
            assert column["values"][at] == cell or (column["values"][at] == "other" and cell not in column["values"])


def test_every_item_is_in_the_bin_of_its_cell(described, tmp_path) -> None:
    folder, rows = described
    collection = explorer.open_collection([folder / "index"], columns=folder / "table.csv")
    with browser(collection) as http:
        listed = {column["name"]: column for column in http.get("/api/collection").json()["columns"]}
        assert list(listed) == ["radius", "source/of", "year", "score", "empty"]
        assert [len(listed[name]["counts"]) for name in ("year", "score", "source/of")] == [9, 24, 24]
        frequency = [listed["source/of"]["counts"][at] for at in range(23)]
        assert frequency == sorted(frequency, reverse=True)
        binned = {}
        for name in listed:
            answer = http.get(f"/api/columns/{name.replace('/', '%2F')}").json()
            binned[name] = np.frombuffer(base64.b64decode(answer["bins"]), np.uint8)
            assert answer["ids"] is None
        radii = collection.first.store.fetch(torch.arange(ROWS)).radii[:, 0].tolist()
        for name in listed:
            cells = [repr(radius) for radius in radii] if name == "radius" else [row[name] for row in rows]
            check(listed[name], binned[name], cells)
        assert http.get("/api/columns/nothing").status_code == 404
    explorer.export_page(collection, tmp_path / "export")
    for number, name in enumerate(listed):
        content = (tmp_path / "export" / "data" / f"column-{number}.json.js").read_bytes()
        assert json.loads(held(content)) == binned[name].tolist()


def test_bins_follow_the_items_that_are_left(described, tmp_path) -> None:
    folder, rows = described
    index = search.build(tmp_path / "index", None, ["item 3", "item 5", "item 9"], embeddings=2 * torch.eye(3))
    collection = explorer.open_collection([tmp_path / "index"], columns=folder / "table.csv")
    with browser(collection) as http:
        before = http.get("/api/columns/year").json()["bins"]
        index.delete([1])
        answer = http.get("/api/columns/year").json()
        (year,) = (column for column in http.get("/api/collection").json()["columns"] if column["name"] == "year")
        assert answer["ids"] == ["0", "2"]
        assert len(base64.b64decode(before)) == 3
        check(year, np.frombuffer(base64.b64decode(answer["bins"]), np.uint8), [rows[3]["year"], rows[9]["year"]])


def test_columns_named_like_those_of_the_page_have_a_place_beside_them(tmp_path) -> None:
    search.build(tmp_path / "index", None, ["x", "y"], embeddings=2 * torch.eye(2), dtype="float32")
    (tmp_path / "table.csv").write_text("caption,kind,tier,radius,kind\nx,gold,3,7,a\ny,silver,4,9,b\n")
    collection = explorer.open_collection([tmp_path / "index"], columns=tmp_path / "table.csv")
    with browser(collection) as http:
        columns = {column["name"]: column for column in http.get("/api/collection").json()["columns"]}
        named = ["kind (table)", "tier (table)", "radius (table)", "kind (table) (table)"]
        assert list(columns) == ["radius", *named]
        assert [columns[named[0]]["values"], columns[named[3]]["values"]] == [["gold", "silver"], ["a", "b"]]
        assert columns["radius"]["edges"] == pytest.approx([1.5, 2.5])
        answer = http.get("/api/columns/kind%20(table)").json()["bins"]
        assert list(base64.b64decode(answer)) == [0, 1]


@pytest.mark.parametrize("text", ["", "name,year\nx,1\n", "caption,year\nx,1\n", "caption,year\nitem 3\n"])
def test_a_table_that_describes_no_item_is_refused_by_name(described, tmp_path, text) -> None:
    folder, _ = described
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(InputError, match=r"other\.csv"):
        explorer.create_explorer(
            explorer.open_collection([folder / "index"], columns=tmp_path / "other.csv")
        ).state.explorer.facts()


@pytest.mark.parametrize("numbers", [[], [np.nan], [7.0], [1e300, -1e300], [0.1, 0.1, np.nan]])
def test_numbers_that_do_not_spread_have_a_bin(numbers) -> None:
    column = of_numbers("x", np.array(numbers, np.float64))
    assert column.edges is not None
    assert np.isfinite(column.edges).all()
    assert sum(column.facts()["counts"]) == np.isfinite(numbers).sum()
    assert (np.diff(column.edges) >= 0).all()


def test_captions_and_images_are_kinds(tmp_path) -> None:
    index = search.build(tmp_path / "index", None, ["a", "b", "c"], space="euclidean", embeddings=2 * torch.eye(3))
    assert [column.name for column in explorer.open_collection([tmp_path / "index"]).columns().columns] == ["radius"]
    index.add(embeddings=torch.eye(3)[:2], images=["x.png", "y.png"])
    _, kind = explorer.open_collection([tmp_path / "index"]).columns().columns
    assert (kind.name, kind.values, kind.bins.tolist()) == ("kind", ["caption", "image"], [0, 0, 0, 1, 1])
