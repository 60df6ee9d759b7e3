"""What the values of a request must be; each kind reads them from JSON or a query string and describes itself."""

import base64
import binascii
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

import torch

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.locks import HeldError
from hiergeo.datasets.pictures import FORMATS, Counted, open_rgb
from hiergeo.search.serving.limits import LOG, Limits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image

PIECES = 100_000
"""Reads of one image file: one of 8 MiB takes a few thousand."""

FLOAT32 = 3.4028234e38
"""The largest number of float32."""


class Kind(Protocol):
    """Interface of kinds of values."""

    def check(self, value: object, field: str) -> Any:
        """The value as the server uses it, from JSON; raises Refused, which names `field`, where it does not fit."""

    def read(self, written: str, field: str) -> Any:
        """As `check`, from a query string or a form."""

    def schema(self) -> dict[str, Any]:
        """The same as a JSON schema."""


@final
@dataclass(frozen=True)
class Text:
    """A string of Unicode with at most `longest` characters."""

    longest: int

    def check(self, value: object, field: str) -> str:
        if not isinstance(value, str):
            raise misfit(field, value, "a string")
        if len(value) > self.longest:
            raise Refused(422, f"{field} has {len(value):,} characters and may have {self.longest:,}.", field)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused(400, f"{field} holds half of a surrogate pair: send whole characters.", field) from None
        return value

    def read(self, written: str, field: str) -> str:
        return self.check(written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest}


@final
@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int

    def check(self, value: object, field: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise misfit(field, value, f"a whole number from {self.low} to {self.high}")
        return value

    def read(self, written: str, field: str) -> int:
        digits = written.removeprefix("-")
        plain = digits.isascii() and digits.isdigit() and len(digits) < 20
        return self.check(int(written) if plain else written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@final
@dataclass(frozen=True)
class Choice:
    """One of a few names."""

    names: tuple[str, ...]

    def check(self, value: object, field: str) -> str:
        if not isinstance(value, str) or value not in self.names:
            raise misfit(field, value, f"one of {', '.join(self.names)}")
        return value

    def read(self, written: str, field: str) -> str:
        return self.check(written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.names)}


@final
@dataclass(frozen=True)
class Vector:
    """An embedding: `dim` finite numbers, as a float32 tensor (dim,)."""

    dim: int

    def check(self, value: object, field: str) -> torch.Tensor:
        if not isinstance(value, list) or len(value) != self.dim:
            raise misfit(field, value, f"a list of {self.dim} numbers")
        for held in value:
            if isinstance(held, bool) or not isinstance(held, int | float) or not -FLOAT32 <= held <= FLOAT32:
                raise misfit(field, held, "all finite numbers of float32")
        if math.hypot(*value) > FLOAT32:
            raise Refused(400, f"{field} is so long that its norm is no number of float32: scale it.", field)
        return torch.tensor([float(held) for held in value], dtype=torch.float32)

    def read(self, written: str, field: str) -> torch.Tensor:
        raise Refused(400, f"{field} is read from JSON alone: send it in the body of a POST.", field)

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": -FLOAT32, "maximum": FLOAT32}
        return {"type": "array", "items": number, "minItems": self.dim, "maxItems": self.dim}


@final
@dataclass(frozen=True)
class Encoded:
    """An image file of which the header alone has been read.

    Attributes:
        content: its bytes.
        pixels: width times height.
        field: that named it.
    """

    content: bytes
    pixels: int
    field: str


@final
@dataclass(frozen=True)
class Picture:
    """An image file in base64; `decode` makes a picture in mode RGB of it."""

    limits: Limits

    def check(self, value: object, field: str) -> Encoded:
        if not isinstance(value, str):
            raise misfit(field, value, "a string of base64")
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, f"{field} is no base64: encode the bytes of an image file.", field) from None
        return self.header(content, field)

    def read(self, written: str, field: str) -> Encoded:
        return self.check(written, field)

    def header(self, content: bytes, field: str) -> Encoded:
        """The bytes of a file whose size has been checked; raises Refused."""
        if len(content) > self.limits.image_bytes:
            raise Refused(413, f"{field} has {len(content):,} bytes and may have {self.limits.image_bytes:,}.", field)
        with self._opened(content, field) as opened:
            pixels = opened.width * opened.height
            if pixels > self.limits.image_pixels:
                size, most = f"{opened.width} x {opened.height}", f"{self.limits.image_pixels:,}"
                raise Refused(413, f"{field} has {size} pixels and may have {most}: scale it.", field)
        return Encoded(content, pixels, field)

    def decode(self, image: Encoded) -> "Image":
        """The picture in a file; nothing of it is stored. Raises Refused."""
        with self._opened(image.content, image.field) as opened:
            return open_rgb(opened)

    @contextmanager
    def _opened(self, content: bytes, field: str) -> "Iterator[Image]":
        """The picture in the bytes of a file within the block, whose errors become refusals."""
        from PIL import Image

        try:
            file = Counted(io.BytesIO(content), PIECES)
            with quiet(), file, Image.open(file, formats=FORMATS) as opened:
                yield opened
        except Refused:
            raise
        except InputError as error:
            raise Refused(400, f"{field}: {error}", field) from error
        except Exception as error:  # damage surfaces in Pillow's decoders as any exception there is
            told = f"{field} cannot be read as an image: it is damaged or none of {', '.join(FORMATS)}."
            raise Refused(400, told, field) from error

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64", "description": f"One of {', '.join(FORMATS)}."}


