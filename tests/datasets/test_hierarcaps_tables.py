"""Tables of HierarCaps that are damaged or odd: what is refused, and every defect that the validator reports."""

import gzip
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiergeo import datasets
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.datasets import hierarcaps
from hiergeo.datasets.hierarcaps.published import image_name
from tests.datasets.hierarcaps_common import CAT, COCO, DOG, TESTED, write, write_expanded, write_test

HEADER = b"id,captions,image_url\n"


def read_or_refused(path: Path) -> tuple[tuple[datasets.Row, ...] | None, str]:
    """The rows of a file, or None and the sentence that refuses it."""
    try:
        return hierarcaps.read(path).rows, ""
    except HiergeoError as error:
        return None, str(error)


def problems(defects):
    return [(defect.row, defect.column, defect.problem) for defect in defects]


class TestBadFiles:
    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (("1", "a => b => c", COCO.format(1)), "data row 1 .*column captions: 3 tiers instead of 4"),
            (("1", "a => b => c => d => e", COCO.format(1)), "column captions: 5 tiers instead of 4"),
            (("1", "a => b =>  => d", COCO.format(1)), "column captions: tier 2 is empty"),
            (("1", DOG, "http://x.org/dog.jpg"), "column image_url: 'http://x.org/dog.jpg' names no MS-COCO"),
            (("1", DOG), "2 cells where the header names 3"),
            (("1", DOG, COCO.format(1), "surplus"), "4 cells where the header names 3"),
        ],
    )
    def test_a_bad_row_is_named(self, tmp_path, record, words):
        write_test(tmp_path, ("0", DOG, COCO.format(7)), record)
        with pytest.raises(InputError, match=f"hierarcaps_test.csv.*{words}"):
            hierarcaps.load("test", home=tmp_path)

    def test_a_missing_column_is_named(self, tmp_path):
        write(tmp_path, "hierarcaps_test.csv", ("id", "text", "image_url"), ("0", DOG, COCO.format(7)))
        with pytest.raises(InputError, match=r"column captions: missing \(found: id, text, image_url\)"):
            hierarcaps.load("test", home=tmp_path)

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (b"", "is empty"),
            (b"\n\n", "is empty"),
            (b"id,captions,image_url\n", "no rows"),
            (b"id,captions,image_url\n0,caf\xe9 => b => c => d,u\n", r"data row 0 .*not UTF-8"),
            (b'id,captions,image_url\n0,a,b\n1,"a\nb",c\n\xff', r"data row 2 .*not UTF-8"),
            (b"\xff\xfe", "UTF-16"),
            (b'id,captions,image_url\n0,"cut in the midst', "not CSV"),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path, raw, words):
        path = write_test(tmp_path)
        path.write_bytes(raw)
        with pytest.raises(InputError, match=f"hierarcaps_test.csv.*{words}"):
            hierarcaps.load("test", home=tmp_path)
        *_, defect = hierarcaps.validate("test", home=tmp_path)
        assert defect.file == "hierarcaps_test.csv"
        assert "hierarcaps_test.csv" in defect.problem

    @pytest.mark.parametrize("keep", [-12, 30])
    def test_a_truncated_gzip_is_named(self, tmp_path, keep):
        path = write_expanded(tmp_path, (DOG, CAT, COCO.format(7)))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"expanded\.csv\.gz is (truncated|not compressed)"):
            hierarcaps.load("expanded", home=tmp_path)

    def test_a_plain_file_named_gz_is_refused(self, tmp_path):
        write_expanded(tmp_path).write_bytes(b"positive,negative,image_url\n")
        with pytest.raises(InputError, match="not compressed"):
            hierarcaps.load("expanded", home=tmp_path)

    def test_a_missing_file_says_how_to_get_it(self, tmp_path):
        with pytest.raises(UnavailableError, match=r"hiergeo data fetch hierarcaps.*HIERGEO_DATA_HOME"):
            hierarcaps.load("train", home=tmp_path)

    def test_byte_order_mark_blank_lines_and_newlines_are_legal(self, tmp_path):
        path = write_test(tmp_path)
        path.write_bytes(
            b"\xef\xbb\xbfcaptions,image_url\r\n\r\n"
            + f'"a => b\nb => c => d\n",{COCO.format(7)}\r\n\r\n{DOG},{COCO.format(7)}\r\n'.encode()
        )
        read = hierarcaps.load("test", home=tmp_path)
        assert [row.positive for row in read.rows] == [
            ("a", "b\nb", "c", "d"),
            ("animal", "dog", "wet dog", "A wet dog."),
        ]
        assert [row.row_id for row in read.rows] == [0, 1]
        assert len(read.images) == 1

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (HEADER + "0,a => b => c => d,é\n".encode("utf-16"), "data row 0 .*not UTF-8"),
            ((HEADER.decode() + "0,a,b\n").encode("utf-16"), "UTF-16"),
            ((HEADER.decode() + "0,a,b\n").encode("utf-16-le"), "header: there are null characters"),
            (HEADER + "0,café,b\n".encode("latin-1"), "data row 0 .*not UTF-8"),
            (HEADER + b"0,a,b\n1,c\0,d\n", "data row 1 .*null characters"),
            (HEADER + b'0,"' + b"a" * 200_000 + b'",b\n', "line 2: .*field limit"),
            (HEADER + b"0,a,b\n" + b"," * 2_000_000, "line 3 has more than 1,048,576 characters"),
            (HEADER + b"0,a,b\n" + b'1,"a\n' + b'","b\n' * 300_000, "not CSV"),
        ],
        ids=["row of utf-16", "utf-16", "utf-16 without mark", "latin-1", "null", "cell", "line", "record"],
    )
    def test_letters_and_lengths_that_no_table_has(self, tmp_path, raw, words):
        path = write_test(tmp_path)
        path.write_bytes(raw)
        with pytest.raises(InputError, match=f"hierarcaps_test.csv.*{words}") as refused:
            hierarcaps.load("test", home=tmp_path)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_line_ends_and_marks_make_no_difference(self, tmp_path, end, encoding):
        path = write_test(tmp_path)
        text = end.join(["captions,image_url", f"{DOG} é,{COCO.format(7)}", f"{CAT},{COCO.format(8)}", ""])
        path.write_bytes(text.encode(encoding))
        read = hierarcaps.load("test", home=tmp_path)
        assert [row.positive[-1] for row in read.rows] == ["A wet dog. é", "A dry dog."]

    def test_a_column_that_is_there_twice_is_named(self, tmp_path):
        write(tmp_path, "hierarcaps_test.csv", ("captions", "captions", "image_url"), (DOG, CAT, COCO.format(7)))
        with pytest.raises(InputError, match="column captions: there twice"):
            hierarcaps.load("test", home=tmp_path)

    def test_compression_is_told_by_content(self, tmp_path):
        path = write_test(tmp_path, ("0", DOG, COCO.format(7)))
        path.write_bytes(gzip.compress(path.read_bytes()))
        assert len(hierarcaps.load("test", home=tmp_path).rows) == 1

    def test_a_gzip_file_that_inflates_without_end_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hiergeo._core.limits.TABLE_BYTES", 1 << 20)
        path = write_expanded(tmp_path, (DOG, CAT, COCO.format(8)))
        record = f"{DOG},{CAT},{COCO.format(8)}\n".encode()
        bomb = gzip.compress(b"positive,negative,image_url\n" + record * 40_000)
        for content in (bomb, bomb[:-4] + bytes(4), bomb + gzip.compress(record)):
            path.write_bytes(content)
            with pytest.raises(InputError, match="inflates"):
                hierarcaps.load("expanded", home=tmp_path)

    def test_a_file_of_many_defects_is_not_read_to_its_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hiergeo._core.errors.COUNTED", 3)
        path = write_test(tmp_path, *[("0", "dog", COCO.format(7))] * 3)
        with path.open("ab") as file:
            file.write(b"\0,\0,\0\n")
        with pytest.raises(InputError, match="data row 0"):
            hierarcaps.load("test", home=tmp_path)

    @pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path)], ids=["folder", "pipe"])
    def test_what_is_no_file_is_refused(self, tmp_path, make):
        path = tmp_path / "own.csv"
        make(path)
        with pytest.raises(InputError, match=r"own\.csv is a"):
            hierarcaps.read(path)

    def test_a_defect_is_one_line_whatever_the_cells_hold(self, tmp_path):
        url = "http://x.org/\n\x1b[31m" + "x" * 100_000
        write_test(tmp_path, ("0", DOG, url))
        (defect,) = hierarcaps.validate("test", home=tmp_path)[1:]
        assert str(defect).isprintable()
        assert len(str(defect)) < 400

    @pytest.mark.parametrize("packed", [False, True])
    def test_altered_bytes_are_read_or_refused_in_one_sentence(self, tmp_path, packed):
        rows = [(DOG, CAT, COCO.format(8)), ('a => b => c => d "é", e', CAT, COCO.format(9))] * 20
        path = write_expanded(tmp_path, *rows)
        whole, rng = gzip.decompress(path.read_bytes()), random.Random(0)
        reference = hierarcaps.load("expanded", home=tmp_path).rows
        for _ in range(250):
            content = bytearray(gzip.compress(whole) if packed else whole)
            for _ in range(rng.choice([1, 2, 8])):
                content[rng.randrange(len(content))] = rng.choice([0, 10, 13, 34, 44, 61, 255, rng.randrange(256)])
            own = tmp_path / "own.csv"
            own.write_bytes(content)
            read, refusal = read_or_refused(own)
            if read is None:
                assert refusal.isprintable()
                assert "own.csv" in refusal
                assert hierarcaps.validate(own, home=tmp_path, images=False)
            else:
                assert not packed or read == reference


