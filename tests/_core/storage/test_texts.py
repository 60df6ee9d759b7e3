"""Text files that people name: read, or refused in one sentence that names them."""

import gzip
import os

import pytest

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.files import path_of, size_of
from hiergeo._core.storage.texts import read_lines, read_text
from hiergeo.datasets.hyperlex import load_hyperlex

TEXT = "WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10\ncafé drink N hyp-1 5.0 8.5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_make_no_difference(tmp_path, encoding, end):
    path = tmp_path / "file.txt"
    path.write_bytes(TEXT.replace("\n", end).encode(encoding))
    assert read_lines(path, "write it") == TEXT.splitlines()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.write_bytes(TEXT.encode("latin-1")), InputError),
        (lambda path: path.write_bytes(TEXT.encode("utf-16")), InputError),
        (lambda path: path.write_bytes(TEXT.encode("utf-16-le")), InputError),
        (lambda path: path.write_bytes(b""), InputError),
        (lambda path: path.mkdir(), InputError),
        (lambda path: os.mkfifo(path), InputError),
        (lambda path: None, UnavailableError),
    ],
    ids=["latin-1", "utf-16", "utf-16 without mark", "empty", "folder", "pipe", "missing"],
)
def test_what_is_no_such_text_is_refused_by_name(tmp_path, make, kind):
    make(tmp_path / "file.txt")
    with pytest.raises(kind, match=r"file\.txt"):
        load_hyperlex(tmp_path / "file.txt")


def test_the_line_of_the_wrong_bytes_is_named(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"one\ntwo\nthr\xe9e\n")
    with pytest.raises(InputError, match=r"file\.txt, line 3: the bytes are not UTF-8"):
        read_text(path, "write it")


def test_nothing_has_no_size(tmp_path):
    assert size_of(tmp_path / "absent" / "below") is None
    (tmp_path / "file").write_bytes(b"abc")
    assert size_of(tmp_path / "file") == 3
    assert size_of(tmp_path / "file" / "below") is None


@pytest.mark.parametrize("name", ["", "~nosuchuser/x", "x" * 300, "a/" * 3000, "nul\0", "loop/a"])
def test_paths_that_cannot_be_are_refused(tmp_path, monkeypatch, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="path"):
        path_of(name)


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_may_be_as_long_as_the_limit_says(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(limits, "TEXT_BYTES", 1000)
    for size in (1000, 1001):
        content = b"a" * size
        (tmp_path / f"{size}").write_bytes(gzip.compress(content) if packed else content)
    assert read_text(tmp_path / "1000", "write it") == "a" * 1000
    with pytest.raises(InputError, match="1001"):
        read_text(tmp_path / "1001", "write it")


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-9], lambda packed: packed * 2, lambda packed: packed + b"x"]
)
def test_a_compressed_text_is_one_whole_member(tmp_path, damage):
    (tmp_path / "a.gz").write_bytes(damage(gzip.compress(b"a text")))
    with pytest.raises(InputError, match=r"a\.gz"):
        read_text(tmp_path / "a.gz", "write it")
