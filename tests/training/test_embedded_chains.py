"""The file of `hiergeo embed` is one to train on: the same chains as the model embeds itself, told from test images."""

from dataclasses import replace

import pytest
import torch

from hiergeo import adapters, datasets, training
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError


@pytest.fixture(scope="module")
def model():
    return adapters.load("tiny")


@pytest.fixture(scope="module")
def rows():
    return datasets.load("scenes", "train", count=30)


def test_it_holds_the_chains_that_training_makes_of_the_data(model, rows, tmp_path) -> None:
    file = adapters.embed(model, rows, tmp_path / "e.npz")
    read, made = training.from_file(file), training.from_hierarchy(rows, model)
    assert read.texts == made.texts
    torch.testing.assert_close(read.text, made.text)
    torch.testing.assert_close(read.root, made.root)
    assert torch.equal(read.positive, made.positive)
    assert torch.equal(read.negative, made.negative)
    assert torch.equal(read.group[:, None] == read.group, made.group[:, None] == made.group)
    assert torch.equal(adapters.load(f"npz:{file}").encode_text(rows.texts), made.text)


def test_rows_without_an_image_are_groups_of_their_own(model, rows, tmp_path) -> None:
    shared = [replace(row, image_id=row.image_id if at % 2 else None) for at, row in enumerate(rows.rows)]
    kept = {row.image_id for row in shared}
    images = tuple(image for image in rows.images if image.image_id in kept)
    chains = training.from_file(
        adapters.embed(model, Hierarchy("half", "train", tuple(shared), images), tmp_path / "e.npz")
    )
    assert len(set(chains.group[::2].tolist())) == len(chains.group[::2])
    assert not set(chains.group[::2].tolist()) & set(chains.group[1::2].tolist())


@pytest.mark.parametrize(("name", "refused"), [("hierarcaps", True), ("chains:own", True), ("pets", False)])
def test_test_images_are_refused_as_in_the_data_themselves(model, rows, tmp_path, name: str, refused: bool) -> None:
    from hiergeo.datasets.hierarcaps import test_images

    image = min(test_images())
    data = Hierarchy(name, "train", tuple(replace(row, image_id=image) for row in rows.rows), ())
    file = adapters.embed(model, replace(data, images=()), tmp_path / "e.npz")
    if refused:
        with pytest.raises(InputError, match="test images"):
            training.from_file(file)
    else:
        training.from_file(file)
