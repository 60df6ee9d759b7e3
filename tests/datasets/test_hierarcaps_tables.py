"""Tables of HierarCaps and of chains that are damaged or odd: one sentence names the first row that is wrong."""

import gzip
import os
import random
from pathlib import Path

import pytest

from hiergeo import datasets
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.datasets import chains, hierarcaps
from hiergeo.datasets.hierarcaps import image_name
from tests.datasets.hierarcaps_common import CAT, COCO, DOG, TESTED, write, write_expanded, write_test

HEADER = b"id,captions,image_url\n"


def read_or_refused(path: Path) -> tuple[list[chains.Chain] | None, str]:
    """The rows of a file, or None and the sentence that refuses it."""
    try:
        return chains.read(path), ""
    except HiergeoError as error:
        return None, str(error)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (("1", "a => b => c", COCO.format(1)), "data row 1 .*column captions: 3 tiers instead of 4"),
            (("1", "a => b => c => d => e", COCO.format(1)), "column captions: 5 tiers instead of 4"),
            (("1", "a => b =>  => d", COCO.format(1)), "column captions: tier 2 is empty"),
            (("1", DOG), "2 cells where the header names 3"),
            (("1", DOG, COCO.format(1), "surplus"), "4 cells where the header names 3"),
        ],
    )
    def test_the_first_bad_row_is_named(self, tmp_path, record, words):
        write_test(tmp_path, ("0", DOG, COCO.format(7)), record, ("2", "lonely", ""))
        with pytest.raises(InputError, match=f"hierarcaps_test.csv.*{words}"):
            hierarcaps.load("test", home=tmp_path)

    @pytest.mark.parametrize(
        ("header", "words"),
        [
            (("id", "text", "image_url"), r"column positive: missing \(there are: id, text, image_url\)"),
            (("captions", "captions", "image_url"), "column captions: there twice"),
        ],
    )
    def test_a_column_that_is_not_there_once_is_named(self, tmp_path, header, words):
        write(tmp_path, "hierarcaps_test.csv", header, ("0", DOG, COCO.format(7)))
        with pytest.raises(InputError, match=words):
            hierarcaps.load("test", home=tmp_path)

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (b"", "is empty"),
            (b"\n\n", "is empty"),
            (HEADER, "no rows"),
            (HEADER + b"0,caf\xe9 => b => c => d,u\n", r"data row 0 .*not UTF-8"),
            (HEADER + b'0,a => b => c => d,b\n1,"a\nb",c\n\xff', "data row 1 .*1 tier"),
            (b"\xff\xfe", "UTF-16"),
            ((HEADER.decode() + "0,a,b\n").encode("utf-16-le"), "header: there are null characters"),
            (HEADER + b"0,a,b\n1,c\0,d\n", "data row 0 .*1 tier"),
            (HEADER + b'0,"cut in the midst', "not CSV"),
            (HEADER + b'0,"' + b"a" * 200_000 + b'",b\n', "line 2 .*field limit"),
            (HEADER + b"0,a => b => c => d,b\n" + b"," * 2_000_000, "line 3 has more than 1,048,576 characters"),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path, raw, words):
        write_test(tmp_path).write_bytes(raw)
        with pytest.raises(InputError, match=f"hierarcaps_test.csv.*{words}") as refused:
            hierarcaps.load("test", home=tmp_path)
        assert str(refused.value).isprintable()

    @pytest.mark.parametrize("keep", [-12, 30])
    def test_a_truncated_gzip_is_named(self, tmp_path, keep):
        path = write_expanded(tmp_path, (DOG, CAT, COCO.format(7)))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"expanded\.csv\.gz is (damaged|not compressed)"):
            hierarcaps.load("expanded", home=tmp_path)

    def test_a_missing_file_says_how_to_get_it(self, tmp_path):
        with pytest.raises(UnavailableError, match=r"hiergeo data fetch hierarcaps.*HIERGEO_DATA_HOME"):
            hierarcaps.load("train", home=tmp_path)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_marks_line_ends_blank_lines_and_newlines_in_cells_make_no_difference(self, tmp_path, end, encoding):
        path = write_test(tmp_path)
        rows = ["captions,image_url", "", f'"a => b\nb => c => d é\n",{COCO.format(7)}', "", f"{CAT},{COCO.format(7)}"]
        path.write_bytes(end.join([*rows, ""]).encode(encoding))
        read = hierarcaps.load("test", home=tmp_path)
        assert [row.positive for row in read.rows] == [
            ("a", "b\nb", "c", "d é"),
            ("food", "cat", "dry dog", "A dry dog."),
        ]
        assert [row.row_id for row in read.rows] == [0, 1]
        assert len(read.images) == 1

    def test_compression_is_told_by_content(self, tmp_path):
        path = write_test(tmp_path, ("0", DOG, COCO.format(7)))
        path.write_bytes(gzip.compress(path.read_bytes()))
        assert len(hierarcaps.load("test", home=tmp_path).rows) == 1

    def test_a_gzip_file_that_inflates_without_end_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hiergeo._core.limits.INFLATED_BYTES", 1 << 20)
        path = write_expanded(tmp_path, (DOG, CAT, COCO.format(8)))
        record = f"{DOG},{CAT},{COCO.format(8)}\n".encode()
        bomb = gzip.compress(b"positive,negative,image_url\n" + record * 100_000)
        for content in (bomb, bomb[:-4] + bytes(4), bomb + gzip.compress(record)):
            path.write_bytes(content)
            with pytest.raises(InputError, match="inflates"):
                hierarcaps.load("expanded", home=tmp_path)

    @pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path)], ids=["folder", "pipe"])
    def test_what_is_no_file_is_refused(self, tmp_path, make):
        path = tmp_path / "hierarcaps" / "hierarcaps_test.csv"
        path.parent.mkdir()
        make(path)
        with pytest.raises(InputError, match=r"hierarcaps_test\.csv is a"):
            hierarcaps.load("test", home=tmp_path)

    @pytest.mark.parametrize("packed", [False, True])
    def test_altered_bytes_are_read_or_refused_in_one_sentence(self, tmp_path, packed):
        rows = [(DOG, CAT, COCO.format(8)), ('a => b => c => d "é", e', CAT, COCO.format(9))] * 20
        path = write_expanded(tmp_path, *rows)
        whole, rng = gzip.decompress(path.read_bytes()), random.Random(0)
        reference, own = chains.read(path), tmp_path / "own.csv"
        for _ in range(250):
            content = bytearray(gzip.compress(whole) if packed else whole)
            for _ in range(rng.choice([1, 2, 8])):
                content[rng.randrange(len(content))] = rng.choice([0, 10, 13, 34, 44, 61, 255, rng.randrange(256)])
            own.write_bytes(content)
            read, refusal = read_or_refused(own)
            assert refusal.isprintable()
            assert "own.csv" in refusal if read is None else not packed or read == reference


