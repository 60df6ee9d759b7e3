"""Archives of pictures and captions as the one reader of corpora takes them."""

import io
import tarfile

import pytest

from hiergeo.datasets.reading import Box, Columns, Defect, Sample, UnreadableError
from tests.datasets.reading_common import IMAGES, PAIRS, defects, read, texts
from tests.search.corpus.corpus_common import picture, tar


def test_webdataset(tmp_path):
    members = [
        ("a/1.jpg", picture(1)),
        ("a/1.txt", b"one\n"),
        ("a/1.json", b'{"caption": "other"}'),
        ("a/2.JPG", picture(2)),
        ("a/2.json", b'{"caption": "two"}'),
        ("b/2.png", picture(3)),
        ("b/2.txt", "drei ä".encode()),
        ("3.json", b"{broken"),
        ("4.txt", b"\xff"),
        ("5.jpg", picture(5)),
        ("6.txt", b"six"),
    ]
    tar(tmp_path / "a.tar", members)
    assert texts(tmp_path / "a.tar") == {0: "one", 1: "two", 2: "drei ä", 6: "six"}
    assert sorted(defects(tmp_path / "a.tar")) == [3, 4, 5]
    found = {each.row: each for each in read(tmp_path / "a.tar", IMAGES) if isinstance(each, Sample)}
    assert {row: (each.caption, each.reference) for row, each in found.items()} == {
        0: ("one", f"{tmp_path}/a.tar#a/1.jpg"),
        1: ("two", f"{tmp_path}/a.tar#a/2.JPG"),
        2: ("drei ä", f"{tmp_path}/a.tar#b/2.png"),
        5: (None, f"{tmp_path}/a.tar#5.jpg"),
    }
    assert found[2].image == picture(3)


def test_grit_as_hycoclip_stores_it(tmp_path):
    members = [
        ("1.child.jpg", picture(1)),
        ("1.child.txt", b"a dog on a lawn"),
        ("1.numparents.txt", b"3"),
        ("1.parent001.jpg", picture(3)),
        ("1.parent001.txt", b"a lawn"),
        ("1.parent000.jpg", picture(2)),
        ("1.parent000.txt", b"a dog"),
        ("1.parent002.jpg", picture(4)),
        ("1.parent002.txt", b"\xff"),
        ("1.parent003.txt", b"without a picture"),
        ("1.parent004.json", b"{}"),
        ("2.jpg", picture(5)),
        ("2.txt", b"a plain pair"),
    ]
    tar(tmp_path / "a.tar", members)
    boxes = Columns("pairs", boxes="boxes")
    first, second = (each for each in read(tmp_path / "a.tar", boxes) if isinstance(each, Sample))
    assert (first.caption, first.image) == ("a dog on a lawn", picture(1))
    assert first.boxes == (Box("a dog", picture(2)), Box("a lawn", picture(3)))
    assert (second.caption, second.boxes) == ("a plain pair", ())
    assert [each.boxes for each in read(tmp_path / "a.tar", PAIRS) if isinstance(each, Sample)] == [(), ()]
    assert defects(tmp_path / "a.tar", boxes) == {}


def test_hostile_members_of_an_archive(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("do not read")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind, name, target in (
            (tarfile.SYMTYPE, "1.txt", str(secret)),
            (tarfile.LNKTYPE, "2.txt", "../secret.txt"),
            (tarfile.CHRTYPE, "3.txt", ""),
            (tarfile.FIFOTYPE, "4.txt", ""),
            (tarfile.DIRTYPE, "5.txt", ""),
            (tarfile.REGTYPE, "/absolute/6.txt", ""),
            (tarfile.REGTYPE, "../../7.txt", ""),
            (tarfile.REGTYPE, "x" * 3000 + ".txt", ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            data = b"a dog" if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert texts(tmp_path / "a.tar") == {0: "a dog", 1: "a dog", 2: "a dog"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "secret.txt"]


def test_a_name_of_gigabytes_is_refused(tmp_path):
    info = tarfile.TarInfo("name")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    path = tar(tmp_path / "a.tar", [("1.txt", b"a dog"), ("2.txt", b"a dog")])
    path.write_bytes(path.read_bytes()[:2048] + info.tobuf() + bytes(4096))
    held = read(path)
    assert held[0] == Sample(0, "a dog", name="")
    assert held[1].ends


@pytest.mark.parametrize(("end", "whole"), [(700, None), (2048 + 100, 1), (2048 + 600, 2), (4096, 3)])
def test_a_truncated_archive_ends_with_a_defect(tmp_path, end, whole):
    """The sample that was being read is set aside too: it may lack files."""
    path = tar(tmp_path / "a.tar", [(f"{i}.txt", b"a dog") for i in range(9)])
    path.write_bytes(path.read_bytes()[:end])
    if whole is None:
        with pytest.raises(UnreadableError, match="truncated"):
            read(path)
        return
    held = read(path)
    assert [each.caption for each in held[:-1]] == ["a dog"] * whole
    assert isinstance(held[-1], Defect)
    assert held[-1].ends


def test_a_damaged_header_does_not_end_an_archive_in_silence(tmp_path):
    path = tar(tmp_path / "a.tar", [(f"{i}.txt", b"a dog") for i in range(9)])
    raw = bytearray(path.read_bytes())
    raw[3 * 1024 + 150] ^= 0xFF
    path.write_bytes(raw)
    held = read(path)
    assert held[-1].ends
    assert [each.row for each in held] == [0, 1, 2]
