"""Arrays in ``.npz`` files: written with a hash of their content, read under a schema and never beyond what it names.

Every byte of an archive is accounted for before an array is made: members follow each other without gaps, the directory
counts as many as it lists, and each begins with a header of numpy's format that matches its size.
"""

import hashlib
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import atomic_write

HASH = "content_sha256"
"""The array that holds the hash of all others."""

BLOCK = 1 << 20
"""Bytes that are read at a time."""

NUMBERS = {
    "b": "booleans",
    "f": "floating-point numbers",
    "i": "integers",
    "iu": "integers",
    "iuU": "integers or strings",
    "U": "strings",
}
"""Names of numpy's kinds of numbers."""

LOCAL_HEADER, ENCRYPTED, STREAMED = struct.Struct("<4s5H3I2H"), 0x1, 0x8
"""Layout of the header of a zip member, and two of its flags."""

DESCRIPTORS = (12, 16, 20, 24)
"""Bytes that may follow the data of a member that was written to a stream."""

FOREIGN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError)
"""Errors that zipfile raises for truncated, altered or foreign bytes."""

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Array:
    """What an array of a file has to be.

    Attributes:
        kinds: numpy's letters for the kinds of its values: ``f``, ``iu``, ``b`` or ``U``.
        ranks: the numbers of dimensions it may have.
        required: whether a file without it is refused.
    """

    kinds: str
    ranks: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True)
class _Member:
    """An array of an archive whose header has been read and found to match its size."""

    name: str
    info: zipfile.ZipInfo
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int


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
        array = np.asarray(arrays[name], order="C")
        digest.update(_title(name, array.dtype, array.shape))
        if array.nbytes:
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def read(path: Path | str, wanted: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file that `wanted` names, in native byte order; others are not kept in memory.

    The content hash is verified where the file has one, over every array.

    Raises:
        InputError: the file is missing, damaged or altered, holds something else than arrays of numbers and strings,
            lacks an array, has one of another kind or rank, or inflates beyond `hiergeo._core.limits`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    with _damage_as_one_sentence(path), path.open("rb") as handle, zipfile.ZipFile(handle) as archive:
        members = _members(path, archive, handle)
        for name, schema in wanted.items():
            _check(path, name, schema, members.get(name))
        digest = hashlib.sha256() if HASH in members else None
        if digest is not None:
            _check(path, HASH, Array("U", (0,)), members[HASH])
        found: dict[str, NDArray[Any]] = {}
        for name in sorted(set(members) - {HASH}):
            member = members[name]
            if name in wanted:
                found[name] = _loaded(path, archive, member, digest)
            elif digest is not None:
                _hashed(path, archive, member, digest)
        if digest is not None and str(_loaded(path, archive, members[HASH], None)) != digest.hexdigest():
            raise InputError(f"{path} was altered: its content does not match its {HASH}.")
    return found


@contextmanager
def _damage_as_one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FOREIGN as error:
        raise InputError(f"{path} is damaged or no .npz archive: {error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} holds more than this machine has memory for.") from error


def _members(path: Path, archive: zipfile.ZipFile, handle: IO[bytes]) -> dict[str, _Member]:
    """The members by name, after checking that they and the directory make up the whole file."""
    infos = archive.infolist()
    if len(infos) > limits.ARCHIVE_MEMBERS:
        raise InputError(f"{path} holds {len(infos)} arrays, more than the {limits.ARCHIVE_MEMBERS} of any real file.")
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len(set(names)) < len(names):
        raise InputError(f"{path} is damaged: two of its arrays have one name.")
    _check_layout(path, archive, infos, handle)
    declared, stored = (sum(sizes) for sizes in zip(*((i.file_size, i.compress_size) for i in infos), strict=True))
    if declared > max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * stored):
        raise InputError(
            f"{path} would inflate from {stored:,} to {declared:,} bytes, as no real data does: "
            "if it is right, save it without compression."
        )
    return {name: _member(path, archive, name, info) for name, info in zip(names, infos, strict=True)}


def _check_layout(path: Path, archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], handle: IO[bytes]) -> None:
    """Refuse gaps, overlaps and a directory that lists another number of members than it counts."""
    position = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        slack = info.header_offset - position
        if slack and not (position and slack in DESCRIPTORS):
            raise InputError(f"{path} is damaged: there are bytes between its arrays that belong to none.")
        handle.seek(info.header_offset)
        head = handle.read(LOCAL_HEADER.size)
        if len(head) < LOCAL_HEADER.size:
            raise InputError(f"{path} is damaged: it is cut off.")
        *_, name_length, extra_length = LOCAL_HEADER.unpack(head)
        position = info.header_offset + LOCAL_HEADER.size + name_length + extra_length + info.compress_size
    slack = archive.start_dir - position
    last_streamed = bool(infos) and bool(max(infos, key=lambda i: i.header_offset).flag_bits & STREAMED)
    if slack and not (last_streamed and slack in DESCRIPTORS):
        raise InputError(f"{path} is damaged: its directory lists fewer arrays than it holds.")
    if not infos or _counted(handle, archive.start_dir) != len(infos):
        raise InputError(f"{path} is damaged: its directory does not hold as many arrays as it says.")


