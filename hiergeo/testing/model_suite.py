"""Conformance suite for adapters of pretrained models."""

import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from hiergeo import adapters
from hiergeo.adapters import ImageLike, Model
from hiergeo.testing.assertions import assert_refused, assert_text

APART = 1e-3  # distance between unit embeddings of different inputs below which a model cannot tell them apart


class AdapterConformance:
    """Inherit from this, define `make`, and pytest checks that your adapter is a model as hiergeo understands it.

    ```python
    class TestMyModel(AdapterConformance):
        spec = "my-model:small"

        def make(self):
            return load("small", device=torch.device("cpu"))
    ```

    Attributes:
        spec: the spec that loads the model through its entry point; None leaves that out.
        texts: captions that the model can embed, all different, stripped and not empty.
        tolerance: the largest difference of an entry of an embedding between batches of different sizes.
        reads_files: whether images may be given as paths; False for models that only look up what is stored.

    Override `images` where the model cannot embed arbitrary pictures.
    """

    spec: ClassVar[str | None] = None
    texts: ClassVar[Sequence[str]] = (
        "a",
        "an animal",
        "a dog",
        "a small brown dog on a beach",
        "a photograph of two small dogs, one of which is asleep under a table",
        "un éléphant",
    )
    tolerance: ClassVar[float] = 1e-4
    reads_files: ClassVar[bool] = True

    def make(self) -> Model:
        """The model, on the CPU."""
        raise NotImplementedError

    def images(self) -> list[ImageLike]:
        """Different pictures that the model can embed."""
        from PIL import Image

        noise = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3), dtype=np.uint8)
        return [Image.fromarray(pixels) for pixels in (noise[0], noise[1] // 3, 255 - noise[2] // 4)]

    # what it says of itself

    def test_it_describes_itself(self) -> None:
        model = self.make()
        for name in ("name", "preprocessing"):
            assert_text(getattr(model, name), name)
        assert isinstance(model.has_images, bool), "has_images is True or False"
        assert "\n" not in model.name, "the name fits on one line"

    def test_its_fingerprint_is_that_of_the_weights(self) -> None:
        model = self.make()
        before = model.fingerprint()
        model.encode_text(self.texts)
        assert_text(before, "the fingerprint")
        assert model.fingerprint() == before, "the fingerprint is the same after embedding"
        assert self.make().fingerprint() == before, "the fingerprint is the same for the same model loaded again"

    def test_its_spec_loads_it(self) -> None:
        if self.spec is None:
            raise unittest.SkipTest("no spec is given")
        loaded = adapters.load(self.spec, device="cpu")
        assert loaded.name == self.spec, "the model is named by its spec"
        assert loaded.fingerprint() == self.make().fingerprint(), "the spec loads the same model"

    # texts

    def test_texts_become_rows_of_one_dimension(self) -> None:
        model = self.make()
        model.check_texts(self.texts)
        bare = model.text_rows(self.texts)
        assert bare.shape == (len(self.texts), model.dim), "text_rows gives one row of `dim` numbers a text"
        assert bare.is_floating_point(), "text_rows gives floating-point numbers"
        self._check(model, model.encode_text(self.texts))

    def test_texts_do_not_depend_on_their_batch(self) -> None:
        self._check_batches(self.make(), "text")

    def test_different_texts_are_told_apart(self) -> None:
        self._check_apart(self.make().encode_text(self.texts), "texts")

    def test_the_root_is_the_empty_caption(self) -> None:
        model = self.make()
        among = model.encode_text([*self.texts, ""])[-1]
        torch.testing.assert_close(model.root(), among, rtol=0, atol=self.tolerance, msg="the root embeds ''")
        self._check_apart(torch.stack([among, *model.encode_text(self.texts)]), "texts and the empty caption")
        model.root().zero_()
        assert bool(model.root().any()), "the root is a copy"

    def test_embedding_leaves_torch_as_it_was(self) -> None:
        model = self.make()
        before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state()
        rows = model.encode_text(self.texts)
        after = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state()
        assert before[:2] == after[:2], "embedding changes the default dtype or the gradient mode"
        assert torch.equal(before[2], after[2]), "embedding draws random numbers: is dropout on?"
        assert not rows.requires_grad, "embeddings come without gradient"

    # images

    def test_images_become_rows_of_the_same_space(self) -> None:
        model, images = self._seeing()
        model.check_images(images)
        self._check(model, model.encode_image(images))

    def test_images_do_not_depend_on_their_batch(self) -> None:
        model, _ = self._seeing()
        self._check_batches(model, "image")

    def test_different_images_are_told_apart(self) -> None:
        model, images = self._seeing()
        self._check_apart(model.encode_image(images), "images")

    def test_files_are_read_as_pictures_are(self) -> None:
        from PIL.Image import Image

        model, images = self._seeing()
        if not self.reads_files or not all(isinstance(image, Image) for image in images):
            raise unittest.SkipTest("this model does not read image files")
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{index}.png" for index in range(len(images))]
            for image, path in zip(images, paths, strict=True):
                assert isinstance(image, Image)
                image.save(path)
            read, given = model.encode_image(paths), model.encode_image(images)
            torch.testing.assert_close(read, given, rtol=0, atol=self.tolerance, msg="paths embed as pictures do")
            absent = Path(folder) / "absent.png"
            assert_refused(lambda: model.encode_image([*paths, absent]), "absent.png")

    def test_a_model_without_images_says_so(self) -> None:
        model = self.make()
        if model.has_images:
            raise unittest.SkipTest("this model embeds images")
        assert_refused(lambda: model.encode_image(self.images()))

    # helpers

    def _seeing(self) -> tuple[Model, list[ImageLike]]:
        model = self.make()
        if not model.has_images:
            raise unittest.SkipTest("this model embeds texts only")
        return model, self.images()

    def _check(self, model: Model, rows: Tensor) -> None:
        assert rows.shape[1] == model.dim, f"embeddings have {rows.shape[1]} dimensions where the root has {model.dim}"
        assert (rows.dtype, rows.device.type) == (torch.float32, "cpu")
        assert bool(rows.isfinite().all()), "embeddings are finite"
        if model.normalised:
            torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)), msg="embeddings have norm one")

    def _check_batches(self, model: Model, kind: str) -> None:
        items: Sequence[str] | list[ImageLike] = self.texts if kind == "text" else self.images()
        encode = getattr(model, f"encode_{kind}")
        whole = encode(items)
        for size in (1, 2):
            torch.testing.assert_close(
                encode(items, batch_size=size), whole, rtol=0, atol=self.tolerance, msg=f"{kind}s in batches of {size}"
            )
        turned = encode(items[::-1]).flip(0)
        torch.testing.assert_close(turned, whole, rtol=0, atol=self.tolerance, msg=f"{kind}s in another order")

    def _check_apart(self, rows: Tensor, what: str) -> None:
        distance = torch.pdist(torch.nn.functional.normalize(rows, dim=1))
        assert float(distance.min()) > APART, f"two of the {what} have the same embedding"
