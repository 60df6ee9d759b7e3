"""The tables of words: every list is read by the name that it has, and every line is understood."""

import re
from pathlib import Path

import pytest

from hiergeo.construction.language import TAGS, grammar, tagging

FOLDER = Path(grammar.__file__).parent


def test_every_list_is_read_by_its_name() -> None:
    code = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    assert set(re.findall(r'LISTS\["(\w+)"\]', code)) == set(grammar.LISTS)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_lines_of_a_table_are_comments_lines_or_what_continues_them(path: Path) -> None:
    joined = " ".join(" ".join(grammar.table_lines(path.stem)).split())
    plain = " ".join(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    assert joined == " ".join(plain.split())


def test_lists_hold_words_or_phrases() -> None:
    assert "living room" in grammar.LISTS["named_by_adjective"]
    assert {"next_to", "behind"} <= grammar.LISTS["locative"]
    assert all(each == each.strip() and each for words in grammar.LISTS.values() for each in words)


def test_scores_are_of_classes() -> None:
    classes = {*TAGS, "START", "END", "AUX", "TO"}
    for table in (tagging.AFTER, tagging.ALSO):
        assert all(classes.issuperset(scores) for scores in table.values())
    assert classes.issuperset(tagging.AFTER)
