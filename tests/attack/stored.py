"""Attacks on the files that hiergeo writes itself: embeddings, batches, heads, checkpoints, chains, weights."""

import io
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hiergeo import adapters, datasets, geometry, training
from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives, tensors
from hiergeo.adapters import tiny
from hiergeo.adapters.head_files import read_head_config
from hiergeo.training import checkpoints
from tests.attack.mutants import damaged_archive, damaged_bytes, damaged_json
from tests.attack.trial import Attack, Family, Silent
from tests.training.training_common import captions, chains, stored

SCENES = 12
"""Scenes of a dataset under attack."""


def hashed(folder: Path) -> Attack:
    """An embedding file with a hash of its content: what is accepted has to be what was written."""
    path = folder / "hashed.npz"
    stored(path)
    content, wanted = path.read_bytes(), _looked_up(adapters.load(f"npz:{path}"))

    def attack(random: Random) -> None:
        damage = damaged_bytes if random.random() < 0.6 else damaged_archive
        path.write_bytes(damage(random, content))
        found = adapters.load(f"npz:{path}")
        if _says_its_hash(path):
            _compare(_looked_up(found), wanted)

    return attack


def plain(folder: Path) -> Attack:
    """An embedding file as numpy writes it: damage to its bytes is noticed, other content has to be sound."""
    made, root = chains(), chains().root
    words = np.array(captions())
    buffer = io.BytesIO()
    np.savez(buffer, text=made.text.numpy(), root=root.numpy(), caption=words)
    content, path = buffer.getvalue(), folder / "plain.npz"
    path.write_bytes(content)
    wanted = _looked_up(adapters.load(f"npz:{path}"))

    def attack(random: Random) -> None:
        bytewise = random.random() < 0.5
        path.write_bytes((damaged_bytes if bytewise else damaged_archive)(random, content))
        model = adapters.load(f"npz:{path}")
        if bytewise:
            _compare(_looked_up(model), wanted)
        _check_unit(model.root()[None])

    return attack


def train_files(folder: Path) -> Attack:
    """Chains over stored embeddings that a head is to learn from."""
    made = chains()
    arrays = {name: getattr(made, name).numpy() for name in ("text", "positive", "negative", "root")}
    path = folder / "chains.npz"
    archives.write(path, {**arrays, "caption": np.array(captions())})
    content, wanted = path.read_bytes(), training.from_file(path).sha256

    def attack(random: Random) -> None:
        path.write_bytes((damaged_bytes if random.random() < 0.5 else damaged_archive)(random, content))
        read = training.from_file(path)
        if _says_its_hash(path) and read.sha256 != wanted:
            raise Silent("other chains than were written")
        _check_unit(read.text)

    return attack


def batches(folder: Path) -> Attack:
    """The folder of finished batches of an interrupted `embed`: what comes of it is what an undisturbed run gives."""
    model, hierarchy = adapters.load("tiny"), datasets.load("scenes", count=SCENES)
    whole, partial = folder / "whole.npz", folder / "out.npz.partial"
    adapters.embed(model, hierarchy, whole, batch_size=16)
    wanted = _arrays(whole)
    begun = folder / "begun"
    _interrupted(model, hierarchy, folder / "out.npz", 16)
    partial.rename(begun)

    def attack(random: Random) -> None:
        out = folder / "out.npz"
        out.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(begun, partial)
        paths = sorted(partial.rglob("*.npz"))
        victim = random.choice(paths)
        match random.randrange(5):
            case 0:
                victim.unlink()
            case 1:
                victim.write_bytes(random.choice(paths).read_bytes())
            case _:
                damage = damaged_bytes if random.random() < 0.5 else damaged_archive
                victim.write_bytes(damage(random, victim.read_bytes()))
        adapters.embed(model, hierarchy, out, batch_size=16)
        _compare(_arrays(out), wanted)

    return attack


def heads(folder: Path) -> Attack:
    """The folder of a head: an altered file is refused, so what loads predicts what it did."""
    base = stored(folder / "base.npz")
    made = training.from_file(_chains_file(folder), base=base)
    trained = training.train_head(
        made, geometry.parse("lorentz:-1"), training.Recipe(hidden=4, steps=4, every=2, batch=16)
    )
    original, broken = folder / "original", folder / "broken"
    training.save_head(trained, made, original)
    words = captions()[:8]
    wanted = adapters.load(f"head:{original}").encode_text(words)
    told = read_head_config(original)

    def attack(random: Random) -> None:
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(original, broken)
        victim = random.choice([*sorted(broken.iterdir()), broken / "config.json"])
        if random.random() < 0.05:
            victim.unlink()
        else:
            damage = damaged_json if victim.name == "config.json" else damaged_bytes
            victim.write_bytes(damage(random, victim.read_bytes()))
        _compare({"rows": adapters.load(f"head:{broken}").encode_text(words)}, {"rows": wanted})
        training.load_space(broken)
        if read_head_config(broken) != told:
            raise Silent("another configuration than was written")

    return attack


