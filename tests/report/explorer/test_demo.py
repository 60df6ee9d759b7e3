"""The demonstration and the head that it shows, in the small."""

from pathlib import Path

from PIL import Image

from hiergeo import adapters, search
from hiergeo.datasets import scenes
from hiergeo.report.explorer import demo


def test_the_head_of_the_demonstration_is_hyperbolic_and_on_the_bundled_model() -> None:
    model = adapters.load(f"head:{demo.TRAINED}")
    assert model.native_space().geometry.spec == "lorentz:-1"


def test_the_index_holds_captions_and_pictures(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "PICTURES", 3)
    hierarchy = scenes.load("test", count=4)
    captions = list(demo.illustrated(hierarchy))
    model = adapters.load("tiny")
    demo.build_demo(tmp_path, [model], hierarchy)
    index = search.open(tmp_path / "0", model=model)
    assert len(index) == len(captions) + 3
    caption = captions[-1]
    assert index.neighbours(caption, 1).hits[0].caption == caption
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"scene-00{scene}.png" for scene in range(4)
    ]
    with Image.open(tmp_path / "pictures" / "scene-000.png") as picture:
        assert picture.size == (demo.SIDE, demo.SIDE)