class TestValidator:
    def test_every_defect_of_a_file_is_reported(self, tmp_path):
        write_test(tmp_path, ("0", DOG, COCO.format(7)))
        path = write_expanded(
            tmp_path,
            (DOG, CAT, COCO.format(8)),
            ("a => b => c", "a =>  => c => d => e", "http://x.org/dog.jpg"),
            (DOG, CAT, COCO.format(8)),
            ("a => A => c => d", "e => f => g => g", COCO.format(8)),
            ("a => b => c => d", "e => B => f => g", COCO.format(8)),
            (DOG, CAT),
        )
        assert problems(hierarcaps.validate(path, home=tmp_path, images=False))[1:] == [
            (1, "positive", "3 tiers instead of 4"),
            (1, "negative", "5 tiers instead of 4"),
            (1, "negative", "tier 1 is empty"),
            (1, "image_url", "'http://x.org/dog.jpg' names no MS-COCO image"),
            (3, "positive", "tier 1 repeats tier 0"),
            (3, "negative", "tier 3 repeats tier 2"),
            (4, "negative", "tier 1 repeats the positive tier 1"),
            (5, None, "2 cells where the header names 3"),
            (2, None, "repeats data row 0"),
        ]

    def test_other_bytes_than_the_published_ones(self, tmp_path):
        path = write_test(tmp_path, ("0", DOG, COCO.format(7)))
        (defect,) = hierarcaps.validate(path, home=tmp_path, images=False)
        assert "instead of the published 3474564194fd2a85" in defect.problem

    def test_images_missing_and_truncated(self, tmp_path):
        path = write_test(tmp_path, *((str(i), f"a{i} => b => c => d", COCO.format(i)) for i in range(3)))
        images = path.parent / "images"
        images.mkdir()
        Image.new("RGB", (9, 9)).save(images / "COCO_val2014_000000000000.jpg")
        (images / "COCO_val2014_000000000001.jpg").write_bytes(b"no picture")
        assert [(defect.file, defect.problem) for defect in hierarcaps.validate("test", home=tmp_path)[1:]] == [
            ("images/COCO_val2014_000000000001.jpg", "image file is truncated or not an image"),
            ("images/COCO_val2014_000000000002.jpg", "image file is missing"),
        ]

    def test_test_images_in_training_data(self, tmp_path):
        header = ("positive", "negative", "image_url")
        own = write(tmp_path, "own.csv", header, (DOG, CAT, "http://x.org/1"), (CAT, DOG, COCO.format(TESTED)))
        assert problems(hierarcaps.validate(str(own), home=tmp_path, images=False)) == [
            (1, "image_url", f"image {TESTED} is a test image in training data")
        ]

    def test_missing_columns(self, tmp_path):
        own = write(tmp_path, "own.csv", ("positive", "url"), (DOG, COCO.format(7)))
        assert problems(hierarcaps.validate(own, home=tmp_path)) == [
            (None, "negative", "missing (found: positive, url)"),
            (None, "image_url", "missing (found: positive, url)"),
        ]

    def test_what_was_found_before_the_file_breaks_off_is_reported(self, tmp_path):
        own = write(tmp_path, "own.csv", ("positive", "negative", "image_url"), ("a => b", CAT, "x"), (DOG, CAT, "x"))
        own.write_bytes(own.read_bytes() + b'"cut in the midst')
        found = hierarcaps.validate(own, home=tmp_path)
        assert [defect.row for defect in found] == [0, None]
        assert "not CSV" in found[-1].problem

    def test_rows_that_repeat_others_name_the_first_of_them(self, tmp_path):
        rng = np.random.default_rng(0)
        picked = rng.integers(0, 60, 200)
        records = [(f"a => b => c => d {p}", f"e => f => g => h {p % 7}", f"u{p % 2}") for p in picked]
        own = write(tmp_path, "own.csv", ("positive", "negative", "image_url"), *records)
        first, expected = {}, []
        for row, record in enumerate(records):
            if record[:2] in first:
                expected.append((row, None, f"repeats data row {first[record[:2]]}"))
            first.setdefault(record[:2], row)
        assert problems(hierarcaps.validate(own, home=tmp_path)) == expected

    def test_the_search_ends_after_so_many_defects(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hiergeo._core.limits.DEFECTS", 5)
        own = write(tmp_path, "own.csv", ("positive", "negative", "image_url"), *[("a", CAT, "x")] * 9)
        found = hierarcaps.validate(own, home=tmp_path)
        assert [defect.row for defect in found] == [0, 1, 2, 3, 4, None]

    def test_an_image_of_other_bytes_than_the_published_one(self, tmp_path):
        path = write_test(tmp_path, ("0", DOG, COCO.format(TESTED)))
        image = path.parent / "images" / image_name(TESTED)
        image.parent.mkdir()
        Image.new("RGB", (9, 9)).save(image)
        assert hierarcaps.validate("test", home=tmp_path)[-1].problem == "image file is not the published one"

    def test_unknown_split(self):
        with pytest.raises(InputError, match="did you mean 'expanded'"):
            hierarcaps.validate("expandd")
