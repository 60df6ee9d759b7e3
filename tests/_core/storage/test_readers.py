"""Files that nobody vouches for: whatever a byte is changed to, what is read is right or refused in one sentence."""

import io
import zipfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives, tensors
from hiergeo._core.storage.archives import Array

WANTED = {"rows": Array("f", (2,)), "names": Array("U", (1,))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stored.npz"


def arrays() -> dict[str, np.ndarray]:
    return {
        "rows": np.arange(6, dtype=np.float32).reshape(2, 3),
        "names": np.array(["dog", "cat"]),
        "other": np.arange(2),
    }


def same(found: dict[str, np.ndarray]) -> bool:
    made = arrays()
    return found.keys() == WANTED.keys() and all(np.array_equal(found[name], made[name]) for name in WANTED)


def member(array: Any, *, header: bytes | None = None) -> bytes:
    """The bytes of an ``.npy`` file; `header` replaces the literal that describes it."""
    out = io.BytesIO()
    np.save(out, array)
    content = out.getvalue()
    if header is None:
        return content
    length = int.from_bytes(content[8:10], "little")
    return content[:8] + len(header).to_bytes(2, "little") + header + content[10 + length :]


def zipped(path: Path, members: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)


def good() -> dict[str, bytes]:
    return {f"{name}.npy": member(array) for name, array in arrays().items()}


@pytest.mark.parametrize("hashed", [True, False])
def test_what_is_cut_off_is_refused_and_what_is_appended_changes_nothing(path, hashed):
    if hashed:
        archives.write(path, arrays())
    else:
        np.savez(path, **arrays())
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            archives.read(path, WANTED)
    for more in (b"\0", content, content[content.index(b"PK\1\2") :], b"x" * 99):
        for whole in (content + more, more + content):
            path.write_bytes(whole)
            with suppress(InputError):
                assert same(archives.read(path, WANTED))


@pytest.mark.parametrize("name", ["rows", "other"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_that_are_not_those_of_the_hash_are_refused(path, name, order):
    """A sound archive of another content, in an array that is wanted and in one that is not."""
    made = {key: np.asarray(array, order=order) for key, array in arrays().items()}
    digest = np.array(archives.content_sha256(made))
    np.savez(path, **made, **{archives.HASH: digest})
    assert same(archives.read(path, WANTED))
    np.savez(path, **made | {name: made[name] + 1}, **{archives.HASH: digest})
    with pytest.raises(InputError, match=r"stored\.npz"):
        archives.read(path, WANTED)


@pytest.mark.parametrize("name", ["rows.npy", "other.npy"])
def test_a_bomb_is_refused_unread(path, name, monkeypatch):
    monkeypatch.setattr(limits, "INFLATED_BYTES", 1 << 20)
    zipped(path, good() | {name: member(np.zeros((1 << 10, 1 << 9)))}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="inflate"):
        archives.read(path, WANTED)


def described(shape: object, descr: object = "<f4", fortran: object = False) -> bytes:
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode() + b"\n"


@pytest.mark.parametrize(
    "header",
    [
        described((-2, -3)),
        described((2, 4)),
        described((2, 3), "|O"),
        described((2, 3), [("a", "<f4")]),
        described((2, 3), "<c8"),
        b"(" * 9000,
        b"__import__('os').abort()\n",
        b"",
    ],
)
def test_headers_that_do_not_fit_are_refused(path, header):
    zipped(path, good() | {"rows.npy": member(arrays()["rows"], header=header)})
    with pytest.raises(InputError):
        archives.read(path, WANTED)


def test_fortran_order_foreign_bytes_and_other_kinds(path):
    made = arrays()
    np.savez(path, **made | {"rows": np.asfortranarray(made["rows"].astype(">f8"))})
    found = archives.read(path, WANTED)
    assert same(found)
    assert found["rows"].dtype == np.float64
    assert found["rows"].flags.c_contiguous
    for wrong in (made["rows"].astype(int), made["rows"].astype(np.longdouble), made["rows"].astype(np.complex64)):
        np.savez(path, **made | {"rows": wrong})
        with pytest.raises(InputError, match="floating-point"):
            archives.read(path, WANTED)


def test_an_archive_may_inflate_to_the_limit_and_not_beyond(path, monkeypatch):
    np.savez_compressed(path, **{name: np.zeros((64, 64)) for name in WANTED})
    with zipfile.ZipFile(path) as archive:
        declared = sum(info.file_size for info in archive.infolist())
    monkeypatch.setattr(limits, "INFLATED_RATIO", 1)
    for limit, refused in ((declared, False), (declared - 1, True)):
        monkeypatch.setattr(limits, "INFLATED_BYTES", limit)
        with pytest.raises(InputError) if refused else nullcontext():
            archives.read(path, {name: Array("f", (2,)) for name in WANTED})


def header(text: str, data: bytes = b"\0" * 8) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (1 << 60).to_bytes(8, "little") + b"{}",
        header('{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}'),
        header('{"a": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}}'),
        header('{"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}'),
        header('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}'),
        header("[" * 1000),
        header("null"),
    ],
)
def test_safetensors_that_do_not_parse_are_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.safetensors"):
        tensors.read(path)


def test_safetensors_cut_off_and_changed(tmp_path):
    path = tmp_path / "a.safetensors"
    made = {"a": torch.arange(6.0).view(2, 3), "empty": torch.zeros(0, 3), "one": torch.tensor(1)}
    content = save(made, metadata={"format": "pt"})
    path.write_bytes(content)
    assert tensors.shapes(path) == {"a": (2, 3), "empty": (0, 3), "one": ()}
    assert all(torch.equal(tensor, made[name]) for name, tensor in tensors.read(path).items())
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            tensors.read(path)
    for place in range(len(content) - 32):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with suppress(InputError):
            tensors.check_fit(path, {"a": (2, 3), "empty": (0, 3), "one": ()}, tensors.shapes(path))
            tensors.read(path)
