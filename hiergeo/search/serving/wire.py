"""What arrives over HTTP: queries of any kind, questions about them, and items to add."""

import base64
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, final

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import FORMATS, CountedReads, open_rgb
from hiergeo.search.queries import Item
from hiergeo.search.requests import Kind, Request, Whole, parameters
from hiergeo.search.serving.answer_schemas import list_of
from hiergeo.search.serving.limits import Limits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image

PIECES = 100_000
"""Reads of one image file: one of 8 MiB takes a few thousand."""


@final
@dataclass(frozen=True, eq=False)
class Encoded:
    """An image file of which the header alone has been read.

    Attributes:
        content: of the file.
        pixels: width times height.
        field: that named it.
    """

    content: bytes
    pixels: int
    field: str

    @property
    def image(self) -> ImageRef:
        """The image, decoded each time that it is opened, and not kept. Opening it raises Refused."""
        return ImageRef(0, self._decoded)

    def _decoded(self) -> "Image":
        with _opened(self.content, self.field) as opened:
            return open_rgb(opened)


def read_header(content: bytes, field: str, limits: Limits) -> Encoded:
    """The image file in bytes whose number has been checked; raises Refused."""
    with _opened(content, field) as opened:
        pixels = opened.width * opened.height
        if pixels > limits.image_pixels:
            size, most = f"{opened.width} x {opened.height}", f"{limits.image_pixels:,}"
            raise Refused(413, f"{field} has {size} pixels and may have {most}: scale it.", field)
    return Encoded(content, pixels, field)


@contextmanager
def _opened(content: bytes, field: str) -> "Iterator[Image]":
    """The picture in the bytes of a file within the block, whose errors become refusals."""
    from PIL import Image

    try:
        file = CountedReads(io.BytesIO(content), PIECES)
        with warnings.catch_warnings(), file:
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as opened:
                yield opened
    except Refused:
        raise
    except InputError as error:
        raise Refused(400, f"{field}: {error}", field) from error
    except Exception as error:  # damage surfaces in Pillow's decoders as any exception there is
        message = f"{field} cannot be read as an image: it is damaged or not one of {', '.join(FORMATS)}."
        raise Refused(400, message, field) from error


Query: TypeAlias = str | Tensor | Item | Encoded
"""A text, an embedding (D,), an item of the index or an image file; a text is never a path."""

FLOAT32 = 3.4028234e38
"""The largest number of float32."""

IDS = 1 << 62
"""The largest id that a request may choose: as many again are left for items that the index numbers."""

DIMENSIONS = 1 << 16
"""Of an embedding."""


def _short(numbers: list[float]) -> list[float]:
    if math.hypot(*numbers) > FLOAT32:
        raise ValueError("its norm is too large for float32: scale it")
    return numbers


def _from_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-FLOAT32, le=FLOAT32)]
"""A finite number of float32."""

Vector = Annotated[list[Number], Field(max_length=DIMENSIONS), FailFast(), AfterValidator(_short)]
"""An embedding."""


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

    @property
    def given(self) -> tuple[str, Any]:
        """The key and its value."""
        (name,) = self.model_fields_set
        return name, getattr(self, name)


@final
@dataclass(frozen=True, eq=False)
class Addition:
    """Items to add: captions, embeddings (N, D), or both, ids (N,) int64, and references of their images; or None."""

    captions: list[str | None] | None
    embeddings: Tensor | None
    ids: Tensor | None
    images: list[str | None] | None


