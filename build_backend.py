"""The build backend: that of setuptools, with torch only where kernels are compiled, and archives of equal bytes.

The same sources, packages and compilers give the same sdist and the same wheel, byte for byte, wherever and whenever
they are built: entries are sorted, owned by nobody, readable by everybody, and dated by SOURCE_DATE_EPOCH or, without
it, by the day that CITATION.cff gives as that of the release.
"""

import gzip
import io
import os
import re
import stat
import tarfile
import time
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import build_editable, prepare_metadata_for_build_editable, prepare_metadata_for_build_wheel

import build_native

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = Mapping[str, object] | None

READABLE, EXECUTABLE = 0o644, 0o755

UNIX = 3
"""The system whose modes an entry of a zip file holds."""


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Nothing: sources are copied."""
    return []


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Ninja and a torch to compile against, a download of gigabytes, only where something can and may be compiled."""
    if not build_native.compiles():
        return []
    return ["ninja>=1.10", f"torch>={'.'.join(map(str, build_native.TORCH_TARGET))}"]


get_requires_for_build_editable = get_requires_for_build_wheel


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    name = build_meta.build_sdist(sdist_directory, config_settings)
    settle_sdist(Path(sdist_directory, name), moment())
    return name


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    settle_wheel(Path(wheel_directory, name), moment())
    return name


def moment() -> int:
    """The date of all files in an archive, in seconds since 1970: SOURCE_DATE_EPOCH, else that of the release."""
    named = os.environ.get("SOURCE_DATE_EPOCH")
    if named:
        return int(named)
    released = re.search(r"^date-released: (\S+)$", Path("CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    if released is None:
        raise ValueError("CITATION.cff has no line `date-released: YYYY-MM-DD`")
    return int(datetime.fromisoformat(released[1]).replace(tzinfo=timezone.utc).timestamp())


def settle_sdist(path: Path, date: int) -> None:
    """Writes a .tar.gz anew: sorted, of one date and no owner, with modes that no umask has touched."""
    with tarfile.open(path) as archive:
        found = {entry.name: (entry, archive.extractfile(entry)) for entry in archive if entry.isfile()}
        contents = {name: (entry, data.read()) for name, (entry, data) in found.items() if data is not None}
    fresh = path.with_suffix(".new")
    with (
        fresh.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=date) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(contents):
            entry, data = contents[name]
            settled = tarfile.TarInfo(name)
            settled.size, settled.mtime = len(data), date
            settled.mode = EXECUTABLE if entry.mode & stat.S_IXUSR else READABLE
            archive.addfile(settled, io.BytesIO(data))
    fresh.replace(path)


def settle_wheel(path: Path, date: int) -> None:
    """Writes a wheel anew: sorted, its metadata last as installers like it, of one date, readable by everybody."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    fresh = path.with_suffix(".new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents, key=lambda name: (".dist-info/" in name, name.endswith("/RECORD"), name)):
            entry = zipfile.ZipInfo(name, time.gmtime(date)[:6])
            entry.create_system, entry.external_attr = UNIX, (stat.S_IFREG | READABLE) << 16
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED)
    fresh.replace(path)
