"""Tensors in safetensors files: the header is checked before the library that reads them sees it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import ListOf, Misfit, Record, Text, Whole

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

LENGTH = 8
"""Bytes at the start of a file that give the length of its header."""

COUNT = Whole(0, limits.ARRAY_SIDE)
HEADER = Record(
    optional={"__metadata__": Record(rest=Text())},
    rest=Record({"dtype": Text("[A-Z0-9_]{1,12}"), "shape": ListOf(COUNT), "data_offsets": ListOf(COUNT)}),
)


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Tensors, on any device and of any layout, as the bytes of a safetensors file."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata=None if metadata is None else dict(metadata))


def shapes(path: Path | str) -> Shapes:
    """Names and shapes of the tensors in a file, from its header alone.

    Raises:
        InputError: the file is missing, cut off, damaged, or has a header that is longer than `hiergeo._core.limits`
            allows or names a tensor twice.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(LENGTH), "little")
            size = path.stat().st_size
            if length > min(size - LENGTH, limits.TENSOR_HEADER_BYTES):
                raise InputError(f"{path} is damaged or no safetensors file: it says that its header is {length} long.")
            content = handle.read(length)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    try:
        header = documents.parse_json(content)
        HEADER.check(header, "")
    except (Misfit, ValueError) as error:
        raise InputError(f"{path} is damaged or no safetensors file: {error}.") from error
    header.pop("__metadata__", None)
    _check_offsets(path, header, size - LENGTH - length)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def read(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises:
        InputError: as `shapes`, and whatever else safetensors refuses.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    shapes(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise InputError(f"{path} is damaged or no safetensors file: {error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} holds more than this machine has memory for.") from error


def check_fit(path: Path | str, expected: Shapes, found: Shapes) -> None:
    """Raise InputError, naming the first tensor by which they differ, unless names and shapes are those expected."""
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{path} does not fit: the tensor '{name}' is {_shape(found, name)} where {_shape(expected, name)} "
                "is expected."
            )


def _check_offsets(path: Path, header: Mapping[str, Any], size: int) -> None:
    """Refuse tensors that leave gaps, overlap or end elsewhere than the file."""
    position = 0
    for name, entry in sorted(header.items(), key=lambda pair: (pair[1]["data_offsets"], math.prod(pair[1]["shape"]))):
        offsets = entry["data_offsets"]
        if len(offsets) != 2 or offsets[0] != position or offsets[1] < position:
            raise InputError(f"{path} is damaged: the bytes of the tensor '{name}' are not where they belong.")
        position = offsets[1]
    if position != size:
        raise InputError(f"{path} is damaged: it holds {size} bytes of tensors where its header says {position}.")


def _shape(shapes: Shapes, name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "missing"