def towers(folder: Path) -> Attack:
    """The checkpoints of a fine-tuning: what is gone on from is one of those that were written."""
    out = folder / "tower"
    recipe = training.TowerRecipe(learning_rate=3e-4, batch=4, steps=4, every=2, validation=0.3)
    scenes = datasets.load("scenes", "train", count=SCENES)
    training.fine_tune(adapters.load("tiny"), scenes, out, "euclidean", recipe)
    original, broken = out / "checkpoints", folder / "broken-checkpoints"
    written = {step: checkpoints.read(original, step) for step in checkpoints.steps(original)}

    def attack(random: Random) -> None:
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(original, broken)
        described = sorted(broken.glob("*.json"))
        others = random.sample(sorted(broken.iterdir()), random.choice((0, 0, 1)))
        for victim in (*others, random.choice(described)):
            damage = damaged_json if victim.suffix == ".json" else damaged_bytes
            victim.write_bytes(damage(random, victim.read_bytes()))
        found = checkpoints.latest(broken)
        if found is None:
            raise InputError("no checkpoint is left.")
        true = written.get(found.step)
        if true is None or any(
            repr(getattr(found, name)) != repr(getattr(true, name))
            for name in ("best", "run", "looks", "curve", "scaler")
        ):
            raise Silent(f"the checkpoint of step {found.step} is not what was written")
        _compare(found.tensors, true.tensors)

    return attack


def weights(folder: Path) -> Attack:
    """A file of weights, which holds no hash: altered numbers pass, but never as embeddings that are none."""
    import open_clip

    arch = tiny.register()
    network = open_clip.create_model(arch, pretrained=None)
    path = folder / "weights.safetensors"
    content = tensors.packed(network.state_dict())
    head = int.from_bytes(content[:8], "little") + 8

    def attack(random: Random) -> None:
        cut = head if random.random() < 0.7 else len(content)
        path.write_bytes(damaged_bytes(random, content[:cut]) + content[cut:])
        _check_unit(adapters.load(f"open_clip:{arch}/{path}").encode_text(["a red square"]))

    return attack


def _chains_file(folder: Path) -> Path:
    made = chains()
    arrays = {name: getattr(made, name).numpy() for name in ("text", "positive", "negative", "root")}
    archives.write(folder / "of-head.npz", {**arrays, "caption": np.array(captions())})
    return folder / "of-head.npz"


def _interrupted(model: Any, hierarchy: Any, out: Path, size: int) -> None:
    """Embed until the last image, whose picture fails: the finished batches stay."""
    broken = type(hierarchy)(
        hierarchy.name, hierarchy.split, hierarchy.rows, (*hierarchy.images[:-1], _failing(hierarchy.images[-1]))
    )
    try:
        adapters.embed(model, broken, out, batch_size=size)
    except InputError:
        return
    raise RuntimeError("the embedding was to be interrupted")


def _failing(image: Any) -> Any:
    def fail() -> None:
        raise InputError("no picture.")

    return type(image)(image.image_id, fail)


def _looked_up(model: Any) -> dict[str, Tensor]:
    """All that a stored model gives; captions whose rows are missing are missed here."""
    known = captions()
    found = {"text": model.encode_text(known), "root": model.root()}
    if model.has_images:
        ids = [datasets.ImageRef(number, Image.Image) for number in range(60)]
        found["image"] = model.encode_image(ids)
    return found


def _arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in ("text", "image", "root")} | {
            "caption": torch.tensor([hash(word) for word in file["caption"].tolist()])
        }


def _says_its_hash(path: Path) -> bool:
    with np.load(path) as file:
        return archives.HASH in file.files


def _compare(found: Any, wanted: Any) -> None:
    if found.keys() != wanted.keys() or any(not torch.equal(found[name], wanted[name]) for name in wanted):
        raise Silent("other numbers than were written")


def _check_unit(rows: Tensor) -> None:
    if not bool(((rows.norm(dim=-1) - 1).abs() < 1e-3).all()):
        raise Silent("embeddings that are not of norm one")


FAMILIES = (
    Family("embeddings with a hash", hashed),
    Family("embeddings without", plain),
    Family("chains", train_files),
    Family("batches", batches),
    Family("heads", heads),
    Family("checkpoints", towers),
    Family("weights", weights),
)
