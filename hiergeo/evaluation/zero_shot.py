"""Zero-shot classification: an image belongs to the class whose prompts lie nearest, by the distance of the space."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hiergeo._numerics import torch_defaults
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Labelled
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.metrics import ZeroShot, zero_shot


@dataclass(frozen=True)
class EmbeddedLabels:
    """Labelled images and the prompts of their classes, embedded once.

    Attributes:
        prompt: (C, P, D), P prompts a class.
        image: (n, D).
        labels: (n,) the class of each image.
        root: (D,) embedding of the empty caption.
    """

    prompt: Tensor
    image: Tensor
    labels: tuple[int, ...]
    root: Tensor

    def behind(self, model: HeadModel) -> "EmbeddedLabels":
        """What the frozen model embedded, as the model behind its head embeds it."""
        prompt = model.through(self.prompt.flatten(0, 1)).unflatten(0, self.prompt.shape[:2])
        return replace(self, prompt=prompt, image=model.through(self.image), root=model.through(self.root[None])[0])

    @torch.no_grad()
    def distances(self, space: Space) -> Tensor:
        """Geodesic distances of images and classes, (n, C), around the model's root.

        The prompts of a class are averaged in the tangent space at the root, and the mean is lifted. A space reads an
        embedding as a tangent vector at its root, so that the mean of the embeddings, of whatever norm, is that mean.
        """
        return space.rooted(self.root).pairwise_distance(self.image, self.prompt.mean(1))


@torch_defaults()
def classify(model: Model, labelled: Labelled, space: Space, *, progress: bool = False) -> ZeroShot:
    """The zero-shot accuracies of a model in a space; raises InputError as `embed_labels`."""
    embedded = embed_labels(model, labelled, progress=progress)
    return zero_shot(embedded.distances(space).numpy(), embedded.labels)


@torch_defaults()
def embed_labels(model: Model, labelled: Labelled, *, progress: bool = False) -> EmbeddedLabels:
    """Embed images and prompts.

    Raises:
        InputError: a model of texts alone, or texts and images that the model cannot embed.
    """
    check_labels(model, labelled)
    prompt = model.encode_text(labelled.prompts, progress=progress)
    return EmbeddedLabels(
        prompt=prompt.view(len(labelled.classes), len(labelled.templates), -1),
        image=model.encode_image(labelled.images, progress=progress),
        labels=labelled.labels,
        root=model.root(),
    )


def check_labels(model: Model, labelled: Labelled) -> None:
    """Raise InputError where a model cannot classify these images, before any of them is embedded."""
    if not model.has_images:
        raise InputError(f"{model.name} embeds texts only: zero-shot classification needs an image-text model.")
    model.check_texts(labelled.prompts)
    model.check_images(labelled.images)
