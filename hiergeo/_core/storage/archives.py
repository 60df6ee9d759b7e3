"""Arrays in ``.npz`` files: written with a hash of their content, read under a schema, never beyond what it names."""

import hashlib
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import atomic_write
from hiergeo._core.text import shortened

NAMED = 200  # characters of the names of arrays that a message holds
HASH = "content_sha256"  # the array that holds the hash of all others
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
    """What an array of a file must be: numpy's letters for the kinds of its values, and numbers of dimensions.

    `names` are what others call it.
    """

    kinds: str
    ranks: tuple[int, ...]
    required: bool = True
    names: tuple[str, ...] = ()


def write(path: Path | str, arrays: Arrays) -> None:
    """Write arrays and the hash of their content to `path`, whole or not at all."""
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


def named(wanted: Mapping[str, Array], held: Collection[str]) -> dict[str, str]:
    """What of a file's arrays is which that are `wanted`: by its own name, or else by the first that others give it."""
    taken: dict[str, str] = {name: name for name in wanted if name in held}
    for name, schema in wanted.items():
        free = (other for other in schema.names if other in held and other not in taken.values())
        if name not in taken and (other := next(free, None)) is not None:
            taken[name] = other
    return taken


def read(path: Path | str, wanted: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file that `wanted` names, in native byte order; others are not kept in memory.

    The content hash is verified where the file has one, over every array. InputError where the file is missing, damaged
    or altered, lacks an array, has one of another kind or rank, or would inflate beyond `hiergeo._core.limits`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    with _damage_as_one_sentence(path):
        _refuse_bomb(path)
        with np.load(path, allow_pickle=False) as stored:
            names = set(stored.files)
            held = named(wanted, names)
            missing = [name for name, schema in wanted.items() if schema.required and name not in held]
            if missing:
                others = shortened(", ".join(sorted(names)), NAMED) or "nothing"
                lacks = " and ".join(map(repr, missing))
                raise InputError(f"{path} has no array {lacks}, but {others}: rename or add it.")
            arrays, digest, own = {}, hashlib.sha256(), {other: name for name, other in held.items()}
            for name in sorted((names if HASH in names else own.keys()) - {HASH}):
                array = _array(path, stored, name)
                _update(digest, name, array)
                if name in own:
                    check(path, name, wanted[own[name]], array)
                    arrays[own[name]] = array.astype(array.dtype.newbyteorder("="), copy=False)
            if HASH in names and str(stored[HASH]) != digest.hexdigest():
                raise InputError(f"{path} was altered: its content does not match its {HASH}.")
    return arrays


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


def _array(path: Path, stored: Mapping[str, Any], name: str) -> NDArray[Any]:
    try:
        return np.asarray(stored[name], order="C")
    except ValueError as error:
        raise InputError(
            f"{path} cannot be used: '{name}' holds objects or damaged bytes ({str(error).rstrip('.')}): "
            "save numbers as they are and strings as np.array(..., dtype=str)."
        ) from error


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        declared = sum(info.file_size for info in archive.infolist())
    stored = path.stat().st_size
    if declared > max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * stored):
        raise InputError(
            f"{path} would inflate from {stored:,} to {declared:,} bytes, as no real data does: "
            "if it is right, save it without compression."
        )


def check(path: object, name: str, schema: Array, array: NDArray[Any]) -> None:
    """Raise InputError for an array of another kind or rank; `path` is what holds it."""
    if array.dtype.kind not in schema.kinds or (array.dtype.kind in "fiu" and array.itemsize > 8):
        raise InputError(f"{path} cannot be used: '{name}' holds {array.dtype}, not {NUMBERS[schema.kinds]}.")
    if array.ndim not in schema.ranks:
        ranks = " or ".join(map(str, schema.ranks))
        raise InputError(f"{path} cannot be used: '{name}' has shape {array.shape}, not {ranks} dimensions.")


def _update(digest: Any, name: str, array: NDArray[Any]) -> None:
    digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
    if array.nbytes:
        digest.update(array.reshape(-1).view(np.uint8).data)
