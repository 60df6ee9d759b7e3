"""HierarCaps: the real files, its splits by name, its images, and the guard against leakage."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import hierarcaps
from hiergeo.datasets.hierarcaps import image_name
from hiergeo.datasets.hierarcaps import test_images as listed_images
from tests.datasets.hierarcaps_common import CAT, COCO, DOG, TESTED, write_expanded, write_test


class TestRealFiles:
    @pytest.mark.parametrize(
        ("split", "rows", "images", "texts", "negatives"),
        [
            ("test", 1000, 1000, 3132, False),
            ("expanded", 23479, 5000, 105668, True),
            ("expanded-train", 18770, 4000, 85034, True),
            ("expanded-test", 4709, 1000, 23357, True),
        ],
    )
    def test_sizes(self, data_home, split, rows, images, texts, negatives):
        read = hierarcaps.load(split, home=data_home)
        assert (len(read.rows), len(read.images), len(read.texts), read.has_negatives) == (
            rows,
            images,
            texts,
            negatives,
        )

    def test_rows_equal_the_captions_stored_with_the_embeddings(self, data_home):
        with np.load(data_home / "embeddings" / "hierarcaps_minilm_lit.npz") as stored:
            captions, image_ids = stored["caption"].tolist(), stored["image_id"].tolist()
        read = hierarcaps.load("test", home=data_home)
        assert [list(row.positive) for row in read.rows] == captions
        assert [image.image_id for image in read.images] == image_ids
        assert [row.row_id for row in read.rows] == list(range(1000))

    def test_training_rows_keep_the_numbers_of_their_file(self, data_home):
        with np.load(data_home / "embeddings" / "hierarcaps_train_split_minilm.npz") as stored:
            rows, image_ids = stored["row"].tolist(), stored["image_id"].tolist()
        read = hierarcaps.load("expanded-train", home=data_home)
        assert [row.row_id for row in read.rows] == rows
        assert [row.image_id for row in read.rows] == image_ids

    @pytest.mark.slow
    def test_newlines_within_a_cell_belong_to_the_cell(self, data_home):
        read = hierarcaps.load("expanded", home=data_home)
        assert sum(any("\n" in tier for tier in row.positive) for row in read.rows) == 1
        assert all(tier == tier.strip() for row in read.rows for tier in row.positive)

    def test_shared_texts(self, data_home):
        test, training = (hierarcaps.load(split, home=data_home) for split in ("test", "expanded-train"))
        assert len(set(test.texts) & set(training.texts)) == 607

    def test_images_open_as_rgb(self, data_home):
        image = hierarcaps.load("test", home=data_home).images[0].open()
        assert (image.mode, image.size) == ("RGB", (256, 256))


class TestRegistry:
    def test_loads_by_name_from_the_data_home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
        write_test(tmp_path, ("0", DOG, COCO.format(7)))
        read = datasets.load("hierarcaps")
        assert read.rows == (datasets.Row(0, ("animal", "dog", "wet dog", "A wet dog."), None, 7),)
        assert read.images[0].path == tmp_path / "hierarcaps" / "images" / "COCO_val2014_000000000007.jpg"

    @pytest.mark.parametrize(
        ("arguments", "options", "words"),
        [
            (("hierarcap",), {}, "did you mean 'hierarcaps'"),
            (("hierarcaps", "extended"), {}, "did you mean 'expanded'"),
            (("hierarcaps",), {"hom": 1}, "did you mean 'home'"),
        ],
    )
    def test_unknown_names(self, arguments, options, words):
        with pytest.raises(InputError, match=words):
            datasets.load(*arguments, **options)

    def test_data_home(self, monkeypatch, tmp_path):
        monkeypatch.delenv("HIERGEO_DATA_HOME", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert datasets.data_home() == tmp_path / "hiergeo"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert datasets.data_home() == Path.home() / ".cache" / "hiergeo"
        monkeypatch.setenv("HIERGEO_DATA_HOME", "relative")
        assert datasets.data_home() == Path.cwd() / "relative"


class TestImages:
    @pytest.fixture
    def reference(self, tmp_path):
        write_test(tmp_path, ("0", DOG, COCO.format(7)))
        reference = hierarcaps.load("test", home=tmp_path).images[0]
        reference.path.parent.mkdir()
        return reference

    def test_missing_is_said_only_when_opened(self, reference):
        with pytest.raises(UnavailableError, match=r"COCO_val2014_000000000007.jpg is not there.*fetch"):
            reference.open()


class TestLeakage:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
        records = [(DOG, CAT, COCO.format(8)), (CAT, DOG, COCO.format(TESTED)), (CAT, DOG, COCO.format(8))]
        write_expanded(tmp_path, *records)
        return tmp_path

    def test_the_splits_part_the_expanded_rows(self, home):
        train, test = (hierarcaps.load(f"expanded-{part}", home=home) for part in ("train", "test"))
        assert [row.row_id for row in train.rows] == [0, 2]
        assert [row.row_id for row in test.rows] == [1]
        assert [image.image_id for image in train.images] == [8]

    def test_rows_of_test_images_are_refused(self, home):
        expanded = hierarcaps.load("expanded", home=home)
        words = r"split 'expanded': 1 of 3 rows describe test images; train on split 'expanded-train'"
        with pytest.raises(InputError, match=words):
            hierarcaps.check_no_leakage(expanded)
        with pytest.raises(InputError, match="these rows: 1 of 2 rows"):
            hierarcaps.check_no_leakage(expanded.rows[:2])

    def test_clean_rows_pass(self, home):
        hierarcaps.check_no_leakage(hierarcaps.load("expanded-train", home=home))
        other = datasets.Hierarchy("other", "train", hierarcaps.load("expanded-test", home=home).rows)
        hierarcaps.check_no_leakage(other)

    def test_rows_without_a_number_are_compared_by_their_captions(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
        chain = tuple(tier.strip() for tier in DOG.split("=>"))
        rows = [datasets.Row(0, chain), datasets.Row(1, (*chain[:3], "Another dog."))]
        with pytest.warns(UserWarning, match="cannot be compared with the test captions"):
            hierarcaps.check_no_leakage(rows)
        write_test(tmp_path, ("0", DOG, COCO.format(TESTED)))
        with pytest.raises(InputError, match="1 of 2 rows"):
            hierarcaps.check_no_leakage(rows)
        hierarcaps.check_no_leakage(rows[1:])

    def test_the_list_of_test_images_is_that_of_the_published_file(self, data_home):
        listed = listed_images()
        assert set(listed) == {row.image_id for row in hierarcaps.load("test", home=data_home).rows}
        images = data_home / "hierarcaps" / "images"
        assert all(
            hashlib.sha256((images / image_name(image)).read_bytes()).hexdigest() == digest
            for image, digest in listed.items()
        )