def _counted(handle: IO[bytes], start: int) -> int:
    """The number of members by the record at the end of a zip file; -1 if bytes follow it or it contradicts itself.

    The record is "PK\\5\\6", disk numbers, the count twice, size and start of the directory, length of a comment;
    where the count does not fit, a longer record "PK\\6\\6" before it holds it.
    """
    handle.seek(start)
    tail = handle.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) != at + 22:
        return -1
    _, disk, of_disk, here, count, size, _, comment = struct.unpack("<4s4H2IH", tail[at:])
    if disk or of_disk or comment or here != count:
        return -1
    wide = tail.rfind(b"PK\6\6", 0, at)
    if wide >= 0 and at - wide == 56 + 20:
        here, count, size = struct.unpack("<3Q", tail[wide + 24 : wide + 48])
        at = wide
    return count if here == count and size == at else -1


def _member(path: Path, archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> _Member:
    if info.flag_bits & ENCRYPTED:
        raise InputError(f"{path} is encrypted: save its arrays without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{path} is compressed in a way that numpy does not write: save it again with numpy.savez.")
    if not info.filename.endswith(".npy") or info.is_dir():
        raise InputError(f"{path} holds '{name}', which is no array.")
    with archive.open(info) as member:
        shape, fortran, dtype = _header(path, name, member)
        offset = member.tell()
    if dtype.hasobject:
        raise InputError(f"{path} holds pickled objects, which could run code and are refused.")
    if dtype.itemsize < 1 or dtype.fields or dtype.subdtype:
        raise InputError(f"the array '{name}' of {path} is neither of numbers nor of strings.")
    if any(isinstance(n, bool) or not 0 <= n < limits.ARRAY_SIDE for n in shape):
        raise InputError(f"the array '{name}' of {path} is damaged: no array has the shape {shape}.")
    if not math.prod(shape) and max(shape) > limits.WIDTH:
        raise InputError(f"the array '{name}' of {path} is damaged: it is empty, and of the shape {shape}.")
    if offset + math.prod(shape) * dtype.itemsize != info.file_size:
        raise InputError(f"the array '{name}' of {path} is damaged: its bytes do not fit the shape {shape}.")
    return _Member(name, info, dtype, shape, fortran, offset)


def _header(path: Path, name: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = npy.read_magic(member)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_header(member)
    except zlib.error:
        raise
    except Exception as error:  # numpy evaluates the header as a literal, and altered bytes fail anywhere in that
        raise InputError(f"the array '{name}' of {path} is damaged: its header does not parse.") from error


def _check(path: Path, name: str, schema: Array, member: _Member | None) -> None:
    if member is None:
        if schema.required:
            raise InputError(f"{path} has no array '{name}'.")
        return
    if member.dtype.kind not in schema.kinds or (member.dtype.kind in "fiu" and member.dtype.itemsize > 8):
        raise InputError(f"{path} cannot be used: '{name}' holds {member.dtype}, not {NUMBERS[schema.kinds]}.")
    if len(member.shape) not in schema.ranks:
        ranks = " or ".join(map(str, schema.ranks))
        raise InputError(
            f"{path} cannot be used: '{name}' has shape {member.shape}, and should have {ranks} dimensions."
        )


def _loaded(path: Path, archive: zipfile.ZipFile, member: _Member, digest: Any) -> NDArray[Any]:
    """The array of a member, copied once more only if its byte or memory order must be changed."""
    raw = np.empty(math.prod(member.shape) * member.dtype.itemsize, np.uint8)
    position = 0
    for block in _blocks(path, archive, member):
        raw[position : position + len(block)] = np.frombuffer(block, np.uint8)
        position += len(block)
    if member.fortran:
        array = np.ascontiguousarray(raw.view(member.dtype).reshape(member.shape[::-1]).T)
    else:
        array = raw.view(member.dtype).reshape(member.shape)
    if digest is not None:
        digest.update(_title(member.name, member.dtype, member.shape))
        if array.nbytes:
            digest.update(array.reshape(-1).view(np.uint8).data)
    native = array.astype(member.dtype.newbyteorder("="), copy=False)
    if native.dtype.kind == "U":
        _check_letters(path, member.name, native)
    return native


def _hashed(path: Path, archive: zipfile.ZipFile, member: _Member, digest: Any) -> None:
    """Hash an array that is not requested, without holding it unless its memory order must be changed."""
    if member.fortran:
        _loaded(path, archive, member, digest)
        return
    digest.update(_title(member.name, member.dtype, member.shape))
    for block in _blocks(path, archive, member):
        digest.update(block)


def _blocks(path: Path, archive: zipfile.ZipFile, member: _Member) -> Iterable[bytes]:
    """The bytes of an array; zipfile compares their checksum when the last one is read."""
    left = member.info.file_size - member.offset
    with archive.open(member.info) as handle:
        handle.read(member.offset)
        while block := handle.read(BLOCK):
            left -= len(block)
            yield block
    if left:
        raise InputError(f"the array '{member.name}' of {path} is damaged: it is cut off.")


def _check_letters(path: Path, name: str, strings: NDArray[Any]) -> None:
    if not strings.size:
        return
    codes = np.ascontiguousarray(strings).reshape(-1).view(np.uint32)
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise InputError(f"the array '{name}' of {path} is damaged: it holds what is no letter of any script.")


def _title(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"{name} {dtype.str} {shape}\n".encode()
