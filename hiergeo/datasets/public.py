"""Public files of datasets, downloaded into the data home and checked by hash."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write, remove_leftovers, retire, sha256, size_of
from hiergeo._core.storage.locks import clear, locked
from hiergeo.datasets import breeds, download, hyperlex
from hiergeo.datasets.download import data_home

SOURCE = "https://raw.githubusercontent.com"

BREEDS = "MadryLab/BREEDS-Benchmarks/f83be509107e89f41dde0e4e8e7f8be051fbb891/imagenet_class_hierarchy/modified"
HYPERLEX = "cambridgeltl/hyperlex/c4875d795d50420a0bd08fbe4b8346395e117c61/hyperlex-data.zip"
ZIP_BYTES = 1 << 24
"""Bytes of an archive of tables."""

FEW = 4
"""Files up to which each has a bar of its own while it is downloaded."""


@dataclass(frozen=True)
class PublicFile:
    """A file of a public repository.

    Attributes:
        path: where it goes in the data home.
        address: its path below the source, a zip archive where `zipped`.
        sha256: of the file itself; None where nobody has published it.
        zipped: whether it is the member of an archive that has this hash.
        most: bytes of the download.
        check: of a file without a hash; it raises `InputError` for one that is not the right one.
    """

    path: Path
    address: str
    sha256: str | None
    zipped: bool = False
    most: int = ZIP_BYTES
    check: Callable[[Path], None] | None = None


PUBLIC: dict[str, tuple[PublicFile, ...]] = {
    "breeds": tuple(
        PublicFile(breeds.FOLDER / name, f"{BREEDS}/{name}", digest)
        for name, digest in (
            (breeds.EDGES, "039cfaddf9732855b93f7899ba4b5ba6d80f8dbe15cfaad566f575b6c8ce0216"),
            (breeds.NAMES, "322af45711ed69a7b199f11225bd964c7dae71df3c586498bef2f7c9e031dedb"),
            (breeds.CLASSES, "be90503d57a001f95e094a81dc4de90772bfc58546ca58061d6474799829afd0"),
        )
    ),
    "hyperlex": (
        PublicFile(
            hyperlex.FILE, HYPERLEX, "582297878d7ab4d08b284291fdd828c686757dc2c8a9db062416c87bda73923c", zipped=True
        ),
    ),
}
"""Names of datasets and their files."""


def fetch_public(name: str, home: Path | None = None, *, source: str = SOURCE, progress: bool = False) -> list[Path]:
    """Download the files of a dataset; those that are there and intact are kept.

    Args:
        name: a key of `PUBLIC`.
        home: the data home, by default `data_home()`.
        source: the address of the public repositories, or of a mirror.
        progress: draw bars on standard error.

    Returns:
        Its files, downloaded or already there.

    Raises:
        InputError: an unknown name, or a file that is there has other bytes than the published one.
        UnavailableError: another process is downloading, or a download failed; what was complete before stays.
    """
    if name not in PUBLIC:
        raise unknown_name("downloadable dataset", name, PUBLIC)
    return fetch_files(PUBLIC[name], home or data_home(), Path(name), source, progress)


def fetch_files(files: Sequence[PublicFile], home: Path, folder: Path, source: str, progress: bool) -> list[Path]:
    """Download files into a folder of the data home, as `fetch_public` does."""
    there = {each: home / each.path for each in files if size_of(home / each.path) is not None}
    altered = [path for each, path in there.items() if each.sha256 and sha256(path) != each.sha256]
    if altered:
        count = f" (the first of {len(altered)} such files)" if len(altered) > 1 else ""
        raise InputError(f"{altered[0]} differs from the published file{count}: move it away and fetch again.")
    for each, path in there.items():
        if each.check is not None:
            each.check(path)
    missing = [each for each in files if each not in there]
    if not missing:
        clear(home)
        return list(there.values())
    several = len(missing) > FEW
    with locked(home / folder):
        for place in {(home / each.path).parent for each in missing}:
            remove_leftovers(place)
        for each in track(missing, str(folder), enabled=progress and several):
            _obtain(each, home / each.path, f"{source}/{each.address}", progress and not several)
    return [home / each.path for each in files]


def _obtain(file: PublicFile, path: Path, url: str, progress: bool) -> None:
    if file.zipped:
        archive = path.with_suffix(".zip")
        try:
            download.fetch(url, archive, most=file.most, progress=progress)
            content = _member(archive, file.sha256)
        finally:
            retire(archive)
        with atomic_write(path) as handle:
            handle.write(content)
    else:
        download.fetch(url, path, file.sha256, most=file.most, check=file.check, progress=progress)


def _member(archive: Path, digest: str | None) -> bytes:
    """The member of a zip archive that has a hash. Raises InputError where none has."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as members:
            for info in members.infolist():
                if info.file_size <= limits.TEXT_BYTES and not info.is_dir():
                    content = members.read(info)
                    if hashlib.sha256(content).hexdigest() == digest:
                        return content
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(f"{archive} is not a zip archive: {error}.") from error
    raise InputError(f"{archive} does not hold the published file.")
