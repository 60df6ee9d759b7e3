"""Downloads of the benchmarks' small files, from a local folder that plays the server."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import download, public
from hiergeo.datasets.public import PublicFile, fetch_public

TABLE = b"WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder whose files are what the server sends, and a plain and a zipped dataset there."""
    site = tmp_path / "site"
    site.mkdir()

    def fetch(url: str, destination: Path, sha256: str | None = None, **_: object) -> Path:
        source = site / url.removeprefix("https://server/")
        if not source.is_file() or (sha256 and hashlib.sha256(source.read_bytes()).hexdigest() != sha256):
            raise UnavailableError(f"cannot download {destination.name} from {url}.")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
        return destination

    monkeypatch.setattr(download, "fetch", fetch)
    files = {
        "plain": (PublicFile(Path("plain/a.txt"), "a.txt", DIGEST),),
        "zipped": (PublicFile(Path("zipped/a.txt"), "a.zip", DIGEST, zipped=True),),
    }
    monkeypatch.setattr(public, "PUBLIC", files)
    (site / "a.txt").write_bytes(TABLE)
    with zipfile.ZipFile(site / "a.zip", "w") as archive:
        archive.writestr("folder/other.txt", b"other")
        archive.writestr("folder/a.txt", TABLE)
    return site


@pytest.mark.parametrize("name", ["plain", "zipped"])
def test_files_arrive_and_are_kept(served, tmp_path, name):
    home = tmp_path / "home"
    (path,) = fetch_public(name, home, source="https://server")
    assert path.read_bytes() == TABLE
    assert {each.name for each in (home / name).iterdir()} == {"a.txt"}
    shutil.rmtree(served)
    assert fetch_public(name, home, source="https://server") == [path]
    path.write_bytes(b"altered")
    with pytest.raises(InputError, match=r"a\.txt differs"):
        fetch_public(name, home, source="https://server")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_archives_that_are_none_leave_nothing_behind(served, tmp_path, content):
    (served / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip"):
        fetch_public("zipped", tmp_path / "home", source="https://server")
    assert not list((tmp_path / "home" / "zipped").iterdir())


def test_unknown_names_get_the_nearest():
    with pytest.raises(InputError, match="'hyperlex'"):
        fetch_public("hyperlx")


def test_the_published_hashes_are_those_of_the_files(data_home):
    for name in ("breeds", "hyperlex"):
        assert all(path.is_file() for path in fetch_public(name, data_home, source="https://nowhere.invalid"))
