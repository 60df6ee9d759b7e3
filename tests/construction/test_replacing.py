"""A build in a folder that holds another: no mix of two inputs or splits, whenever it dies."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.jobs import Share
from hiergeo.construction import build, card
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.building import Shards
from hiergeo.construction.judges import JUDGES
from hiergeo.datasets import chains
from tests.construction.construction_toys import ToyBackend, ToyJudge, toy_plan

SPLITS = ("train.csv", "test.csv", "test_expanded.csv")


class Death(BaseException):
    """What ends a build in the middle, as a kill would."""


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)


def written(path: Path, animal: str = "dog", rows: int = 8) -> Path:
    lines = (f"a {animal} number {n} runs over the grass,http://x/{n}.jpg\n" for n in range(rows))
    path.write_text("caption,image_url\n" + "".join(lines))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions, and what was built of them."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(BACKENDS.own, "toy", ToyBackend)
        patched.setitem(JUDGES.own, "toy", ToyJudge)
        build(written(folder / "captions.csv"), folder / "out", toy_plan())
    return folder


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    return written(tmp_path / "captions.csv")


@pytest.fixture
def out(made: Path, captions: Path) -> Path:
    """The folder of a build of the captions."""
    return Path(shutil.copytree(made / "out", captions.parent / "out"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def dies_after(end: str, *build_of: Any, **settings: Any) -> None:
    """Build, and die as soon as a file whose path ends so is there."""
    real = Path.replace

    def replace(source: Path, target: Path) -> Path:
        done = real(source, target)
        if Path(target).as_posix().endswith(end):
            raise Death
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(Death):
            build(*build_of, **settings)


@pytest.mark.parametrize("dead_at", ["plan.toml", "test_expanded.csv", "out/train.csv", "out/test.csv"])
def test_a_build_that_dies_leaves_no_mix_of_two_plans(dead_at: str, captions: Path, out: Path) -> None:
    former = files(out)
    dies_after(dead_at, captions, out, toy_plan(test_fraction=0.3), overwrite=True)
    left = files(out)
    assert "README.md" not in left
    assert left["plan.toml"] != former["plan.toml"]
    assert not any(left[name] == former[name] for name in SPLITS if name in left)


def test_two_deaths_after_captions_changed_leave_no_mix(captions: Path, out: Path) -> None:
    written(captions, "cat")
    for dead_at in ("shards/000002.json", "/test.csv"):
        dies_after(dead_at, captions, out, toy_plan())
        assert not any(b"dog" in files(out).get(name, b"") for name in SPLITS)


def test_captions_that_another_process_replaced_are_not_built(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Shards.run

    def run(self: Shards, share: Share, progress: bool) -> None:
        monkeypatch.setattr(Shards, "run", real)
        other = written(tmp_path / "captions.csv", "horse")
        build(other, tmp_path / "out", toy_plan(), worker="1/2", overwrite=True)
        written(captions)
        real(self, share, progress)

    monkeypatch.setattr(Shards, "run", run)
    build(captions, tmp_path / "out", toy_plan(), worker="0/2")
    build(captions, tmp_path / "out", toy_plan())
    assert not any(b"horse" in files(tmp_path / "out")[name] for name in SPLITS)


def test_a_share_of_other_captions_is_refused(captions: Path, tmp_path: Path) -> None:
    build(captions, tmp_path / "out", toy_plan(), worker="0/2")
    written(captions, "horse")
    with pytest.raises(InputError, match=r"captions\.csv.*other captions"):
        build(captions, tmp_path / "out", toy_plan(), worker="1/2")
    assert build(captions, tmp_path / "out", toy_plan(), worker="1/2", overwrite=True).rows == 8


def test_captions_that_change_while_they_are_read_are_told(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Shards.run

    def run(self: Shards, share: Share, progress: bool) -> None:
        written(captions, "horse")
        real(self, share, progress)

    monkeypatch.setattr(Shards, "run", run)
    with pytest.raises(InputError, match="while it was read"):
        build(captions, tmp_path / "out", toy_plan())


def test_a_folder_of_0_2_still_opens_and_keeps_what_is_not_ours(captions: Path, out: Path) -> None:
    """Builds leave the journal of a review and what was exported of it alone; the former card goes."""
    review = {"decisions.jsonl": b'{"format": 1}\n', "reviewed.json": b"{}"}
    review["reviewed.csv"] = (out / "test.csv").read_bytes()
    for name, content in {**review, "card.json": b"{}", "leakage.csv": b"split\n"}.items():
        (out / name).write_bytes(content)
    assert chains.read(out / "reviewed.csv") == chains.read(out / "test.csv")
    build(written(captions, rows=9), out, toy_plan(test_fraction=0.3), overwrite=True)
    assert {name: files(out)[name] for name in review} == review
    assert not {"card.json", "leakage.csv"} & files(out).keys()


def test_the_work_of_version_0_2_begins_again_when_that_is_said(captions: Path, out: Path) -> None:
    shutil.rmtree(out / "work")
    (out / "work" / "generalise").mkdir(parents=True)
    before = files(out)
    with pytest.raises(InputError, match=r"0\.2.*--overwrite"):
        build(captions, out, toy_plan())
    assert files(out) == before
    assert build(captions, out, toy_plan(), overwrite=True).made
    assert build(captions, out, toy_plan()).made == 0
    assert files(out) == before


def test_a_readme_of_something_else_is_left_alone(captions: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(InputError, match=r"README\.md"):
        build(captions, tmp_path, toy_plan())
    assert (tmp_path / "README.md").read_text() == "# My project\n"


def test_a_result_that_cannot_be_written_leaves_the_former_one(
    captions: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files(out)
    monkeypatch.setattr(card, "readme", full)
    with pytest.raises(UnavailableError, match="No space"):
        build(captions, out, toy_plan())
    assert files(out) == before
