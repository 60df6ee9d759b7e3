"""What can be asked over HTTP: the parameters of each verb, and requests read into questions and additions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast, final
from urllib.parse import parse_qsl

import torch
from torch import Tensor

from hiergeo._core.storage.documents import parse_json
from hiergeo.geometry.space import By
from hiergeo.search.queries import Item
from hiergeo.search.requests import Kind as Verb
from hiergeo.search.serving.limits import Limits, Refused
from hiergeo.search.serving.values import (
    Choice,
    Encoded,
    Kind,
    Maybe,
    Parameter,
    Picture,
    Several,
    Text,
    Vector,
    Whole,
    misfit,
    taken,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Query: TypeAlias = Union[str, Tensor, Item, "Image"]
"""A text, an embedding (D,), an item of the index or a picture; a text is never a path."""

Given: TypeAlias = str | Tensor | Item | Encoded
"""A query whose picture is not decoded yet."""

IDS = 1 << 62
"""The largest id that a request may choose: as many again are left for items that the index numbers."""

DIGITS = 1000
"""Of a whole number in JSON, so that one that is too large is refused by the field that it stands in."""

JSON, FORM = "application/json", "multipart/form-data"


@final
@dataclass(frozen=True, eq=False)
class Question:
    """One request for answers.

    Attributes:
        verb: what is asked.
        queries: of which each gets an answer.
        k: hits of each; of children, parents and neighbours.
        by: how they are ordered; of children and parents.
        geometry: spec of the geometry; None is that of the index.
        steps: thresholds of a ladder.
    """

    verb: Verb
    queries: tuple[Query, ...]
    k: int = 10
    by: By = "margin"
    geometry: str | None = None
    steps: int = 50

    @property
    def pixels(self) -> int:
        """Of all its pictures."""
        return sum(each.width * each.height for each in self.queries if not isinstance(each, str | Tensor | Item))


@final
@dataclass(frozen=True, eq=False)
class Addition:
    """Items to add: captions, embeddings (N, D), or both, and references of their images.

    Attributes:
        captions: one an item; None for items without.
        embeddings: None for captions that the model of the index embeds.
        ids: (N,) int64; None lets the index number them.
        images: references, one an item; None for items without.
    """

    captions: list[str | None] | None
    embeddings: Tensor | None
    ids: Tensor | None
    images: list[str | None] | None

    def __len__(self) -> int:
        held = self.captions if self.embeddings is None else self.embeddings
        return len(held or ())


@final
@dataclass(frozen=True)
class QueryKind:
    """A query in JSON: a string, a list of numbers, or an object with one of several keys.

    Attributes:
        kinds: of the values by key; ``text`` and ``embedding`` are among them.
    """

    kinds: Mapping[str, Kind]

    def check(self, value: object, field: str) -> Given:
        if isinstance(value, str):
            return cast(Given, self.kinds["text"].check(value, field))
        if isinstance(value, list):
            return cast(Given, self.kinds["embedding"].check(value, field))
        if not isinstance(value, dict):
            raise misfit(field, value, "a text, a list of numbers, or an object")
        if len(value) != 1 or next(iter(value)) not in self.kinds:
            raise Refused(400, f"{field} must have exactly one of the keys {', '.join(self.kinds)}.", field)
        name, held = next(iter(value.items()))
        return cast(Given, self.kinds[name].check(held, f"{field}.{name}"))

    def read(self, written: str, field: str) -> Given:
        return cast(Given, self.kinds["text"].read(written, field))

    def schema(self) -> dict[str, Any]:
        objects = [
            {
                "type": "object",
                "properties": {name: kind.schema()},
                "required": [name],
                "additionalProperties": False,
            }
            for name, kind in self.kinds.items()
        ]
        return {"anyOf": [self.kinds["text"].schema(), self.kinds["embedding"].schema(), *objects]}


@final
class Requests:
    """The parameters of requests to one index.

    Args:
        limits: of requests.
        dim: of embeddings.
    """

    def __init__(self, limits: Limits, dim: int) -> None:
        self.limits, self.dim = limits, dim
        self.text, self.image = Text(limits.text_characters), Picture(limits)
        query = QueryKind({"text": self.text, "embedding": Vector(dim), "image": self.image})
        self.q = Parameter("q", self.text, "The query, a text.", required=True)
        self.queries = Parameter("queries", Several(query, limits.queries), "Queries of any kinds.", required=True)
        best = Parameter("k", Whole(1, limits.k), "Hits of one query.", default=10)
        names = ("margin", "angle", "distance")
        by = Parameter("by", Choice(names), "How hits are ordered: margin, largest first; others, smallest first.")
        by = Parameter(by.name, by.kind, by.about, default="margin")
        geometry = Parameter(
            "geometry", Maybe(Text(1024)), "Spec of a geometry around the root of the index; by default its own."
        )
        steps = Parameter("steps", Whole(1, limits.steps), "Thresholds of radius.", default=50)
        self.settings: dict[Verb, tuple[Parameter, ...]] = {
            "children": (best, by, geometry),
            "parents": (best, by, geometry),
            "neighbours": (best, geometry),
            "ladder": (steps, geometry),
            "count": (geometry,),
        }
        items = limits.added
        self.addition = (
            Parameter("captions", Several(Maybe(self.text), items), "One an item; null for items without."),
            Parameter("embeddings", Several(Vector(dim), items), "By default the model embeds the captions."),
            Parameter("ids", Several(Whole(0, IDS), items), "Distinct and new; by default the index numbers items."),
            Parameter("images", Several(Maybe(self.text), items), "References to images, kept as they are."),
        )

    def of_query_string(self, verb: Verb, content: bytes) -> Question:
        """The question of a GET; raises Refused."""
        found = taken((self.q, *self.settings[verb]), query_values(content), written=True)
        return self._question(verb, [found.pop("q")], found)

    def of_body(self, verb: Verb, kind: str, content: bytes) -> Question:
        """The question of a POST, JSON or a form with one image; raises Refused."""
        media = kind.partition(";")[0].strip().lower()
        if media == FORM:
            image, written = read_form(self.image, kind, content)
            return self._question(verb, [image], taken(self.settings[verb], written, written=True))
        if media != JSON:
            raise Refused(415, f"the body must be {JSON}, or {FORM} with an image: set Content-Type.")
        found = taken((self.queries, *self.settings[verb]), read_object(content))
        return self._question(verb, found.pop("queries"), found)

    def of_addition(self, kind: str, content: bytes) -> Addition:
        """The items of a POST to /api/add; raises Refused."""
        if kind.partition(";")[0].strip().lower() != JSON:
            raise Refused(415, f"the body must be {JSON}: set Content-Type.")
        found = taken(self.addition, read_object(content))
        captions, embeddings, ids = found["captions"], found["embeddings"], found["ids"]
        if embeddings is None and (captions is None or None in captions):
            raise Refused(400, "send captions, which the model embeds, or embeddings.", "captions")
        lengths = {name: len(value) for name, value in found.items() if value is not None}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{count} {name}" for name, count in lengths.items())
            raise Refused(400, f"there are {told}: send as many of each.", next(iter(lengths)))
        return Addition(
            captions,
            None if embeddings is None else torch.stack(embeddings),
            None if ids is None else torch.tensor(ids, dtype=torch.int64),
            found["images"],
        )

    def _question(self, verb: Verb, given: list[Given], settings: dict[str, Any]) -> Question:
        name = "steps" if verb == "ladder" else "k"
        check_load(self.limits, given, name, settings.get(name, 1))
        queries = (self.image.decode(each) if isinstance(each, Encoded) else each for each in given)
        return Question(verb, tuple(queries), **settings)


def check_load(limits: Limits, given: Sequence[Given], name: str, each: int) -> None:
    """Raise Refused for queries that ask for too much together: too many hits, or pictures of too many pixels.

    Args:
        limits: of requests.
        given: the queries.
        name: the parameter that says how many hits one of them asks for.
        each: its value.
    """
    if len(given) * each > limits.hits:
        told = f"{len(given)} queries with {name} = {each:,} ask for more than {limits.hits:,} hits"
        raise Refused(422, f"{told}: send fewer queries at a time.", name)
    pixels = sum(each.pixels for each in given if isinstance(each, Encoded))
    if pixels > limits.image_pixels:
        told = f"the images have {pixels:,} pixels in all and may have {limits.image_pixels:,}"
        raise Refused(413, f"{told}: scale them, or send fewer at a time.", "queries")


def query_values(content: bytes) -> dict[str, str]:
    """The values of a query string by name; raises Refused."""
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content), errors="strict"
        )
    except ValueError:
        raise Refused(400, "the query string is no UTF-8 in percent-encoding: write name=value&...") from None
    return _once(pairs)


def read_form(picture: Picture, kind: str, content: bytes) -> tuple[Encoded, dict[str, str]]:
    """The image of a form, and its other parts; raises Refused.

    Args:
        picture: what the image must be.
        kind: the header Content-Type.
        content: the body.
    """
    image = None
    written: list[tuple[str, str]] = []
    for name, part in form_parts(kind, content):
        if name != "image":
            try:
                written.append((name, part.decode()))
            except UnicodeDecodeError:
                raise Refused(400, f"the part {name[:60]!r} is no UTF-8.", name[:60]) from None
        elif image is not None:
            raise Refused(400, "the form has two images: send several in JSON.", "image")
        else:
            image = picture.header(part, "image")
    if image is None:
        raise Refused(400, "the form has no part 'image': send the file of one.", "image")
    return image, _once(written)


def read_object(content: bytes) -> dict[str, Any]:
    """The object of a JSON body; raises Refused."""
    try:
        value = parse_json(content, digits=DIGITS)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {str(error).rstrip('.')}.") from None
    if not isinstance(value, dict):
        raise misfit("the body", value, "an object")
    return value


def form_parts(kind: str, content: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of the parts of multipart/form-data (RFC 7578); raises Refused.

    Args:
        kind: the header Content-Type, which names the boundary.
        content: the body.
    """
    boundary = _parameter(kind, "boundary")
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise Refused(400, f"the Content-Type {FORM} must name a boundary of at most 70 characters.")
    pieces = (b"\r\n" + content).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused(400, "the form is cut short: its last boundary is missing.")
    if len(pieces) > 16:
        raise Refused(400, f"the form has {len(pieces) - 2} parts: send an image and its parameters.")
    parts = []
    for piece in pieces[1:-1]:
        head, separator, body = piece.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        held = [line.partition(":")[2] for line in lines if line.lower().startswith("content-disposition:")]
        name = _parameter(held[0].strip(), "name") if len(held) == 1 else None
        if not separator or name is None:
            raise Refused(400, "a part of the form has no name: write Content-Disposition: form-data; name=...")
        parts.append((name, body))
    return parts


def _parameter(header: str, name: str) -> str | None:
    message = Message()
    try:
        message["Content-Type"] = header
        value = message.get_param(name)
    except Exception:  # the parser of headers fails in ways of its own on what is none
        return None
    return value if isinstance(value, str) else None


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    held: dict[str, str] = {}
    for name, value in pairs:
        if name in held:
            raise Refused(400, f"the parameter {name[:60]!r} is there twice.", name[:60])
        held[name] = value
    return held


VERBS: Mapping[Verb, str] = {
    "children": "The items that a query entails most: what is more specific.",
    "parents": "The items that entail a query most: what is more general.",
    "neighbours": "The items nearest to a query by geodesic distance.",
    "ladder": "From general to specific: the nearest item within each of ascending radii.",
    "count": "How many items a query entails.",
}
"""What can be asked, and one sentence about each."""
