"""What a release is made from: versions that agree, workflows that are whole, one place that names the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hiergeo import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def versions(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "release" / "versions.py"), *words]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_place_names_this_version():
    run = versions(f"v{__version__}")
    assert (run.returncode, run.stdout.strip()) == (0, __version__), run.stderr


@pytest.mark.parametrize("tag", [__version__, "v9.9.9", f"v{__version__}-rc1"])
def test_another_tag_is_refused_by_its_name(tag):
    run = versions(tag)
    assert run.returncode == 1
    assert f"the tag {tag}" in run.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_pins_its_actions_calls_what_is_there_and_needs_jobs_that_exist(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    assert "permissions" in workflow, "the token may do everything"
    for job in jobs.values():
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(jobs)
        used = [part["uses"] for part in (job, *job.get("steps", [])) if "uses" in part]
        for action in used:
            if action.startswith("./"):
                assert (ROOT / action).is_file()
            else:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@(v\d+|release/v\d+|[0-9a-f]{40})", action)
        script = "\n".join(step.get("run", "") for step in job.get("steps", []))
        for name in re.findall(r"release/\S+", script):
            assert (ROOT / name).is_file()
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_tests_run_on_every_python_and_wheels_are_checked_on_it():
    oldest = tuple(map(int, re.findall(r"\d+", PROJECT["project"]["requires-python"])))
    for name, job in (("tests", "tests"), ("wheels", "check")):
        matrix = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"][job]["strategy"]["matrix"]
        pythons = sorted(tuple(map(int, version.split("."))) for version in matrix["python"])
        assert pythons[0] == oldest
        assert pythons == [(3, minor) for minor in range(oldest[1], pythons[-1][1] + 1)]


def test_the_recipe_of_conda_asks_for_what_the_package_asks_for():
    recipe = yaml.safe_load((ROOT / "release/conda/recipe.yaml").read_text(encoding="utf-8"))
    wanted = {re.sub(r";.*|\s", "", line).replace("_", "-") for line in PROJECT["project"]["dependencies"]}
    called = {"pytorch >": "torch >", "matplotlib-base": "matplotlib", "_": "-", " ": ""}
    found = set()
    for line in recipe["requirements"]["run"]:
        for there, here in called.items():
            line = line.replace(there, here)
        found.add(line)
    found -= {"python>=3.10"}
    assert found == wanted
    assert recipe["about"]["license_file"] == PROJECT["project"]["license-files"]
    assert [f"{k} = {v}" for k, v in PROJECT["project"]["scripts"].items()] == recipe["build"]["python"]["entry_points"]


def test_the_licence_of_the_dictionary_is_named_and_comes_once():
    licence, files = PROJECT["project"]["license"], PROJECT["project"]["license-files"]
    recipe = yaml.safe_load((ROOT / "release/conda/recipe.yaml").read_text(encoding="utf-8"))
    assert licence.split(" AND ") == ["Apache-2.0", "LicenseRef-WordNet-3.0"]
    assert recipe["about"]["license"] == licence
    assert f"`{licence}`" in (ROOT / "docs/install.md").read_text(encoding="utf-8")
    tools = PROJECT["tool"]["setuptools"]  # a text that is data of a package too is in the wheel twice (W002)
    for path in map(Path, files):
        if len(path.parts) > 1:
            assert path.name in tools["exclude-package-data"][".".join(path.parts[:-1])]


def test_the_repository_is_named_once():
    (named,) = re.findall('^repository-code: "(.+)"$', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    run = subprocess.run(["git", "grep", "-lF", named], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        pytest.skip("needs a clone and git")
    assert run.stdout.split() == ["CITATION.cff"]
