"""Public files of datasets, downloaded into the data home and checked by hash."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write, remove_leftovers, retire, sha256, size_of
from hiergeo._core.storage.locks import clear, locked
from hiergeo.datasets import breeds, download, hyperlex, sugarcrepe
from hiergeo.datasets.download import data_home

SOURCE = "https://raw.githubusercontent.com"

BREEDS = "MadryLab/BREEDS-Benchmarks/f83be509107e89f41dde0e4e8e7f8be051fbb891/imagenet_class_hierarchy/modified"
HYPERLEX = "cambridgeltl/hyperlex/c4875d795d50420a0bd08fbe4b8346395e117c61/hyperlex-data.zip"
SUGARCREPE = "RAIVNLab/sugar-crepe/0047054b243992f0fad63d6f64f7544862daf846/data"
ZIP_BYTES = 1 << 24
"""Bytes of an archive of tables."""


@dataclass(frozen=True)
class PublicFile:
    """A file of a public repository: where it goes in the data home, and its address below the source.

    Where `zipped` it is the member with this hash of an archive at the address. A file without a hash has a `check`,
    which raises `InputError`.
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
    "sugarcrepe": tuple(
        PublicFile(sugarcrepe.FOLDER / f"{name}.json", f"{SUGARCREPE}/{name}.json", digest)
        for name, digest in (
            ("add_att", "012d88d729693d193760e6f3393b06a1cf874380a9db0062e937201199fe044d"),
            ("add_obj", "1b9d76b93139a937b8dc1ada92a4f05ecc821bb3c291d752428bafadd4bb0682"),
            ("replace_att", "9fe55fd4c0a9ad1f85d486d9f6d0215b41f867eb025026e7f7b5ce44352545ee"),
            ("replace_obj", "9d299600639947e9d15281a9ded1382b376cf4ea088a8d08a1314bfe76e81898"),
            ("replace_rel", "356bcc2fc4c6aed3f4d9fd50acc58489bb1fe70c28791f9368d4cbf9ea39cdc9"),
            ("swap_att", "7a7ce04e5c4c80412b48c6f0c1347fb1a2f5d54c0be6aa429b64d390e442f8d0"),
            ("swap_obj", "073cdb8e253d053614e80710834d9773b09dbc1dd0a412f6f9492262caa1dcad"),
        )
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
    missing = [file for file in files if size_of(home / file.path) is None]
    check_published([file for file in files if file not in missing], home)
    if missing:
        with locked(home / folder):
            for parent in {(home / file.path).parent for file in missing}:
                remove_leftovers(parent)
            for file in track(missing, f"files of {folder}", enabled=progress):
                _obtain(file, home / file.path, f"{source}/{file.address}")
    else:
        clear(home)
    return [home / file.path for file in files]


def check_published(files: Sequence[PublicFile], home: Path) -> None:
    """Raise InputError for the first of the files in a data home that is not the published one."""
    for file in files:
        path = home / file.path
        if file.sha256 and sha256(path) != file.sha256:
            raise InputError(f"{path} differs from the published file: move it away and fetch again.")
        if file.check is not None:
            file.check(path)


def _obtain(file: PublicFile, path: Path, url: str) -> None:
    if not file.zipped:
        download.fetch(url, path, file.sha256, most=file.most, check=file.check)
        return
    archive = path.with_suffix(".zip")
    try:
        download.fetch(url, archive, most=file.most)
        content = _member(archive, file.sha256)
    finally:
        retire(archive)
    with atomic_write(path) as handle:
        handle.write(content)


def _member(archive: Path, digest: str | None) -> bytes:
    """The member of a zip archive that has a hash. Raises InputError where none has."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as members:
            for info in members.infolist():
                if info.file_size <= limits.TEXT_BYTES and not info.is_dir():
                    content = members.read(info)
                    if hashlib.sha256(content).hexdigest() == digest:
                        return content
    except Exception as error:  # zipfile and its decompressors raise errors of many kinds
        raise InputError(f"{archive} is not a zip archive: {error}.") from error
    raise InputError(f"{archive} does not hold the published file.")
