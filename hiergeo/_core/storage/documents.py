"""JSON documents: what they must hold, declared as types, and files that hold them; TOML tables."""

import difflib
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason, sentence
from hiergeo._core.storage.files import atomic_write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""The ``__pydantic_config__`` of a dataclass that is a document: known keys alone, finite numbers."""


class Document(BaseModel):
    """Base of documents that hold what they declare and nothing else."""

    model_config = STRICT


class Foreign(BaseModel):
    """Base of documents of others, whose other keys are passed over."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Raising(BaseModel):
    """Base of plans and their parts, which raise `InputError` where Python makes one of what it cannot be of."""

    if not TYPE_CHECKING:  # type checkers see the signature that pydantic makes

        def __init__(self, /, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise InputError(_suggesting(type(self), error)) from None

        __init__.__pydantic_base_init__ = True  # so that reading a file does without it, and keeps its own errors


def _finite(value: Any) -> Any:
    json.dumps(value, allow_nan=False)
    return value


Json = Annotated[Any, AfterValidator(_finite)]  # any value of JSON whose numbers are finite

AnyFloat = Annotated[float, Field(allow_inf_nan=True)]  # a number, NaN and the infinities included

Int64 = Annotated[int, Field(ge=-(1 << 63), le=(1 << 63) - 1)]
Count = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
Positive = Annotated[int, Field(ge=1, le=(1 << 63) - 1)]


class Open(BaseModel):
    """Base of documents that may hold other keys beside those that they declare, which are kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, Json] = Field(init=False)

    def as_dict(self) -> dict[str, Any]:
        """The JSON values that it was made of."""
        return self.model_dump(exclude_unset=True)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # hexadecimal digits of a hash


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def validated(kind: type[T], values: object) -> T:
    """Values of JSON or TOML as an object of the type that declares what they must be; no type is converted.

    The type is one that pydantic knows: a dataclass with `STRICT`, a `Document`, a dictionary, a list; for a tuple in
    it stands a list. ValueError, a sentence that names the first field, for values that do not fit.
    """
    adapter: TypeAdapter[T] = _adapter(kind)
    try:
        return adapter.validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise ValueError(_suggesting(kind, error)) from error


def _suggesting(kind: type[Any], error: ValidationError) -> str:
    """The sentence of an error; for a name that is not known it suggests the nearest one."""
    first, message = error.errors()[0], sentence(error)
    if first["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return message
    schema = _adapter(kind).json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    names = {name for part in parts for name in part.get("properties", {})}
    near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1, cutoff=0.5)
    return f"{message.rstrip('.')}: did you mean '{near[0]}'?" if near else message


HASH = "content_sha256"  # the key that holds the hash of all others


def write(path: Path | str, values: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Write JSON values and the hash of their content to `path`, whole or not at all.

    An indent of None writes a single line, for what is long and often written.
    """
    atomic_write_text(path, signed(values, indent))


def signed(values: Mapping[str, Any], indent: int | None = 2) -> str:
    """The text of an object that carries the hash of its content as its last key."""
    document = json.loads(json.dumps(dict(values)))
    return json.dumps({**document, HASH: content_sha256(document)}, indent=indent) + "\n"


def content_sha256(values: Mapping[str, Any]) -> str:
    """SHA-256 over the keys and values of an object, whatever their order and spacing; the hash itself is left out."""
    content = {name: value for name, value in values.items() if name != HASH}
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read(path: Path | str, kind: type[T], *, hashed: bool = False) -> T:
    """The object in a JSON file, without its hash, as `validated` for `kind`.

    With `hashed` a file is refused that is not, byte for byte, as `write` makes it; otherwise only a hash that is there
    is verified. InputError for a file that is missing, beyond `hiergeo._core.limits`, not JSON, or does not fit.
    """
    path = Path(path)
    try:
        content = _content(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    except ValueError as error:
        raise InputError(f"{path} was not written by hiergeo: {error}.") from error
    try:
        values = parse_json(content)
        stored = values.pop(HASH, None) if isinstance(values, dict) else None
        document = validated(kind, values)
    except ValueError as error:
        raise InputError(f"{path} is damaged ({str(error).rstrip('.')}): restore the file or make it again.") from error
    as_written = content == signed(values, 2 if content.startswith(b"{\n") else None).encode()
    if not (as_written if hashed else stored in (None, content_sha256(values))):
        raise InputError(f"{path} was altered or is damaged: its content does not match its {HASH}.")
    return document


def load_json(path: Path, *, digits: int = limits.JSON_DIGITS) -> Any:
    """The value of a JSON file that hiergeo did not write; OSError and ValueError as they come."""
    return parse_json(_content(path), digits=digits)


def _content(path: Path) -> bytes:
    with path.open("rb") as handle:
        content = handle.read(limits.JSON_BYTES + 1)
    if len(content) > limits.JSON_BYTES:
        raise ValueError(f"it is longer than {limits.JSON_BYTES:,} bytes")
    return content


def parse_json(content: bytes, *, digits: int = limits.JSON_DIGITS) -> Any:
    """The value of JSON in UTF-8.

    ValueError for what is not JSON, a key twice in one object, and lists and objects nested deeper or whole numbers
    longer than `hiergeo._core.limits` allows.
    """

    def whole(written: str) -> int:
        if len(written.lstrip("-")) > digits:
            raise ValueError(f"a whole number has {len(written)} digits")
        return int(written)

    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_int=whole, parse_float=_real)
        too_deep = _depth(value) > limits.JSON_DEPTH
    except RecursionError:
        too_deep = True
    if too_deep:
        raise ValueError(f"lists and objects are nested deeper than {limits.JSON_DEPTH}")
    return value


def _real(written: str) -> float:
    """A number; that this is called lets other threads have their turn while millions are read."""
    return float(written)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return values


def _depth(value: Any) -> int:
    """How deep lists and objects are nested, counted to one more than the limit."""
    level, depth = [value], 0
    while depth <= limits.JSON_DEPTH:
        nested = [
            outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, dict | list)
        ]
        if not nested:
            break
        level, depth = [inner for outer in nested for inner in outer], depth + 1
    return depth


def parse_toml(text: str, where: object) -> dict[str, Any]:
    """The table in the text of a TOML file; InputError, naming `where`, if it is not valid."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        defect = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).rstrip(".")
        raise InputError(f"{where} is not valid TOML: {defect}.") from error


def toml_text(table: Mapping[str, Any]) -> str:
    """The text of a TOML file: values one a line, then the tables of the table, each under its name."""
    plain = [f"{_toml_key(name)} = {_toml(value)}\n" for name, value in table.items() if not isinstance(value, Mapping)]
    inner = [f"\n[{_toml_key(name)}]\n{toml_text(part)}" for name, part in table.items() if isinstance(part, Mapping)]
    return "".join((*plain, *inner))


def _toml_key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f"))
