"""Files with several defects: all of them are named at once, up to a dozen, and the others counted."""

import re
from pathlib import Path

import pytest
import torch

from hiergeo import search
from hiergeo._core import errors
from hiergeo._core.errors import InputError
from hiergeo.datasets import chains
from hiergeo.datasets.reading import Columns
from hiergeo.datasets.reading.inputs import sound


def rows_named(message: str) -> list[int]:
    return [int(row) for row in re.findall(r"row (\d+)", message)]


def test_every_defect_of_chains_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    good, bad = "thing => dog => big dog", "thing => dog"
    file.write_text("positive\n" + "\n".join([good, bad, good, "thing =>  => cat", good, "a,b,c"]) + "\n")
    with pytest.raises(InputError) as caught:
        chains.read(file)
    assert rows_named(str(caught.value)) == [1, 3, 5]


def test_every_defect_of_captions_is_named_by_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('caption\na dog\n""\na cat\n" "\n')
    (tmp_path / "b.csv").write_text('caption\n""\n')
    with pytest.raises(InputError) as caught:
        list(sound(tmp_path, Columns()))
    message = str(caught.value)
    assert rows_named(message) == [1, 3, 0]
    assert message.index("a.csv") < message.index("row 3") < message.index("b.csv") < message.index("row 0")


def test_bad_ids_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        search.build(
            tmp_path / "index", None, ["a", "b", "c"], embeddings=torch.eye(3), space="euclidean", ids=[-1, 5, "x"]
        )
    assert rows_named(str(caught.value)) == [0, 2]


@pytest.mark.parametrize(
    ("count", "words"), [(12, None), (13, "1 more"), (400, "388 more"), (5000, "at least 988 more")]
)
def test_many_defects_are_counted(tmp_path: Path, count: int, words: str | None) -> None:
    file = tmp_path / "own.csv"
    file.write_text("positive\n" + "thing => dog => big dog\n" + "thing => dog\n" * count)
    with pytest.raises(InputError) as caught:
        chains.read(file)
    assert rows_named(str(caught.value)) == list(range(1, errors.LISTED + 1))
    assert (words or "") in str(caught.value)
    assert ("more" in str(caught.value)) is (words is not None)
