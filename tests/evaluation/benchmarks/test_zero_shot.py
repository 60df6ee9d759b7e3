"""Zero-shot classification: labelled images, classes lifted from the tangent space."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from hiergeo import Euclidean, Lorentz, Space, Sphere, adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.datasets import Labelled
from hiergeo.datasets.scenes import lone_things
from hiergeo.evaluation.classification import EmbeddedLabels, check_labels, embed_labels


@pytest.fixture(scope="module")
def tiny():
    return adapters.load("tiny")


def photographs(folder, classes=("cat", "polar_bear"), count=2):
    from PIL import Image

    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for item in range(count):
            Image.new("RGB", (8, 8), (40 * place, 9 * item, 0)).save(folder / name / f"{item}.png")
    return folder


@pytest.mark.parametrize("geometry", [Euclidean(), Lorentz(-1.3), Sphere(0.2)])
def test_classes_are_means_of_tangent_vectors_lifted(geometry):
    """Against geoopt: logarithms of the prompts at the root, their mean, and its exponential."""
    torch.manual_seed(0)
    prompt, image, root = (normalize(torch.randn(*shape), dim=-1).double() for shape in ((3, 4, 5), (6, 5), (5,)))
    embedded = EmbeddedLabels(prompt, image, (0,) * 6, root)
    tangent = (prompt - root).mean(1)
    space = Space(geometry)
    expected = space.pairwise_distance(image - root, tangent)
    for label in range(3):
        ranks = replace(embedded, labels=(label,) * 6).ranks(space)
        assert ranks.tolist() == (expected < expected[:, label, None]).sum(1).tolist()
    if isinstance(geometry, Lorentz):
        manifold = geometry.manifold()
        points = [manifold.expmap0(torch.nn.functional.pad(v, (1, 0))) for v in (image - root, tangent)]
        torch.testing.assert_close(manifold.dist(points[0][:, None], points[1]), expected, rtol=1e-7, atol=1e-7)


def test_lone_things_are_what_the_scenes_show():
    found = lone_things()
    assert len(found.images) == len(found.labels)
    assert 300 < len(found.images) < 500
    hierarchy = datasets.load("scenes")
    for image, label in list(zip(found.images, found.labels, strict=True))[:40]:
        assert f" {found.classes[label]} on a" in hierarchy.rows[image.image_id].positive[3]
    assert datasets.labelled("scenes") == found


def test_prompts_are_rows_of_their_class_and_images_those_of_the_set(tiny):
    everything = lone_things()
    first = [everything.labels.index(label) for label in range(len(everything.classes))]
    some = {name: tuple(getattr(everything, name)[place] for place in first) for name in ("images", "labels")}
    labelled = replace(everything, **some)
    embedded = embed_labels(tiny, labelled)
    assert embedded.prompt.shape == (len(labelled.classes), len(labelled.templates), tiny.dim)
    prompts = [template.format(labelled.classes[1]) for template in labelled.templates]
    torch.testing.assert_close(embedded.prompt[1], tiny.encode_text(prompts))
    torch.testing.assert_close(embedded.item, tiny.encode_image(labelled.images))
    torch.testing.assert_close(embedded.root, tiny.root())


def test_a_model_of_texts_alone_cannot_classify(tmp_path):
    np.savez(tmp_path / "texts.npz", text=np.eye(4, 8), caption=["a", "b", "c", "d"], root=np.eye(8)[7])
    with pytest.raises(InputError, match="texts only"):
        check_labels(adapters.load(f"npz:{tmp_path / 'texts.npz'}"), lone_things())


def test_a_folder_of_images(tmp_path):
    (photographs(tmp_path / "animals") / "cat" / ".hidden").write_text("")
    found = datasets.labelled(tmp_path / "animals")
    assert (found.name, found.classes, found.labels) == ("animals", ("cat", "polar bear"), (0, 0, 1, 1))
    assert found.prompts[:2] == ("a photo of a cat.", "a photo of one cat.")
    assert found.images[3].open().size == (8, 8)
    assert datasets.labelled(tmp_path / "animals", ["{}"]).prompts == ("cat", "polar bear")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "dog").mkdir(), "the class 'dog' of animals has no images"),
        (lambda folder: (folder / "cat" / "x.jpg").write_bytes(b"\xff\xd8"), r"cannot read .*x\.jpg as an image"),
        (
            lambda folder: [p.unlink() for p in folder.glob("cat/*")] + [(folder / "cat").rmdir()],
            "at least two classes",
        ),
    ],
)
def test_folders_that_are_refused(tmp_path, break_it, said):
    break_it(photographs(tmp_path / "animals"))
    with pytest.raises(InputError, match=said):
        datasets.labelled(tmp_path / "animals")


def test_sets_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        datasets.labelled(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"the template 'a photo' must hold \{\} once"):
        datasets.labelled("scenes", ["a photo"])
    with pytest.raises(InputError, match="no prompt templates"):
        datasets.labelled("scenes", [])
    with pytest.raises(InputError, match="a label below 2 for each"):
        Labelled("two", (), (1,), ("a", "b"), ("{}",))
