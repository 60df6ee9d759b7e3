"""A head on disk: the same embeddings again, through the ordinary door, or one sentence why not."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from hiergeo import Lorentz, adapters
from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo.adapters.model import Model
from hiergeo.training import HeadModel, load_space, save_head, train_head
from tests.training.training_common import FAST, ITEMS, captions, chains, stored


@pytest.fixture(scope="module")
def trained():
    return train_head(chains(), Lorentz(-0.5, learnable=True), FAST)


@pytest.fixture
def base(tmp_path):
    return stored(tmp_path / "base.npz")


@pytest.fixture
def folder(trained, base, tmp_path):
    data = dataclasses.replace(chains(), base=(base.name, base.fingerprint()))
    return save_head(trained, data, tmp_path / "head")


def test_a_head_model_is_a_model(trained, base):
    model = HeadModel(base, trained.head)
    assert isinstance(model, Model)
    texts = captions()[:5]
    torch.testing.assert_close(model.encode_text(texts), trained.head(base.encode_text(texts)).detach())
    torch.testing.assert_close(model.root(), trained.head(base.root()).detach())
    images = [f"{i}.jpg" for i in range(ITEMS)]
    torch.testing.assert_close(model.encode_image(images), trained.head(base.encode_image(images)).detach())
    assert model.fingerprint() != base.fingerprint()


def test_the_round_trip_gives_the_same_embeddings_to_the_bit(trained, base, folder):
    again, direct = adapters.load(f"head:{folder}"), HeadModel(base, trained.head)
    assert torch.equal(again.encode_text(captions()), direct.encode_text(captions()))
    assert torch.equal(again.root(), direct.root())
    assert again.fingerprint() == direct.fingerprint()


def test_the_configuration_says_what_it_is(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["data"]["sha256"] == chains().sha256
    assert config["losses"] == dict(FAST.losses)
    assert config["seed"] == FAST.seed
    assert config["curvature"] == pytest.approx([load_space(folder).geometry.curvature])
    looks = json.loads((folder / config["history"]).read_text())
    assert [look["step"] for look in looks] == [0, 20, 40]


def test_saving_again_leaves_one_head_and_only_when_asked(trained, folder):
    with pytest.raises(InputError, match="is there already"):
        save_head(trained, chains(), folder)
    save_head(trained, chains(), folder, overwrite=True)
    assert len(list(folder.iterdir())) == 3
    with pytest.raises(InputError, match="names no model to stand on"):
        adapters.load(f"head:{folder}")


def test_a_head_on_another_model_is_named(folder, base, tmp_path):
    other = stored(tmp_path / "other.npz")
    assert adapters.load(f"head:{folder}@{other.name}").base.name == other.name
    with pytest.raises(InputError, match="takes embeddings of dimension 12, and tiny gives 64"):
        adapters.load(f"head:{folder}@tiny")


def test_a_model_that_changed_is_refused(folder, base):
    import numpy as np

    path = base.name.removeprefix("npz:")
    with np.load(path) as old:
        kept = {name: old[name] for name in old.files if name != "content_sha256"}
    np.savez(path, **kept, note=np.array("other"))
    with pytest.raises(InputError, match=r"is not what the head .* was trained on"):
        adapters.load(f"head:{folder}")


@pytest.mark.parametrize("damage", ["weights", "config", "missing", "absent"])
def test_damage_is_one_sentence(folder, damage):
    weights = next(folder.glob("*.safetensors"))
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "config":
        (folder / "config.json").write_text('{"shape": ')
    elif damage == "missing":
        weights.unlink()
    else:
        (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"damaged|holds no head"):
        adapters.load(f"head:{folder}")


def altered(folder: Path, **changes: object) -> Path:
    """The configuration with other values and the hash that they have."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config[documents.HASH]
    documents.write(path, config | changes)
    return folder


SHAPE = {"inputs": 12, "outputs": 12, "hidden": 16, "unit": True}


@pytest.mark.parametrize(
    "change",
    [
        {"geometry": None},
        {"base": ["npz:a"]},
        {"weights": "../head-0123456789ab.safetensors"},
        {"history": "config.json"},
        {"shape": SHAPE | {"hidden": 2**40}},
        {"shape": SHAPE | {"inputs": True}},
        {"shape": SHAPE | {"more": 1}},
        {"curvature": [float("nan")]},
        {"deep": json.loads("[" * 40 + "]" * 40)},
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(folder, change):
    with pytest.raises(InputError):
        adapters.load(f"head:{altered(folder, **change)}")


def test_a_head_that_stands_on_itself_is_refused(trained, folder, tmp_path):
    other = save_head(trained, dataclasses.replace(chains(), base=(f"head:{folder}", "")), tmp_path / "other")
    adapters.load(f"head:{other}")
    for base in (f"head:{folder}", f"head:{other}", f"head:{other}@head:{folder}"):
        altered(folder, base=base)
        with pytest.raises(InputError, match="itself"):
            adapters.load(f"head:{folder}")
    with pytest.raises(InputError, match="at most"):
        adapters.load("@".join([f"head:{folder}"] * 50))


def test_a_head_does_not_replace_something_else(trained, folder):
    (folder / "config.json").write_text('{"spec": "hf:a"}')
    with pytest.raises(InputError, match="something else"):
        save_head(trained, chains(), folder, overwrite=True)


def test_a_head_of_version_0_2_that_was_trained_on_test_data_says_so(folder):
    with pytest.warns(UserWarning, match="was trained on test data: 3 of 60"):
        adapters.load(f"head:{altered(folder, leakage='3 of 60 rows describe test images')}")


def test_free_norms_survive_and_are_not_stored_as_unit_embeddings(base, tmp_path):
    from hiergeo import datasets

    recipe = dataclasses.replace(FAST, unit=False, outputs=3, losses={"order": 1.0}, steps=20)
    model = HeadModel(base, train_head(chains(), Lorentz(-1), recipe).head)
    rows = model.encode_text(captions())
    torch.testing.assert_close(rows, model.head(base.encode_text(captions())).detach())
    assert rows.norm(dim=1).std() > 0.01
    with pytest.raises(InputError, match="free norms"):
        adapters.embed(model, datasets.load("scenes", count=1), tmp_path / "out.npz")
