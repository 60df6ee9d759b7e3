"""What the build backend makes: the same bytes in every place, and torch fetched only where something is compiled."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77", reason="builds here need setuptools: pip install 'hiergeo[test]'")

ROOT = Path(__file__).parents[2]
FILES = {
    "CITATION.cff": "date-released: 2026-02-03\n",
    "LICENSE": "words\n",
    "README.md": "words\n",
    "MANIFEST.in": "include CITATION.cff build_backend.py build_native.py\ninclude tool.sh\n",
    "hiergeo/__init__.py": "",
    "hiergeo/py.typed": "",
    "tool.sh": "#!/bin/sh\n",
}
COPIED = (
    "build_backend.py",
    "build_native.py",
    "pyproject.toml",
    "setup.py",
    "hiergeo/_core/version.py",
)
BUILT = "import build_backend as b; print(b.build_sdist('out'), b.build_wheel('out'))"
ASKED = "import build_backend as b; print(b.get_requires_for_build_sdist(), b.get_requires_for_build_wheel())"


def project(folder: Path, mode: int, date: int) -> Path:
    """The packaging around an empty package, in files of a mode and a date."""
    for name, text in {**FILES, **{name: (ROOT / name).read_text() for name in COPIED}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode | 0o100 if name == "tool.sh" else mode)
        os.utime(path, (date, date))
    return folder


def told(folder: Path, code: str, **settings: str) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("CXX", "SOURCE_DATE_EPOCH")}
    env |= {"HIERGEO_NATIVE": "0", "PYTHONPATH": str(folder)} | settings
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[-1]


def built(folder: Path, umask: int, **settings: str) -> dict[str, Path]:
    """The archives of a project by name."""
    names = told(folder, f"import os; os.umask({umask}); {BUILT}", **settings).split()
    return {name: folder / "out" / name for name in names}


def test_two_builds_have_equal_bytes(tmp_path):
    here = built(project(tmp_path / "a", 0o644, 1_700_000_000), 0o022, TZ="UTC", LC_ALL="C")
    there = built(project(tmp_path / "of" / "b", 0o600, 1_750_000_000), 0o077, TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert sorted(name.partition("-")[2].partition("-")[2] for name in here) == ["", "py3-none-any.whl"]
    digests = [{name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in k.items()} for k in (here, there)]
    assert digests[0] == digests[1]


def test_archives_have_one_date_and_plain_modes(tmp_path):
    sdist, wheel = built(project(tmp_path / "a", 0o600, 1_700_000_000), 0o077).values()
    with tarfile.open(sdist) as archive:
        entries = archive.getmembers()
    assert {entry.mtime for entry in entries} == {1_770_076_800}, "not midnight of the day in CITATION.cff"
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "", "")}
    modes = {entry.name.partition("/")[2]: entry.mode for entry in entries}
    assert modes.pop("tool.sh") == 0o755
    assert set(modes.values()) == {0o644}
    contents = zipfile.ZipFile(wheel).infolist()
    assert {entry.date_time for entry in contents} == {(2026, 2, 3, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in contents} == {0o100644}
    assert contents[-1].filename.endswith(".dist-info/RECORD")


def test_the_date_can_be_given(tmp_path):
    sdist, wheel = built(project(tmp_path / "a", 0o644, 1_700_000_000), 0o022, SOURCE_DATE_EPOCH="1000000000").values()
    with tarfile.open(sdist) as archive:
        assert {entry.mtime for entry in archive} == {1_000_000_000}
    assert {entry.date_time for entry in zipfile.ZipFile(wheel).infolist()} == {(2001, 9, 9, 1, 46, 40)}


def test_no_folder_of_the_repository_hides_a_package_that_builds_need(tmp_path):
    """Frontends look for everything that a backend imports in the folder of the backend first."""
    pytest.importorskip("build.env", reason="needs a frontend: pip install 'hiergeo[dev]'")
    folder = project(tmp_path / "a", 0o644, 1_700_000_000)
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            (folder / path.name).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", "out"]
    env = os.environ | {"HIERGEO_NATIVE": "0"}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(list(folder.glob("out/*-py3-none-any.whl"))) == 1


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"HIERGEO_NATIVE": "", "CXX": "c++"}, "[] ['ninja>=1.10', 'torch>=2.10']"),
        ({"HIERGEO_NATIVE": "", "CXX": "/bin/false"}, "[] []"),
        ({"HIERGEO_NATIVE": "0", "CXX": "c++"}, "[] []"),
    ],
)
def test_torch_is_fetched_only_for_kernels(tmp_path, settings, wanted):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho '#define __x86_64__ 1'\n")
    compiler.chmod(0o755)
    settings = {name: value.replace("c++", str(compiler)) for name, value in settings.items()}
    assert told(project(tmp_path / "a", 0o644, 1_700_000_000), ASKED, **settings) == wanted
