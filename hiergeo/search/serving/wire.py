"""What arrives over HTTP, as models of pydantic: queries of any kind, searches for them, and items to add."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeAlias, cast, final

import torch
from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, FailFast, Field, create_model, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor

from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import FORMATS, decoded
from hiergeo.search.ids import Id, ItemId
from hiergeo.search.queries import Item
from hiergeo.search.requests import Kind, Request, parameters
from hiergeo.search.serving.answer_schemas import list_of
from hiergeo.search.serving.limits import Limits, Refused


@final
@dataclass(frozen=True, eq=False)
class Encoded:
    """The content of an image file of which the header alone has been read, and its pixels, width times height."""

    content: bytes
    pixels: int

    @property
    def image(self) -> ImageRef:
        """The image, decoded each time that it is opened, and not kept."""
        return ImageRef(0, partial(decoded, self.content))


Query: TypeAlias = str | Tensor | Item | Encoded
"""A text, an embedding (D,), an item of the index or an image file; a text is never a path."""


def _encoded(content: bytes, limits: Limits) -> Encoded:
    try:
        with decoded(content) as opened:
            pixels = opened.width * opened.height
    except Exception:  # damage surfaces in Pillow's decoders as any exception there is
        raise ValueError(f"must be the file of an image, undamaged and one of {', '.join(FORMATS)}") from None
    if len(content) > limits.image_bytes or pixels > limits.image_pixels:
        most = f"{limits.image_bytes:,} bytes and {limits.image_pixels:,} pixels"
        raise PydanticCustomError("image_too_large", "must have {most} at most: scale it", {"most": most})
    return Encoded(content, pixels)


def _vector(numbers: list[float]) -> Tensor:
    if not math.hypot(*numbers) <= torch.finfo(torch.float32).max:
        raise ValueError("its norm is too large for float32: scale it")
    return torch.tensor(numbers, dtype=torch.float32)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank: give null for an item without a caption")
    return text


def _leaving(item: Id) -> Id:
    if isinstance(item, int) and item > 1 << 62:
        raise PydanticCustomError("less_than_equal", "must be 2^62 at most: the others are left to the index")
    return item


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Vector = Annotated[list[Number], Field(max_length=1 << 16), FailFast(), AfterValidator(_vector)]


class Strict(BaseModel):
    """Base of the models of requests: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class AnyQuery(Strict):
    """A query, by exactly one of the keys; a string alone is a text, and a list alone an embedding."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"text": value} if isinstance(value, str) else {"embedding": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one(self) -> "AnyQuery":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"send exactly one of {', '.join(type(self).model_fields)}")
        return self


class Addition(Strict):
    """Base of the items to add: captions, embeddings, ids and images, as many of each as are given."""

    @model_validator(mode="after")
    def _alike(self) -> "Addition":
        given = {name: value for name, value in self if value is not None}
        if "embeddings" not in given and None in given.get("captions", [None]):
            raise ValueError("send captions, which the model embeds, or embeddings")
        if len(set(map(len, given.values()))) > 1:
            counts = ", ".join(f"{len(value)} {name}" for name, value in given.items())
            raise ValueError(f"there are {counts}: send as many of each")
        return self


@final
class Models:
    """The models of requests within limits, with the types of a text and of a query, and the field of several."""

    def __init__(self, limits: Limits, **keys: Any) -> None:
        self._limits = limits
        self.text: Any = Annotated[str, Field(max_length=limits.text_characters)]
        image = Annotated[Base64Bytes, AfterValidator(partial(_encoded, limits=limits))]
        kinds: dict[str, Any] = {"text": self.text, "embedding": Vector, **keys, "image": image}
        fields: Any = {name: (kind, None) for name, kind in kinds.items()}
        self.query: Any = create_model("Query", __base__=AnyQuery, **fields)
        self.queries = self.several(self.query, limits.queries, "Queries of any kinds.")

    def several(self, kind: Any, most: int, about: str, least: int = 1, **default: Any) -> Any:
        """The field of a list."""
        bounds = Field(min_length=least, max_length=most, description=about, **default)
        return Annotated[list_of(kind), FailFast()], bounds

    def search(self, kind: Kind, **query: Any) -> Any:
        """The model of a search for the queries in a field."""
        (name,) = query
        return create_model(f"{kind}_{name}", __base__=Strict, **query, **parameters(kind))

    def addition(self) -> Any:
        """The model of an addition."""
        caption: Any = Annotated[self.text, AfterValidator(_not_blank)]
        parts: dict[str, tuple[Any, str]] = {
            "captions": (caption | None, "One an item; null for none."),
            "embeddings": (Vector, "By default the model embeds the captions."),
            "ids": (
                Annotated[ItemId, AfterValidator(_leaving)],
                "Distinct and new; by default the index numbers items.",
            ),
            "images": (self.text | None, "References to images, kept as they are."),
        }
        most = self._limits.added
        fields: Any = {name: self.several(kind, most, about, default=None) for name, (kind, about) in parts.items()}
        return create_model("Items", __base__=Addition, **fields)


def requests_of(kind: Kind, values: Any, dim: int, limits: Limits) -> list[Request]:
    """The requests in a model of a kind of search, one a query; raises Refused."""
    queries = [values.q] if hasattr(values, "q") else read_queries(values.queries, "queries", dim, limits)
    check_load(limits, queries, kind, values)
    options = {name: getattr(values, name) for name in values.model_fields_set - {"q", "queries"}}
    return [Request(kind, cast(Any, query), **options) for query in queries]


def read_queries(queries: Sequence[AnyQuery], field: str, dim: int, limits: Limits) -> list[Query]:
    """Queries of the list in a field; raises Refused."""
    return [read_query(query, f"{field}[{number}]", dim, limits) for number, query in enumerate(queries)]


def read_query(query: AnyQuery, field: str, dim: int, limits: Limits) -> Query:
    """One query; raises Refused."""
    (name,) = query.model_fields_set
    value = getattr(query, name)
    if name == "embedding":
        check_dimension(value, f"{field}.{name}", dim)
    return Item(value) if name == "item" else cast(Query, value)


def check_dimension(vector: Tensor, field: str, dim: int) -> None:
    """Raise Refused for an embedding (D,) of another dimension."""
    if len(vector) != dim:
        raise Refused(400, f"{field} must have {dim} numbers, not {len(vector):,}.", field)


def check_load(limits: Limits, queries: Sequence[Query], kind: Kind | None = None, values: Any = None) -> None:
    """Raise Refused for queries that ask for too much together: too many hits, or pictures of too many pixels."""
    name, field = ("thresholds", "steps") if kind == "ladder" else ("k", "k")
    hits, most = getattr(values, name, 1), getattr(limits, field)
    if hits > most:
        raise Refused(422, f"{field} must be at most {most:,}, not {hits:,}.", field)
    if len(queries) * hits > limits.hits:
        problem = f"{len(queries)} queries with {field} = {hits:,} ask for more than {limits.hits:,} hits"
        raise Refused(422, f"{problem}: send fewer queries at a time.", field)
    pixels = sum(query.pixels for query in queries if isinstance(query, Encoded))
    if pixels > limits.image_pixels:
        problem = f"the images have {pixels:,} pixels in all and may have {limits.image_pixels:,}"
        raise Refused(413, f"{problem}: scale them, or send fewer at a time.", "queries")
