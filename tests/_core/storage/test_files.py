"""What is written is whole or absent, one writer at a time, and the dead leave nothing that stands in the way."""

import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import files, locks
from hiergeo._core.storage.files import (
    HOST,
    atomic_write,
    atomic_write_text,
    check_folder,
    refuse_existing,
    remove_leftovers,
    retire,
)
from hiergeo._core.storage.locks import locked

posix = pytest.mark.skipif(os.name != "posix", reason="needs the locks and signals of POSIX")


def dead() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(folder: Path, pid: int, host: str = HOST) -> Path:
    return folder / f".a.txt.{host}-{pid}-0123abcd.part"


@posix
def test_leftovers_of_the_dead_are_removed_and_no_others(tmp_path):
    gone, living, elsewhere = (
        leftover(tmp_path, dead()),
        leftover(tmp_path, os.getppid()),
        leftover(tmp_path, dead(), "moon"),
    )
    for path in (gone, living, elsewhere, tmp_path / "mine.part"):
        path.write_text("half")
    folder = tmp_path / f".b.{HOST}-{dead()}-0123abcd.part"
    (folder / "deep").mkdir(parents=True)
    atomic_write_text(tmp_path / "a.txt", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "mine.part", living.name, elsewhere.name}


@posix
@pytest.mark.parametrize("moment", ["open", "written", "synced"])
def test_killed_while_it_writes_a_process_leaves_what_was_there(tmp_path, moment):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "before")
    script = f"""
import os, signal
from hiergeo._core.storage import files
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if {moment!r} == "synced":
    files.os.fsync = die
with files.atomic_write({str(path)!r}) as handle:
    if {moment!r} == "open":
        die()
    handle.write(b"after")
    handle.flush()
    if {moment!r} == "written":
        die()
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_file_that_is_written_has_the_mode_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("text")
    atomic_write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_renamed_before_it_is_deleted(tmp_path, monkeypatch):
    folder = tmp_path / "b"
    (folder / "deep").mkdir(parents=True)
    seen = []
    monkeypatch.setattr(files.shutil, "rmtree", lambda path, **_: seen.append(path))
    retire(folder)
    assert not folder.exists()
    assert files.LEFTOVER.fullmatch(seen[0].name)
    retire(folder)
    link = tmp_path / "link"
    link.symlink_to(seen[0])
    retire(link)
    assert (seen[0].exists(), link.is_symlink()) == (True, False)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000 + "y"])
def test_paths_that_cannot_be_are_one_sentence(tmp_path, name):
    for use in (atomic_write_text, lambda path, _: retire(path)):
        with pytest.raises(UnavailableError, match="cannot write"):
            use(tmp_path / name, "text")
    with pytest.raises(UnavailableError, match="cannot write"), locked(tmp_path / name / "a"):
        pass


@pytest.mark.parametrize("place", ["deleted", "read-only", "full", "a file"])
def test_places_that_cannot_be_written_are_one_sentence(tmp_path, place, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    if place == "read-only":
        monkeypatch.setattr(Path, "open", _refusing(errno.EROFS))
    elif place == "full":
        monkeypatch.setattr(files.os, "fsync", _refusing(errno.ENOSPC))
    elif place == "a file":
        folder.rmdir()
        folder.write_text("mine")
    with pytest.raises(UnavailableError, match="cannot write"):
        write_while(folder / "a.txt", shutil.rmtree if place == "deleted" else str)
    assert place in ("deleted", "a file") or list(folder.iterdir()) == []


@posix
@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_folders_that_cannot_be_synchronised_are_written_to_all_the_same(tmp_path, monkeypatch, code, fails):
    true = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        true(descriptor)

    monkeypatch.setattr(files.os, "fsync", sync)
    with pytest.raises(UnavailableError, match="cannot write") if fails else nullcontext():
        atomic_write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def write_while(path: Path, happens: Callable[[Path], object]) -> None:
    with atomic_write(path) as handle:
        handle.write(b"text")
        happens(path.parent if path.parent.is_dir() else Path())


def _refusing(code: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_what_is_there_is_refused_unless_it_may_be_replaced(tmp_path):
    refuse_existing(tmp_path / "a", overwrite=False)
    refuse_existing(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="is there already"):
        refuse_existing(tmp_path, overwrite=False)


def test_an_error_of_the_writer_passes_through(tmp_path):
    for error in (KeyError("mine"), ValueError("mine"), InputError("mine"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic_write(tmp_path / "a"):
            raise error
    assert list(tmp_path.iterdir()) == []


@posix
def test_the_second_of_two_threads_is_refused(tmp_path):
    said = []

    def second() -> None:
        try:
            with locked(tmp_path / "a"):
                said.append("in")
        except UnavailableError as error:
            said.append(str(error))

    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    second()
    assert "another process or thread" in said[0]
    assert said[1:] == ["in"]
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import signal, sys
from hiergeo._core.storage.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    signal.pause()
"""


@posix
def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path):
    path = tmp_path / "a"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UnavailableError, match="another process"), locked(path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert (tmp_path / ".a.lock").exists()
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_file_is_written_through_a_link_and_never_over_what_is_none(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    atomic_write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UnavailableError):
            atomic_write_text(place, "text")
    assert (tmp_path / "pipe").is_fifo()


@posix
def test_a_folder_that_is_not_ours_to_write_is_refused_before_the_work(tmp_path, monkeypatch):
    check_folder(tmp_path / "new" / "deep", "the index")
    monkeypatch.setattr(files.os, "access", lambda path, mode: not (Path(path) == tmp_path and mode & os.W_OK))
    with pytest.raises(UnavailableError, match=re.escape(str(tmp_path))):
        check_folder(tmp_path / "new" / "deep", "the index")


@posix
def test_lock_files_of_the_dead_go_with_the_next_lock_in_their_folder(tmp_path):
    (tmp_path / ".a.lock").write_text("of a version before")
    (tmp_path / ".b.lock").touch()
    with locked(tmp_path / "c"), locked(tmp_path / "x"):
        assert {path.name for path in tmp_path.iterdir()} == {".c.lock", ".x.lock"}
    assert not list(tmp_path.iterdir())


@posix
def test_a_lock_file_that_is_just_being_removed_is_waited_for(tmp_path):
    """Whoever clears it away holds it for a moment; the lock that is taken then is on the file that is there."""
    place = tmp_path / ".a.lock"
    clearing = FileLock(place)
    clearing.acquire()

    def cleared() -> None:
        place.unlink()
        clearing.release()

    timer = threading.Timer(locks.PATIENCE / 4, cleared)
    timer.start()
    with locked(tmp_path / "a"):
        timer.join()
        assert place.exists()
        with pytest.raises(UnavailableError), locked(tmp_path / "a"):
            pass
    assert not list(tmp_path.iterdir())


def test_files_that_belong_together_are_replaced_all_or_none(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "c").write_text("kept")

    def replaced(error: Exception | None) -> None:
        with files.together(tmp_path, "a", "b", "c") as scratch:
            for name in "ab":
                (scratch / name).write_text("new")
            if error:
                raise error

    with pytest.raises(UnavailableError, match="No space"):
        replaced(OSError(errno.ENOSPC, "No space left on device"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "c": "kept"}
    replaced(None)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new", "c": "kept"}
