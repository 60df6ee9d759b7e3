"""A question to an index: one model, of which Python, the command line, HTTP, the client and the explorer are made.

A new option of searches is a field of `Request` here, and what it does in `hiergeo.search.groups`; the command line
names it in `hiergeo.cli.search`.
"""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, cast, final, get_args

import numpy as np
import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from torch import Tensor
from typing_extensions import Self

from hiergeo._core import limits
from hiergeo._core.errors import InputError, sentence
from hiergeo.geometry import Space
from hiergeo.geometry.space import By, Side
from hiergeo.search.answers import Answer, Climb
from hiergeo.search.ids import ItemId
from hiergeo.search.queries import Query, is_dense, tensor_kind
from hiergeo.search.store import Store

Kind = Literal["children", "parents", "neighbours", "ladder", "count"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIDES: tuple[Kind, ...] = get_args(Side)
HITS: tuple[Kind, ...] = (*SIDES, "neighbours")

MOST_HITS, MOST_EXCLUDED, SPEC_CHARACTERS = 1024, 10_000, 1024


@final
@dataclass(frozen=True)
class On:
    """The kinds of search that a field of a request says something of, and whether HTTP has none of it."""

    kinds: tuple[Kind, ...] = KINDS
    local: bool = False


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return operator.index(value) if hasattr(value, "__index__") else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number, of numpy too, which a query string may spell."""


def _space(value: Any) -> Any:
    if not isinstance(value, Space | str | None) or len(str(value)) > SPEC_CHARACTERS:
        raise ValueError("must be the spec of a geometry, such as 'lorentz:-1'")
    return value


def _store(value: Any) -> Any:
    if not isinstance(value, Store | str | None):
        raise ValueError("must be a Store or the spec of one")
    return value


def _thresholds(value: Any) -> Any:
    if isinstance(value, Tensor):
        if not is_dense(value) or value.ndim != 1 or not len(value) or value.is_complex():
            raise ValueError(f"must be one row of numbers (T,), not {tensor_kind(value)}")
        radii = value.double()
        if not bool(torch.isfinite(radii).all()) or bool((radii.diff() < 0).any()):
            raise ValueError("must be finite and ascend")
        return value
    try:
        count = int(_whole(value))
    except (TypeError, ValueError):
        count = 0
    if count < 1 or count != float(value):
        raise ValueError(f"must be a whole number from 1 to {limits.PROTOCOL_STEPS:,}, or radii")
    if count > limits.PROTOCOL_STEPS:
        raise PydanticCustomError("less_than_equal", "must be {most} at most", {"most": limits.PROTOCOL_STEPS})
    return count


SPEC = WithJsonSchema({"anyOf": [{"type": "string", "maxLength": SPEC_CHARACTERS}, {"type": "null"}]})
COUNT = WithJsonSchema({"type": "integer", "minimum": 1, "maximum": limits.PROTOCOL_STEPS})


Queries: TypeAlias = Union[Query, "np.ndarray[Any, Any]", Sequence[Query]]
"""One query, or several: a list of queries, or embeddings (Q, D)."""


@final
class Request(BaseModel):
    """One question to an index; `Index.search` answers a list of them in one pass.

    Raises:
        InputError: an option that is unknown, out of range, or says nothing of this kind of search.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
        loc_by_alias=False,
        use_attribute_docstrings=True,
    )

    kind: Annotated[Kind, On(local=True)]
    """Children and parents: the k items that the query comes nearest to entailing, or being entailed by; neighbours:
    the k nearest; ladder: the nearest item within each threshold of radius; count: how many items it entails."""
    query: Annotated[Any, On(local=True)]
    """A text, an image (path or picture), an embedding (D,) or an item of the index."""
    k: Annotated[int, On(HITS), Field(ge=1, le=MOST_HITS), BeforeValidator(_whole)] = 10
    """Hits of one query; fewer where the index holds fewer."""
    by: Annotated[By, On(SIDES)] = "margin"
    """How children and parents are ordered: by margin the largest first, by angle or distance the smallest."""
    distinct: Annotated[bool, On(HITS)] = True
    """Whether only the best counts of items with one caption."""
    space: Annotated[Space | str | None, On(), PlainValidator(_space), SPEC, Field(alias="geometry")] = None
    """Spec of a geometry around the root of the index, or in Python another space of its frame; by default its own."""
    thresholds: Annotated[int | Tensor, On(("ladder",)), PlainValidator(_thresholds), COUNT, Field(alias="steps")] = 50
    """How many thresholds of radius, spread evenly over the index; or in Python (T,) ascending, geodesic units."""
    low: Annotated[float, On()] = 0.0
    """Items of a smaller radius are left out, geodesic units."""
    high: Annotated[float, On(), Field(default_factory=lambda: math.inf)]
    """Items of a larger radius are left out."""
    within: Annotated[float | None, On(("count",)), Field(ge=0)] = None
    """Count the items within this geodesic distance, not those in the cone."""
    min_radius: Annotated[float | None, On((*SIDES, "count")), Field(gt=0, allow_inf_nan=False)] = None
    """Scale of the cones; by default that of the space."""
    store: Annotated[Store | str | None, On((*HITS, "ladder"), local=True), PlainValidator(_store), SPEC] = None
    """Search through a store that holds the items, or the store of this spec; by default the index is scanned."""
    strict: Annotated[bool, On(SIDES)] = False
    """Whether all children have a larger radius than the query, and all parents a smaller one."""
    exclude: Annotated[tuple[ItemId, ...], On(), Field(max_length=MOST_EXCLUDED)] = ()
    """Ids of items that are left out; those that the index does not hold change nothing."""
    without: Annotated[frozenset[str], On(HITS, local=True)] = frozenset()
    """Captions whose items are left out."""

    def __init__(
        self,
        kind: Kind,
        query: Query,
        k: int | None = None,
        thresholds: int | Tensor | None = None,
        **options: Any,
    ) -> None:
        numbers = {name: value for name, value in (("k", k), ("thresholds", thresholds)) if value is not None}
        try:
            super().__init__(kind=kind, query=query, **numbers, **options)
        except ValidationError as error:
            raise InputError(sentence(error, "the request")) from None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for name in self.model_fields_set:
            kinds = on(type(self).model_fields[name]).kinds
            if self.kind not in kinds:
                raise ValueError(f"{name} does not apply to {self.kind}: leave it out, or ask for {' or '.join(kinds)}")
        if not self.low <= self.high:
            raise ValueError(f"the range of radii from {self.low:g} to {self.high:g} is empty: low must be <= high")
        if self.within is not None and self.min_radius is not None:
            raise ValueError("within counts by distance and min_radius scales cones: give one of them")
        return self

    @property
    def group(self) -> Hashable:
        """Requests of one group are answered by one task of a sweep."""
        shared = (_key(value) for name, value in self if name not in PER_QUERY)
        return *shared, self.within is None

    @property
    def whole(self) -> bool:
        """Whether the search looks at every item."""
        return self.low <= 0 and self.high == math.inf and not (self.exclude or self.without)

    def sent(self) -> dict[str, Any]:
        """What was set beside kind and query, in JSON; raises InputError for a `Space`, a `Store` or thresholds."""
        values: dict[str, Any] = {}
        for name in self.model_fields_set - {"kind", "query"}:
            info, value = type(self).model_fields[name], getattr(self, name)
            if on(info).local or isinstance(value, Space | Tensor):
                raise InputError(f"{name} cannot be sent to a server as {type(value).__name__}.")
            values[info.alias or name] = value
        return values


