"""The package of docs/extending.md, written to a folder outside the checkout: its suites pass and its names work."""

import configparser
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from hiergeo import Lorentz, testing
from tests.tools import warm

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SUITES = [name for name in testing.__all__ if name.endswith("Conformance")]

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def files() -> dict[str, str]:
    """Name -> content of the files of the page, each named by its first line."""
    found = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as if it were installed: its files, and its entry points in a dist-info folder beside it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    install(folder, files())
    return folder


def install(folder: Path, contents: dict[str, str]) -> None:
    """Write the files of the package, and its entry points."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "my_package-0.1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = configparser.ConfigParser()
    points.read_dict(project["entry-points"])
    with (info / "entry_points.txt").open("w") as handle:
        points.write(handle)


def run(folder: Path, *arguments: str) -> str:
    paths = os.pathsep.join((str(folder), str(ROOT)))
    done = warm.run([sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": paths}, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_every_code_block_is_a_file() -> None:
    assert len(re.findall(r"^```(?:python|toml)$", PAGE, flags=re.MULTILINE)) == len(files())


def test_every_suite_is_shown_and_every_group_is_registered() -> None:
    assert len(SUITES) == 6
    for suite in SUITES:
        assert f"({suite})" in PAGE, f"no example inherits {suite}"
    groups = re.findall(r"`(hiergeo\.\w+)` \| `\w+Conformance`", PAGE)
    assert len(groups) == len(SUITES)
    assert all(f'entry-points."{group}"' in PAGE for group in groups)


@pytest.mark.slow
def test_followed_from_the_top_every_suite_passes_as_soon_as_it_is_there(tmp_path: Path) -> None:
    passed: set[str] = set()
    written = dict[str, str]()
    for name, content in files().items():
        written[name] = content
        if name.startswith("tests/"):
            install(tmp_path, written)
            told = run(
                tmp_path, "-m", "pytest", name, "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)
            )
            passed |= set(re.findall(r"^PASSED \S+::(Test\w+)::", told, flags=re.MULTILINE))
            assert "failed" not in told.splitlines()[-1]
    assert passed == set(re.findall(r"^class (Test\w+)\(\w+Conformance\)", PAGE, flags=re.MULTILINE))


class Unregistered(testing.GeometryConformance):
    def make(self, magnitude):
        return type("Bolyai", (Lorentz,), {})(-magnitude)


def test_a_geometry_that_is_not_registered_hears_of_entry_points() -> None:
    with pytest.raises(AssertionError, match=r"hiergeo\.geometries"):
        Unregistered().test_spec_round_trips()


@pytest.mark.slow
def test_its_names_work_on_the_command_line(package: Path) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    (package / "captions.csv").write_text("caption\na cat\na dog\na small dog on grass\n")
    of_laws, of_names = (
        [run(package, "-m", "hiergeo", *shlex.split(line.removeprefix("$ hiergeo "))) for line in block.splitlines()]
        for block in blocks
    )
    assert "my_file.py:MyLaw" in of_laws[-1]
    assert "most specific caption deepest" in of_names[0]