@final
class Models:
    """The models of requests within limits, whose fields are given as `pydantic.create_model` takes them.

    Attributes:
        text: the type of a text.
        query: the type of a query of any kind.
        queries: the field of several.
    """

    def __init__(self, limits: Limits, **keys: Any) -> None:
        self._limits = limits
        self.text: Any = Annotated[str, Field(max_length=limits.text_characters)]
        encoded = WithJsonSchema({"type": "string", "contentEncoding": "base64"})
        image = Annotated[bytes, Field(max_length=limits.image_bytes), BeforeValidator(_from_base64), encoded]
        kinds = {"text": self.text, "embedding": Vector, **keys, "image": image}
        self.query: Any = create_model(
            "Query", __base__=AnyQuery, **cast(Any, {name: (kind, None) for name, kind in kinds.items()})
        )
        self.queries = self.several(self.query, limits.queries, "Queries of any kinds.")

    def several(self, kind: Any, most: int, about: str, least: int = 1) -> Any:
        """The field of a list that must be given."""
        return Annotated[list_of(kind), FailFast()], Field(min_length=least, max_length=most, description=about)

    def one(self, kind: Kind) -> Any:
        """The model of a search for one text."""
        return create_model(
            f"{kind}_q", __base__=Strict, q=(self.text, Field(description="The query, a text.")), **parameters(kind)
        )

    def many(self, kind: Kind) -> Any:
        """The model of a search for several queries."""
        return create_model(f"{kind}_queries", __base__=Strict, queries=self.queries, **parameters(kind))

    def addition(self) -> Any:
        """The model of an addition."""
        parts = {
            "captions": (self.text | None, "One an item; null for items without."),
            "embeddings": (Vector, "By default the model embeds the captions."),
            "ids": (Annotated[Whole, Field(ge=0, le=IDS)], "Distinct and new; by default the index numbers items."),
            "images": (self.text | None, "References to images, kept as they are."),
        }
        fields: dict[str, Any] = {
            name: (
                Annotated[list_of(kind), FailFast()],
                Field(None, min_length=1, max_length=self._limits.added, description=about),
            )
            for name, (kind, about) in parts.items()
        }
        return create_model("Addition", __base__=Strict, **fields)


def requests_of(kind: Kind, values: Any, dim: int, limits: Limits) -> list[Request]:
    """The requests in a model of a kind of search, one a query; raises Refused."""
    queries = [values.q] if hasattr(values, "q") else read_queries(values.queries, "queries", dim, limits)
    check_load(limits, queries, kind, values)
    options = {name: getattr(values, name) for name in values.model_fields_set - {"q", "queries"}}
    return [Request(kind, cast(Any, query), **options) for query in queries]


def read_queries(queries: Sequence[AnyQuery], field: str, dim: int, limits: Limits) -> list[Query]:
    """Queries of the list in a field; raises Refused."""
    return [read_query(each, f"{field}[{place}]", dim, limits) for place, each in enumerate(queries)]


def read_query(query: AnyQuery, field: str, dim: int, limits: Limits) -> Query:
    """One query; raises Refused."""
    name, value = query.given
    if name == "embedding":
        return vector(value, f"{field}.{name}", dim)
    if name == "image":
        return read_header(value, f"{field}.{name}", limits)
    return Item(value) if name == "item" else cast(str, value)


def vector(numbers: Sequence[float], field: str, dim: int) -> Tensor:
    """An embedding (dim,) in float32; raises Refused for another dimension."""
    if len(numbers) != dim:
        raise Refused(400, f"{field} must have {dim} numbers, not {len(numbers):,}.", field)
    return torch.tensor(numbers, dtype=torch.float32)


def addition_of(values: Any, dim: int) -> Addition:
    """The items in a model of an addition; raises Refused."""
    captions, embeddings = values.captions, values.embeddings
    if embeddings is None and (captions is None or None in captions):
        raise Refused(400, "send captions, which the model embeds, or embeddings.", "captions")
    lengths = {name: len(value) for name, value in values if value is not None}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise Refused(400, f"there are {counts}: send as many of each.", next(iter(lengths)))
    if embeddings is not None:
        embeddings = torch.stack([vector(each, f"embeddings[{row}]", dim) for row, each in enumerate(embeddings)])
    ids = None if values.ids is None else torch.tensor(values.ids, dtype=torch.int64)
    return Addition(captions, embeddings, ids, values.images)


def check_load(limits: Limits, queries: Sequence[Query], kind: Kind | None = None, values: Any = None) -> None:
    """Raise Refused for queries that ask for too much together: too many hits, or pictures of too many pixels."""
    name, field = ("thresholds", "steps") if kind == "ladder" else ("k", "k")
    each = getattr(values, name, 1)
    if each > getattr(limits, field):
        raise Refused(422, f"{field} = {each:,} is more than {getattr(limits, field):,}: ask for less.", field)
    if len(queries) * each > limits.hits:
        problem = f"{len(queries)} queries with {field} = {each:,} ask for more than {limits.hits:,} hits"
        raise Refused(422, f"{problem}: send fewer queries at a time.", field)
    pixels = sum(query.pixels for query in queries if isinstance(query, Encoded))
    if pixels > limits.image_pixels:
        problem = f"the images have {pixels:,} pixels in all and may have {limits.image_pixels:,}"
        raise Refused(413, f"{problem}: scale them, or send fewer at a time.", "queries")
