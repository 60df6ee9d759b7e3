"""The tables of words: every list is read by the name that it has, and every line is understood."""

import re
from pathlib import Path

import pytest

from hiergeo.construction.language import contrasts, tables

FOLDER = Path(tables.__file__).parent


def test_every_list_is_read_by_its_name() -> None:
    code = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    read = {*re.findall(r'LISTS\["(\w+)"\]', code), *contrasts.UNFIT.values()}
    assert read == set(tables.LISTS)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_lines_of_a_table_are_comments_lines_or_what_continues_them(path: Path) -> None:
    joined = " ".join(" ".join(tables.table_lines(path.stem)).split())
    plain = " ".join(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    assert joined == " ".join(plain.split())


def test_no_word_stands_in_two_groups_of_an_axis() -> None:
    for groups in contrasts.AXES.values():
        words = [word for group in groups for word in group]
        assert len(set(words)) == len(words)
