"""What works with the base installation alone, and what each missing package is told to be installed by."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hiergeo._core import extras
from hiergeo._core.errors import UnavailableError
from hiergeo.cli import info

tomllib: ModuleType = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

BRINGS = {"tokenizers": "transformers"}
"""What an extra names by another package that requires it."""

BARE = """
import sys, json
from importlib.abc import MetaPathFinder

class Refused(MetaPathFinder):
    names, asked, finders = set(json.loads(sys.argv[1])), [], sys.meta_path[:]
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            self.asked.append(name)
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in found if spec), None)
    def find_distributions(self, *given):
        able = (finder for finder in self.finders if hasattr(finder, "find_distributions"))
        return (found for finder in able for found in finder.find_distributions(*given))

sys.meta_path[:] = [Refused()]
"""
"""Python whose optional packages cannot be imported."""

OTHERS = ("sklearn", "IPython", "ipywidgets", "selenium", "tensorboard")
"""Packages whose absence nothing may notice."""


def bare(code: str, *words: object, cwd: Path | None = None) -> str:
    """What a program prints in Python that has the base packages only."""
    refused = sorted({package.module for package in extras.PACKAGES} | {*OTHERS})
    run = subprocess.run(
        [sys.executable, "-c", BARE + code, json.dumps(refused), *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def requirements(extra: str) -> set[str]:
    """Distributions that an extra requires, those of the extras in it too."""
    held = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"][extra]
    found: set[str] = set()
    for line in held:
        if inner := re.fullmatch(r"hiergeo\[(.+)\]", line):
            for name in inner[1].split(","):
                found |= requirements(name)
        else:
            found.add(re.split(r"[>=<;\[ ]", line)[0])
    return found


@pytest.mark.parametrize("package", extras.PACKAGES, ids=lambda package: package.module)
def test_each_package_is_in_the_extra_that_messages_name(package):
    needed = BRINGS.get(package.distribution, package.distribution)
    assert needed in requirements(package.extra)
    if needed != package.distribution:
        brought = importlib.metadata.requires(needed) or []
        assert any(re.match(re.escape(package.distribution) + r"\b", line, re.IGNORECASE) for line in brought)


def test_all_holds_what_a_user_installs_on_one_machine():
    clusters = {"milvus", "mteb", "ray"}
    work = {"all", "bench", "dev", "docs", "test", "test-services"}
    extras = set(tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"])
    for extra in extras - clusters - work:
        assert requirements(extra) <= requirements("all"), extra


@pytest.mark.slow
def test_base_packages_suffice_for_the_demo_and_for_measuring_the_bundled_model(tmp_path):
    code = """
import hiergeo
from hiergeo.cli.app import app
scenes = ["-m", "tiny", "-d", "scenes", "--rows", "6"]
for words in (
    ["demo", "--no-open"],
    ["probe", *scenes, "--json", "probe.json"],
    ["compare", *scenes, "-g", "euclidean", "-g", "lorentz:-1"],
    ["embed", *scenes, "--out", "scenes.npz"],
    ["probe", "-m", "npz:scenes.npz", "-d", "scenes", "--rows", "6"],
    ["train", "head", *scenes, "--set", "steps=2", "-g", "lorentz:-1", "--out", "head"],
    ["info"],
):
    app(words, standalone_mode=False)
print(hiergeo.adapters.load("tiny").encode_text(["a dog", "caf\\u00e9 \\u2019tis"]).shape)
"""
    printed = bare(code, cwd=tmp_path)
    assert "torch.Size([2, 64])" in printed
    assert (tmp_path / "hiergeo-demo.html").is_file()
    assert json.loads((tmp_path / "probe.json").read_text())["metrics"]["tau_d"] > 0.5


NEEDED = {
    "hf:org/name": "hf",
    "sentence-transformers:org/name": "sentence-transformers",
    "mteb:org/name": "mteb",
}


@pytest.mark.slow
def test_each_adapter_names_its_extra(tmp_path):
    code = """
from hiergeo import adapters
from hiergeo._core.errors import UnavailableError
for spec in sys.argv[2:]:
    try:
        adapters.load(spec, device="cpu")
    except UnavailableError as error:
        print(spec, error)
"""
    told = dict(line.split(" ", 1) for line in bare(code, *NEEDED, cwd=tmp_path).splitlines())
    for spec, extra in NEEDED.items():
        assert f"pip install 'hiergeo[{extra}]'" in told[spec]


def test_a_package_that_is_broken_is_told_from_one_that_is_missing(monkeypatch, tmp_path):
    (tmp_path / "pandas.py").write_text("import no_such_module_anywhere")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with pytest.raises(UnavailableError, match=r"cannot be imported.*no_such_module_anywhere.*hiergeo\[pandas\]"):
        extras.require("pandas", "this")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UnavailableError) as caught:
        extras.require("pandas", "this")
    assert str(caught.value) == "this needs pandas: pip install 'hiergeo[pandas]'."


def test_info_lists_every_package_and_what_brings_it(monkeypatch):
    monkeypatch.setattr(extras.Package, "version", lambda package: "1.2" if package.extra == "mteb" else None)
    facts = info.collect("cpu")
    assert facts["mteb"] == "1.2"
    assert facts["pandas"] == "not installed: pip install 'hiergeo[pandas]'"
    assert {package.distribution for package in extras.PACKAGES} <= set(facts)
