"""A collection: indexes of the same items, seen through models and geometries, with tiers and pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import scenes
from hiergeo.report.explorer import Collection, create_explorer, open_collection
from hiergeo.report.explorer.collection import cached_folder, model_of
from hiergeo.report.explorer.facts import collection_facts
from hiergeo.search.layout import ModelFacts
from hiergeo.search.serving.limits import Limits

CAPTIONS = ["animal", "dog", "small dog", "a small dog on a red sofa"]


def facts_of(collection: Collection) -> dict[str, Any]:
    return collection_facts(collection, Limits())


@pytest.fixture
def build(tmp_path) -> Callable[..., Path]:
    def build(name: str, captions=CAPTIONS, seed: int = 0, **more) -> Path:
        embeddings = torch.randn(len(captions), 4, generator=torch.Generator().manual_seed(seed))
        search.build(tmp_path / name, None, captions, embeddings=embeddings, **more)
        return tmp_path / name

    return build


def test_every_source_in_every_geometry_is_a_lens(build) -> None:
    collection = open_collection([build("one"), build("two", seed=1)], ["euclidean", "lorentz:-1"])
    assert [lens.key for lens in collection.lenses] == ["0", "1", "2", "3"]
    assert [(lens.source, lens.spec) for lens in collection.lenses] == [
        (name, spec) for name in ("one", "two") for spec in ("euclidean", "lorentz:-1")
    ]
    assert len({lens.title for lens in collection.lenses}) == 4
    assert len(collection.indexes) == 2
    assert collection.lens("2") is collection.lenses[2]
    assert collection.lens("4") is None


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("tiny", "Bundled model"),
        ("hf:openai/clip-vit-base-patch32", "openai/clip-vit-base-patch32"),
        ("hf:/home/me/models/clip", "clip"),
        ("open_clip:ViT-B-32/openai", "ViT-B-32/openai"),
        ("open_clip:ViT-B-32//home/me/secret.safetensors", "ViT-B-32/secret.safetensors"),
        ("open_clip:local-dir:/home/me/model", "model"),
        ("sentence-transformers:/home/me/venv/minilm/model", "minilm"),
        (f"hf:/home/me/hub/models--org--clip/snapshots/{'0f' * 20}", "models--org--clip"),
        ("head:/me/heads/mine@open_clip:ViT-B-32/openai", "mine"),
        ("npz:./data/stored.npz", "stored.npz"),
    ],
)
def test_a_model_has_the_name_that_people_gave_it_and_tells_no_home(build, spec, told) -> None:
    index = search.open(build("one"))
    index.encoder.facts = ModelFacts(spec, "0" * 16, True)
    assert model_of(index) == told


@pytest.mark.parametrize(
    ("captions", "named"), [([*CAPTIONS[:2], "a cat", CAPTIONS[3]], "item 2"), (CAPTIONS[:3], "item 3")]
)
def test_other_items_are_refused_by_the_first_difference(build, captions, named) -> None:
    with pytest.raises(InputError, match=named):
        open_collection([build("one"), build("two", captions)])


@pytest.mark.filterwarnings("ignore:this space has no root")
def test_images_without_captions_are_compared_by_name(build, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path / "cache"))

    def stored(name: str, order: list[int]) -> Path:
        arrays: dict[str, Any] = {"image": np.eye(4, dtype=np.float32)[order], "image_id": np.array([5, 7, 9])[order]}
        np.savez(tmp_path / name, text=np.eye(4, dtype=np.float32), captions=np.array(CAPTIONS), **arrays)
        return tmp_path / name

    with pytest.raises(InputError, match="item 4 is 'image-id:5' in one and 'image-id:9' in two"):
        open_collection([stored("one.npz", [0, 1, 2]), stored("two.npz", [2, 1, 0])])
    folders = [build("old"), build("new", seed=1)]
    for folder in folders:
        image = picture(tmp_path / f"photos of {folder.name}" / "a.png")
        search.open(folder).add(embeddings=torch.ones(1, 4), images=[image])
    assert len(open_collection(folders).lenses) == 2


def test_the_cache_is_for_its_user_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path / "cache"))
    folder = cached_folder("made", lambda place: (place / "file").touch())
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert cached_folder("made", lambda place: None) == folder


def test_what_cannot_be_explored_is_refused(build, tmp_path) -> None:
    with pytest.raises(InputError, match="nothing"):
        open_collection([])
    with pytest.raises(InputError, match="9"):
        open_collection([build("one")], ["euclidean"] * 9)
    with pytest.raises(InputError, match="geometry"):
        open_collection([tmp_path / "one"], ["lorenz:-1"])
    with pytest.raises(UnavailableError, match="nowhere"):
        open_collection([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="--images"):
        open_collection([tmp_path / "one"], images=tmp_path / "nowhere")


def test_tiers_are_those_of_the_chains(build) -> None:
    chains = [chain for row in scenes.load("test").rows for chain in (row.positive, row.negative)]
    captions = [*dict.fromkeys(caption for chain in chains[:60] for caption in chain or ()), "a caption of no scene"]
    counts = [
        [sum(chain is not None and chain[tier] == caption for chain in chains) for tier in range(4)]
        for caption in captions
    ]
    tiers = open_collection([build("one", captions)], data="scenes").tiers
    assert tiers is not None
    assert len(tiers.names) == 4
    found = [tiers.tier(caption) for caption in captions]
    assert found == [count.index(max(count)) if max(count) else -1 for count in counts]
    assert set(found) == {-1, 0, 1, 2, 3}


def picture(path: Path, side: int = 300) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side // 2), "red").save(path)
    return path


def size(content: bytes) -> tuple[int, int]:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "JPEG"
        return opened.size


def test_pictures_are_shown_from_the_named_folder_alone(build, tmp_path) -> None:
    photos = tmp_path / "photos"
    index = build("one", images=[picture(photos / f"{i}.png") for i in range(4)])
    alone = open_collection([index])
    assert alone.pictures.path(0) is None
    assert facts_of(alone)["pictures"] is False
    assert facts_of(open_collection([build("two")]))["pictures"] is None, "there are none to be shown"
    assert any("--images" in each for each in create_explorer(alone).state.explorer.warm_up())
    shown = open_collection([index], images=photos)
    assert facts_of(shown)["pictures"] is True
    pictures = shown.pictures
    assert size(pictures.jpeg(3, 192)) == (192, 96)
    assert size(pictures.jpeg(3, 64)) == (64, 32)
    with pytest.raises(InputError, match="item 4"):
        pictures.jpeg(4, 64)


def test_pictures_are_found_by_their_numbers(build, tmp_path) -> None:
    path = picture(tmp_path / "photos" / "deep" / "COCO_val2014_000000000139.jpg")
    index = build("one", images=["image-id:139", "image-id:140", "x", "y"])
    pictures = open_collection([index], images=tmp_path / "photos").pictures
    assert pictures.path(0) == path.resolve()
    assert pictures.path(1) is None