@final
@dataclass(frozen=True)
class Maybe:
    """Null, or a value of another kind."""

    kind: Kind

    def check(self, value: object, field: str) -> Any:
        return None if value is None else self.kind.check(value, field)

    def read(self, written: str, field: str) -> Any:
        return self.kind.read(written, field)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}


@final
@dataclass(frozen=True)
class Several:
    """A list of `least` to `most` values of another kind."""

    kind: Kind
    most: int
    least: int = 1

    def check(self, value: object, field: str) -> list[Any]:
        if not isinstance(value, list):
            raise misfit(field, value, "a list")
        if not self.least <= len(value) <= self.most:
            raise Refused(422, f"{field} has {len(value):,} entries: send {self.least} to {self.most:,}.", field)
        return [self.kind.check(held, f"{field}[{place}]") for place, held in enumerate(value)]

    def read(self, written: str, field: str) -> list[Any]:
        raise Refused(400, f"{field} is read from JSON alone: send it in the body of a POST.", field)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.kind.schema(), "minItems": self.least, "maxItems": self.most}


@final
@dataclass(frozen=True)
class Parameter:
    """One named value of a request.

    Attributes:
        name: as requests spell it.
        kind: of its value.
        about: one sentence for the document of the interface.
        default: of a request that leaves it out.
        required: whether none may leave it out.
    """

    name: str
    kind: Kind
    about: str
    default: Any = None
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """Its JSON schema with the default."""
        return self.kind.schema() | ({} if self.default is None else {"default": self.default})


def taken(parameters: Sequence[Parameter], values: dict[str, Any], *, written: bool = False) -> dict[str, Any]:
    """The values of parameters by name, defaults included; `written` ones are strings of a query string or a form.

    Raises:
        Refused: one is unknown, missing or does not fit.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in values:
        if name not in known:
            raise Refused(400, f"there is no parameter {name[:60]!r} here (known: {', '.join(known)}).", name[:60])
    found: dict[str, Any] = {}
    for name, parameter in known.items():
        if name in values:
            kind = parameter.kind
            found[name] = kind.read(values[name], name) if written else kind.check(values[name], name)
        elif parameter.required:
            raise Refused(400, f"{name} is missing: {parameter.about[0].lower()}{parameter.about[1:]}", name)
        else:
            found[name] = parameter.default
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out the warnings of a decoder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def misfit(field: str, value: object, wanted: str) -> Refused:
    """The refusal of a value that is something else than wanted."""
    if isinstance(value, float) and not math.isfinite(value):
        shown = "NaN or Inf"
    elif isinstance(value, str | int | float | bool | None):
        shown = repr(value[:40] if isinstance(value, str) else value)[:60]
    else:
        shown = f"a list of {len(value)}" if isinstance(value, list) else f"of type {type(value).__name__}"
    return Refused(400, f"{field} must be {wanted}, not {shown}.", field)


def refusal_of(error: HiergeoError) -> Refused:
    """An error of the package as the refusal of a request."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InputError):
        return Refused(400, str(error))
    LOG.error("a request cannot be answered: %s", error)
    if isinstance(error, HeldError):
        return Refused(503, "somebody else writes to the index: try again.", retry_after=1)
    return Refused(503, "something that the server needs is away, its log says what: try again.", retry_after=5)
