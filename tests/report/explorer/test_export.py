"""A collection as a folder of files: whole or not at all, the same bytes every time, and the answers of a server."""

import json
import os
import subprocess
import sys

import pytest

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import temporary
from hiergeo.report.explorer import export, export_page, open_demo, pages
from hiergeo.report.explorer.export import RECORD
from tests.report.explorer.explorer_exported import ROWS, build, files, held


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return build(tmp_path_factory.mktemp("export"))


def test_the_same_collection_gives_the_same_bytes(collection, tmp_path) -> None:
    first, second = (export_page(collection, tmp_path / name) for name in ("one", "two"))
    one = files(first.folder)
    assert one == files(second.folder)
    assert (first.items, first.files, first.pictures) == (ROWS, len(one), ROWS // 9 + 1)
    assert first.bytes == sum(map(len, one.values()))
    assert json.loads(one[RECORD])["files"] == {name: len(content) for name, content in one.items() if name != RECORD}
    assert not [path for path in tmp_path.iterdir() if path.name not in ("one", "two")]


def test_an_earlier_export_is_replaced_and_nothing_else(collection, tmp_path) -> None:
    target = tmp_path / "page"
    target.mkdir()
    export_page(collection, target)
    before = files(target)
    with pytest.raises(InputError, match="--overwrite"):
        export_page(collection, target)
    assert files(target) == before
    (target / "index.html").unlink()
    before = files(target)
    (target / ".git").mkdir()
    export_page(collection, target, overwrite=True)
    assert files(target).keys() == before.keys() | {"index.html"}
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        export_page(collection, target, overwrite=True)
    (target / "notes.txt").unlink()
    (target / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"README\.md"):
        export_page(collection, target, overwrite=True)
    assert (target / "README.md").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_export_is_refused(collection, tmp_path, kind) -> None:
    target = tmp_path / "other"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="other"):
        export_page(collection, target)
    assert len(list(tmp_path.rglob("*"))) == (1 if kind == "file" else 2)


def test_what_ends_half_way_leaves_nothing_that_looks_complete(collection, tmp_path, monkeypatch) -> None:
    target = tmp_path / "page"
    export_page(collection, target)
    before = files(target)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / temporary(target).name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")
    (left / "data").mkdir(parents=True)
    monkeypatch.setattr(export, "answers_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_page(collection, target, overwrite=True)
    assert files(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_more_items_than_a_page_holds_are_refused_before_anything_is_written(collection, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export, "MOST", ROWS - 1)
    with pytest.raises(InputError, match="79 items"):
        export_page(collection, tmp_path / "page")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_and_says_what(run, collection, tmp_path) -> None:
    sources = [collection.first.store.folder, "--images", collection.first.store.folder.parent / "photos"]
    target = tmp_path / "page"
    code, printed, told = run("explore", *sources, "-g", "lorentz:-1", "--export", target)
    assert code == 0, told
    assert "80 items" in printed
    assert str(target) in printed
    assert "9 pictures" in printed
    assert str(target / "index.html") in told
    lenses = json.loads(held((target / "data" / "collection.json.js").read_bytes()))["lenses"]
    assert [(lens["geometry"], lens["rows"], lens["embeds"]["text"]) for lens in lenses] == [("lorentz:-1", 80, False)]


@pytest.mark.slow
def test_the_demonstration_has_at_most_three_megabytes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path / "cache"))
    done = export_page(open_demo(device="cpu"), tmp_path / "page")
    assert done.bytes <= 3_000_000
    assert (done.items, done.pictures) == (804, 252)


@pytest.mark.parametrize(
    "odd",
    [
        "export default 1;",
        "export let a = 1;",
        "export { fill as filled };",
        'import * as all from "./latest.js";',
        'import {\n  latest,\n} from "./latest.js";',
        'const later = () => import("./latest.js");',
        'import { open } from "./main.js";',
    ],
)
def test_a_module_that_a_classic_script_cannot_hold_is_refused(monkeypatch, odd) -> None:
    read = pages.page_file
    monkeypatch.setattr(pages, "page_file", lambda name: read(name) + (odd.encode() if name == "dom.js" else b""))
    with pytest.raises((AssertionError, RecursionError)):
        pages.classic()