PER_QUERY = frozenset({"query", "k", "within", "distinct", "strict"})
"""Fields in which requests of one group may differ; a strict one has become a range of radii before."""


def _key(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return tuple(value.tolist())
    return id(value) if isinstance(value, Space | Store) else value


def on(info: FieldInfo) -> On:
    """What a field of a request concerns."""
    return next(note for note in info.metadata if isinstance(note, On))


def fitting(kind: Kind, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options that say something of a kind of search."""
    return {name: value for name, value in options.items() if kind in on(Request.model_fields[name]).kinds}


def parameters(kind: Kind) -> dict[str, Any]:
    """The fields of a request of a kind that others may set than Python, as `pydantic.create_model` takes them."""
    fields = Request.model_fields.items()
    return {name: (info.annotation, info) for name, info in fields if kind in on(info).kinds and not on(info).local}


class Searcher(ABC):
    """Who answers requests: an index, or the client of a server that holds one.

    Methods take one query and give one answer, or several (a list, or a tensor (Q, D)) and give a list of answers from
    one pass over the index.
    """

    @abstractmethod
    def _search(self, kind: Kind, query: Queries, **options: Any) -> Any:
        """The answer to a query, or to each of several."""

    def children(self, query: Queries, k: int = 10, **options: Any) -> Answer | list[Answer]:
        """The k items that the query comes nearest to entailing; it entails those whose margin is >= 0.

        Args:
            query: one or several.
            k: 1 <= k <= 1024; fewer hits where the index holds fewer.
            **options: by, distinct, space, low, high, min_radius, store, strict, exclude; see `Request`.

        Raises:
            InputError: an empty index, a query that it cannot take, an option that is unknown or out of range.
        """
        return self._search("children", query, k=k, **options)

    def parents(self, query: Queries, k: int = 10, **options: Any) -> Answer | list[Answer]:
        """The k items that come nearest to entailing the query; arguments as for `children`."""
        return self._search("parents", query, k=k, **options)

    def neighbours(self, query: Queries, k: int = 10, **options: Any) -> Answer | list[Answer]:
        """The k nearest items by geodesic distance; options are distinct, space, low, high, store, exclude."""
        return self._search("neighbours", query, k=k, **options)

    def ladder(self, query: Queries, thresholds: int | Tensor | None = None, **options: Any) -> Climb | list[Climb]:
        """From general to specific: for each threshold the nearest item whose radius is within it.

        Args:
            query: one or several.
            thresholds: (T,) ascending, geodesic units; or how many (50, also as `steps`), spread evenly from the
                smallest to the largest radius of the index.
            **options: space, low, high, store, exclude, as for `children`.
        """
        return self._search("ladder", query, thresholds=thresholds, **options)

    def count(self, query: Queries, **options: Any) -> int | list[int]:
        """How many items the query entails: those within its cone, or within a geodesic distance.

        Args:
            query: one or several.
            **options: within, space, min_radius, low, high, exclude, as for `Request`.
        """
        return self._search("count", query, **options)


def queries_of(query: Queries) -> tuple[list[Query], bool]:
    """The queries, and whether they are several."""
    several = query.ndim == 2 if isinstance(query, Tensor | np.ndarray) else isinstance(query, list | tuple)
    queries = list(cast(Sequence[Query], query)) if several else [cast(Query, query)]
    if not queries:
        raise InputError("there is no query: give at least one.")
    return queries, several
