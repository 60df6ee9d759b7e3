"""Models of hiergeo as those of mteb, which evaluates them by a distance or an entailment of their space."""

from collections.abc import Iterable
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor

from hiergeo._core import extras
from hiergeo._core.errors import unknown_name
from hiergeo._core.text import file_name
from hiergeo.adapters import Model
from hiergeo.evaluation.measuring import ready
from hiergeo.geometry import Geometry, Space

By = Literal["distance", "angle", "margin"]
"""What makes two texts alike: a small distance; or, that the first is a kind of the second, a small exterior angle at
the second, or a large margin of its cone."""


@final
class MtebEncoder:
    """A model with the interface that mteb calls an encoder; rows are measured in float64."""

    def __init__(self, model: Model, space: Space, by: By = "distance") -> None:
        self.model, self.by = model, by
        self.space = space.rooted(model.root().double()) if space.root is None else space
        self.mteb_model_meta = _meta(model, self.space, by)

    def encode(self, inputs: Iterable[dict[str, Any]], **_: Any) -> Tensor:
        """(n, D) embeddings of batches of texts, of images, or, their mean, of both."""
        rows = []
        for batch in inputs:
            parts = [self.model.encode_text(list(batch["text"]))] if "text" in batch else []
            parts += [self.model.encode_image(list(batch["image"]))] if "image" in batch else []
            rows.append(torch.stack(parts).mean(0).cpu())
        return torch.cat(rows) if rows else torch.empty(0, self.model.dim)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """(n,) scores of pairs."""
        first, second = (torch.as_tensor(rows).double() for rows in (embeddings1, embeddings2))
        if self.by == "margin":
            return self.space.margin(second, first)
        return -(self.space.distance if self.by == "distance" else self.space.exterior_angle)(second, first)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """(n, m) scores of all pairs."""
        first, second = (torch.atleast_2d(torch.as_tensor(rows)).double() for rows in (embeddings1, embeddings2))
        space = self.space
        if self.by == "margin":
            return space.pairwise_margin(second, first).T
        measure = space.pairwise_distance if self.by == "distance" else space.pairwise_exterior_angle
        return -measure(second, first).T


def to_mteb(model: Model | str, space: Space | Geometry | str | None = None, by: By = "distance") -> MtebEncoder:
    """A model as one of mteb: ``mteb.evaluate(to_mteb(model, "lorentz:-1"), tasks)``.

    Args:
        model: that embeds, or its spec.
        space: in which its rows are compared; None is the model's own.
        by: "distance" for tasks of what is alike; "angle" or "margin" for those where the first text is a kind of the
            second.

    Raises:
        InputError: a model, a space or an order that is not valid.
        UnavailableError: mteb is not installed.
    """
    if by not in get_args(By):
        raise unknown_name("order", by, get_args(By))
    return MtebEncoder(*ready(model, space, "auto"), by)


def _meta(model: Model, space: Space, by: By) -> Any:
    """What mteb notes of a model; a field that one of its versions has and another has not is None."""
    kind = extras.require("mteb", "its evaluation").models.ModelMeta
    known = {
        "name": f"hiergeo/{file_name(model.name, space.geometry.spec, by)}",
        "revision": model.fingerprint(),
        "embed_dim": model.dim,
        "framework": [],
        "modalities": ["text", "image"] if model.has_images else ["text"],
    }
    required = dict.fromkeys(name for name, field in kind.model_fields.items() if field.is_required())
    return kind.model_validate(required | known)
