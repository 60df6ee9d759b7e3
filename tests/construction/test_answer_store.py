"""Answers of language models survive a kill at any byte, and are those that were put."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hiergeo.construction.answer_store import AnswerStore
from tests.tools import warm

VALUES = {f"key{number}": {"text": "a dog\n" * number, "tokens": number} for number in range(8)}


def filled(folder: Path) -> Path:
    answers = AnswerStore(folder)
    answers.begin(0)
    for key, value in VALUES.items():
        answers.put(key, value)
    return folder / "000000.jsonl"


def test_a_file_cut_at_any_byte_gives_the_answers_before_it_and_takes_more(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    ends = [0, *(place + 2 for place in range(len(content)) if content[place : place + 2] == b"}\n")]
    for cut in range(0, len(content), 7):
        path.write_bytes(content[:cut])
        answers = AnswerStore(tmp_path)
        answers.begin(0)
        there = [key for key in VALUES if answers.get(key) is not None]
        assert len(there) == sum(end - 1 <= cut for end in ends[1:])
        answers.put("after", 1)
        answers.begin(0)
        assert answers.get("after") == 1
        assert {key: answers.get(key) for key in there} == {key: VALUES[key] for key in there}


@pytest.mark.slow
def test_what_was_put_outlives_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hiergeo.construction.answer_store import AnswerStore\n"
        "answers = AnswerStore(Path(sys.argv[1])); answers.begin(0); answers.put('k', [1, 2])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = warm.run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode == -9
    answers = AnswerStore(tmp_path)
    answers.begin(0)
    assert answers.get("k") == [1, 2]


def test_threads_share_answers(tmp_path: Path) -> None:
    answers = AnswerStore(tmp_path)
    answers.begin(0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: answers.put(str(number), "text" * number), range(200)))
    answers.begin(0)
    assert [answers.get(str(number)) for number in range(200)] == ["text" * number for number in range(200)]


def test_answers_in_memory_alone_touch_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    answers = AnswerStore()
    answers.begin(0)
    answers.put("key", 1)
    assert answers.get("key") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
