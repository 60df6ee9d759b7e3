"""Zero-shot classification: images of known classes, ranked by the distance of a space to prompts of class names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo.adapters import Model
from hiergeo.datasets import ImageRef, Labelled
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute
from hiergeo.geometry import Space

AVERAGING = ("auto", "tangent", "normalised")
"""How the prompts of a class become one point.

``tangent``: the mean of the embeddings, which is their mean in the tangent space at the root, is lifted.
``normalised``: they are brought to norm one, averaged, and the mean is brought to norm one (as CLIP_benchmark does).
``auto``: ``normalised`` for models of unit embeddings, ``tangent`` for those whose norms are free, such as MERU and
HyCoCLIP; so HyCoCLIP's own evaluation, with its CLIP baselines.
"""


@dataclass(frozen=True)
class ClassItems:
    """Images, each of one class; templates are prompts with one ``{}``, keys what a tree calls classes."""

    name: str
    items: tuple[ImageRef, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    templates: tuple[str, ...]

    @classmethod
    def of(cls, labelled: Labelled) -> "ClassItems":
        """Labelled images as items."""
        keys = labelled.keys or labelled.classes
        return cls(labelled.name, labelled.images, labelled.labels, labelled.classes, keys, labelled.templates)

    @property
    def prompts(self) -> list[str]:
        """The prompts of all classes, class by class."""
        return [template.replace("{}", name) for name in self.classes for template in self.templates]

    def renamed(self, classes: Sequence[str], labels: Sequence[int]) -> "ClassItems":
        """The same items among other classes."""
        return replace(self, classes=tuple(classes), keys=tuple(classes), labels=tuple(labels))


@dataclass(frozen=True)
class EmbeddedLabels:
    """Labelled items (n, D) and P prompts of each class (C, P, D), embedded once; averaging as in `AVERAGING`."""

    prompt: Tensor
    item: Tensor
    labels: tuple[int, ...]
    root: Tensor
    averaging: str = "tangent"

    @property
    def classes(self) -> Tensor:
        """The embedding of each class, (C, D); a mean of embeddings is one in the tangent space at the root."""
        if self.averaging == "tangent":
            return self.prompt.mean(1)
        return normalize(normalize(self.prompt, dim=-1).mean(1), dim=-1)

    @torch.no_grad()
    def ranks(self, space: Space) -> np.ndarray:
        """How many classes are nearer to each item than its own, (n,) int64, around the model's root; ties go first."""
        own = torch.tensor(self.labels).to(self.item.device)
        return space.rooted(self.root).rank(self.item, self.classes, own).cpu().numpy()

    @torch.no_grad()
    def nearest(self, space: Space) -> np.ndarray:
        """The nearest class of each item, (n,) int64, by the same distances; ties go to the first."""
        return space.rooted(self.root).nearest(self.item, self.classes)[1].cpu().numpy()


@torch_defaults()
def embed_labels(
    model: Model,
    labelled: Labelled | ClassItems,
    averaging: str = "auto",
    *,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> EmbeddedLabels:
    """Embed items and prompts; `averaging` is one of `AVERAGING`.

    Raises:
        InputError: a model of texts alone, or texts and images that it cannot embed.
    """
    items = check_labels(model, labelled)
    prompt = model.encode_text(items.prompts, **compute.keywords, progress=progress)
    prompt = prompt.view(len(items.classes), len(items.templates), -1)
    item = model.encode_image(items.items, **compute.keywords, progress=progress)
    used = averaging_of(model) if averaging == "auto" else averaging
    return EmbeddedLabels(prompt, item, items.labels, model.root(prompt.device, prompt.dtype), used)


def averaging_of(model: Model) -> str:
    """What ``auto`` means for a model: see `AVERAGING`."""
    return "normalised" if model.normalised else "tangent"


def check_labels(model: Model, labelled: Labelled | ClassItems) -> ClassItems:
    """The items; raises InputError where a model cannot classify them, before any of them is embedded."""
    items = ClassItems.of(labelled) if isinstance(labelled, Labelled) else labelled
    if not model.has_images:
        raise InputError(f"{model.name} embeds texts only: the images of {items.name} need an image-text model.")
    model.check_texts(items.prompts)
    model.check_images(items.items)
    return items
