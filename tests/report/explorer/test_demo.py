"""The demonstration and the head that it shows, in the small."""

import csv
from pathlib import Path

from PIL import Image

from hiergeo import adapters, search
from hiergeo.datasets import scenes
from hiergeo.datasets.scenes.things import things
from hiergeo.report.explorer import demo


def test_the_head_of_the_demonstration_is_hyperbolic_and_on_the_bundled_model() -> None:
    model = adapters.load(f"head:{demo.TRAINED}")
    assert model.native_space().geometry.spec == "lorentz:-1"


def test_the_index_holds_captions_and_pictures_each_of_a_kind_of_thing(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "PICTURES", 3)
    monkeypatch.setattr(demo, "UNSEEN", 2)
    hierarchy = demo.with_unseen(scenes.load("test", count=4))
    captions = list(demo.illustrated(hierarchy))
    model = adapters.load("tiny")
    demo.build_demo(tmp_path, [model], hierarchy)
    index = search.open(tmp_path / "0", model=model)
    assert len(index) == len(captions) + 3 + 2
    caption = captions[-1]
    assert index.neighbours(caption, 1).hits[0].caption == caption
    with Image.open(tmp_path / "pictures" / "scene-005.png") as picture:
        assert picture.tobytes() == scenes.load("unseen", count=2).images[1].open().tobytes()
    with (tmp_path / "kinds.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == [str(item) for item in range(len(index))]
    for text, row in zip(captions, rows, strict=False):
        nouns = {noun for thing in things() if thing.top == row[demo.KINDS] for noun in thing.line}
        assert any(f" {noun} " in f" {text} " for noun in nouns or {"thing", "things"})
    drawn = [hierarchy.images[scene].open for scene in (0, 1, 2, 4, 5)]
    shown = [scene.scene.things[0].thing for scene in drawn if isinstance(scene, scenes.Drawn)]
    assert [thing.top for thing in shown] == [row[demo.KINDS] for row in rows[len(captions) :]]
    assert [thing.unseen for thing in shown] == [False, False, False, True, True]
