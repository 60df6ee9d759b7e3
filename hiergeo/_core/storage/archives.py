"""Arrays in ``.npz`` files: written with a hash of their content, read under a schema, never beyond what it names."""

import hashlib
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import atomic_write
from hiergeo._core.text import shortened

NAMED = 200
"""Characters of the names of arrays that a message holds."""

HASH = "content_sha256"
"""The array that holds the hash of all others."""

NUMBERS = {
    "b": "booleans",
    "f": "floating-point numbers",
    "i": "integers",
    "iu": "integers",
    "iuU": "integers or strings",
    "U": "strings",
}
"""Names of numpy's kinds of numbers."""

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Array:
    """What an array of a file must be.

    Attributes:
        kinds: numpy's letters for the kinds of its values: ``f``, ``iu``, ``b`` or ``U``.
        ranks: the numbers of dimensions it may have.
        required: whether a file without it is refused.
    """

    kinds: str
    ranks: tuple[int, ...]
    required: bool = True


def write(path: Path | str, arrays: Arrays) -> None:
    """Write arrays and the hash of their content to `path`, whole or not at all.

    Raises:
        UnavailableError: the file cannot be written; what was there is kept.
    """
    stored: dict[str, Any] = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    stored[HASH] = np.array(content_sha256(stored))
    with atomic_write(path) as handle:
        np.savez(handle, **stored)


def content_sha256(arrays: Arrays) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all arrays in order of name, the hash itself left out."""
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - {HASH}):
        _update(digest, name, np.asarray(arrays[name], order="C"))
    return digest.hexdigest()


def read(path: Path | str, wanted: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file that `wanted` names, in native byte order; others are not kept in memory.

    The content hash is verified where the file has one, over every array.

    Raises:
        InputError: the file is missing, damaged or altered, lacks an array, has one of another kind or rank, or would
            inflate beyond `hiergeo._core.limits`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    with _damage_as_one_sentence(path), zipfile.ZipFile(path) as archive:
        members = _members(path, archive)
        digest = hashlib.sha256() if HASH in members else None
        needed = [name for name in sorted(members) if name in wanted or digest]
        headers = {name: _header(archive, members[name]) for name in needed}
        missing = [name for name, schema in wanted.items() if schema.required and name not in members]
        if missing:
            others = shortened(", ".join(sorted(members)), NAMED) or "nothing"
            raise InputError(f"{path} has no array {' and '.join(map(repr, missing))}, but {others}: rename or add it.")
        for name, schema in wanted.items():
            if name in headers:
                _check(path, name, schema, *headers[name])
        found: dict[str, NDArray[Any]] = {}
        for name in needed:
            if name == HASH:
                continue
            array = _array(archive, members[name])
            if digest:
                _update(digest, name, array)
            if name in wanted:
                found[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
                _check_letters(path, name, found[name])
        if digest and str(_array(archive, members[HASH])) != digest.hexdigest():
            raise InputError(f"{path} was altered: its content does not match its {HASH}.")
    return found


@contextmanager
def _damage_as_one_sentence(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} holds more than this machine has memory for.") from error
    except Exception as error:  # damaged bytes fail anywhere in zipfile and numpy
        raise InputError(f"{path} is damaged or not an .npz archive of numbers and strings: {error}.") from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by name, none of them a bomb."""
    infos = archive.infolist()
    members = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(members) < len(infos):
        raise InputError(f"{path} is damaged: two of its arrays have one name.")
    stored, declared = path.stat().st_size, sum(info.file_size for info in infos)
    if declared > max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * stored):
        raise InputError(
            f"{path} would inflate from {stored:,} to {declared:,} bytes, as no real data does: "
            "if it is right, save it without compression."
        )
    return members


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of a member. Raises ValueError where they ask for other memory than its bytes."""
    with archive.open(info) as member:
        version = npy.read_magic(member)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(member)
        empty_but_long = not math.prod(shape) and max(shape) > limits.WIDTH
        fits = member.tell() + math.prod(shape) * dtype.itemsize == info.file_size
    if dtype.itemsize < 1 or empty_but_long or not (fits or dtype.hasobject) or min(shape, default=0) < 0:
        raise ValueError(f"the bytes of '{info.filename}' do not fit its shape {shape}")
    return shape, dtype


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as member:
        return np.asarray(npy.read_array(member, allow_pickle=False), order="C")


def _check(path: Path, name: str, schema: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in schema.kinds or (dtype.kind in "fiu" and dtype.itemsize > 8):
        raise InputError(f"{path} cannot be used: '{name}' holds {dtype}, not {NUMBERS[schema.kinds]}.")
    if len(shape) not in schema.ranks:
        ranks = " or ".join(map(str, schema.ranks))
        raise InputError(f"{path} cannot be used: '{name}' has shape {shape}, and should have {ranks} dimensions.")


def _check_letters(path: Path, name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind != "U" or not array.size:
        return
    codes = array.reshape(-1).view(np.uint32)
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise InputError(f"the array '{name}' of {path} is damaged: it holds characters that Unicode does not have.")


def _update(digest: Any, name: str, array: NDArray[Any]) -> None:
    digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
    if array.nbytes:
        digest.update(array.reshape(-1).view(np.uint8).data)