class TestCheck:
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))

    def test_other_bytes_than_the_published_ones(self, tmp_path, run):
        write_test(tmp_path, ("0", DOG, COCO.format(7)))
        code, _, said = run("data", "check", "test")
        assert (code, "hierarcaps_test.csv differs from the published" in said) == (2, True)

    def test_images_missing_and_altered(self, tmp_path, monkeypatch, run):
        monkeypatch.setattr("hiergeo.datasets.hierarcaps.TRAIN_ROWS", 1)
        path = write(tmp_path, "hierarcaps_train.csv.gz", ("positive", "image_url"), (DOG, COCO.format(TESTED)))
        assert run("data", "check", "train", "--no-images")[0] == 0
        assert "is not there" in run("data", "check", "train")[2]
        image = path.parent / "images" / image_name(TESTED)
        image.parent.mkdir()
        image.write_bytes(b"no picture")
        assert f"{image.name} differs from the published" in run("data", "check", "train")[2]

    def test_a_generated_dataset_is_one_too(self, run):
        assert run("data", "check", "scenes@validation", "--no-images")[0] == 0
        assert "did you mean 'scenes'" in run("data", "check", "scene")[2]

    @pytest.mark.slow
    def test_the_published_files_have_no_defect(self, data_home, monkeypatch, run):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(data_home))
        assert run("data", "check")[0] == 0
        assert "is not there" in run("data", "check", "expanded")[2]
        sample = datasets.load(f"chains:{data_home / 'hierarcaps' / 'hierarcaps_train_sample100.csv'}")
        assert (len(sample.rows), sample.has_negatives, sample.images) == (100, True, ())
