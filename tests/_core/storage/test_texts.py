"""Text files and folders that people name: read, or refused in one sentence that names them."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiergeo import datasets
from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo._core.storage.files import size_of
from hiergeo._core.storage.texts import read_text
from hiergeo.datasets import hyperlex

HYPERLEX = "WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10\ncafé drink N hyp-1 5.0 8.5\n"
READERS = {
    "hyperlex": (hyperlex.load_hyperlex, HYPERLEX, 1),
}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_make_no_difference(tmp_path, reader, encoding, end):
    read, text, count = reader
    path = tmp_path / "file.txt"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    assert len(read(path)) == count


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path, text: path.write_bytes(text.encode("latin-1")), InputError),
        (lambda path, text: path.write_bytes(text.encode("utf-16")), InputError),
        (lambda path, text: path.write_bytes(text.encode("utf-16-le")), InputError),
        (lambda path, text: path.write_bytes(b""), InputError),
        (lambda path, text: path.mkdir(), InputError),
        (lambda path, text: os.mkfifo(path), InputError),
        (lambda path, text: None, UnavailableError),
    ],
    ids=["latin-1", "utf-16", "utf-16 without mark", "empty", "folder", "pipe", "missing"],
)
def test_what_is_no_such_text_is_refused_by_name(tmp_path, reader, make, kind):
    read, text, _ = reader
    path = tmp_path / "file.txt"
    make(path, text)
    with pytest.raises(kind, match=r"file\.txt"):
        read(path)


def test_a_text_that_is_too_long_is_refused_unread(tmp_path, reader):
    path = tmp_path / "file.txt"
    with path.open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(InputError, match=r"file\.txt has 21,474,836,480 bytes"):
        reader[0](path)


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "nul\0"])
def test_names_that_no_file_has_are_refused(reader, name):
    with pytest.raises(HiergeoError):
        reader[0](Path(name))


def test_the_line_of_the_wrong_bytes_is_named(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"one\ntwo\nthr\xe9e\n")
    with pytest.raises(InputError, match=r"file\.txt, line 3: the bytes are not UTF-8"):
        read_text(path, "write it")


def test_nothing_has_no_size(tmp_path):
    assert size_of(tmp_path / "absent") is None
    assert size_of(tmp_path / "absent" / "below") is None
    (tmp_path / "file").write_bytes(b"abc")
    assert size_of(tmp_path / "file") == 3
    assert size_of(tmp_path / "file" / "below") is None


@pytest.mark.parametrize("name", ["~nosuchuser/x", "x" * 300, "nul\0", "absent"])
def test_folders_of_labelled_images_that_cannot_be(name):
    with pytest.raises(InputError):
        datasets.labelled(name)


def test_a_folder_within_a_class_is_named(tmp_path):
    for part in ("cats", "dogs"):
        (tmp_path / part).mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / part / "a.png")
    assert datasets.labelled(tmp_path).classes == ("cats", "dogs")
    (tmp_path / "dogs" / "more").mkdir()
    with pytest.raises(InputError, match="more is a folder"):
        datasets.labelled(tmp_path)


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
