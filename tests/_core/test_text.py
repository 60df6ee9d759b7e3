"""Text from outside in messages, terminals and pages."""

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo._core.limits import MESSAGE_CHARACTERS
from hiergeo._core.text import END, ISOLATE, OPENING, file_name, inert, isolated, one_line, tame, without_folders

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=50)
MARKS = st.text(st.sampled_from(["a", "א", "\u202e", "\u202c", *OPENING, END, "\n", "\x1b", "\ud800"]), max_size=12)


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\n", r"\n"),
        ("\x1b", r"\x1b"),
        ("\u2028", r"\u2028"),
        ("\u202e", r"\u202e"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_cannot_be_printed_is_escaped_in_messages(character, shown):
    assert one_line(f"no file a{character}b") == f"no file a{shown}b"


@given(ANYTHING)
def test_messages_are_one_printable_line_and_stay_as_they_are(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line
    line.encode()


def test_long_messages_keep_their_beginning_and_their_end():
    line = one_line("cannot read " + "x" * 10**6 + ": give another file.")
    assert len(line) == MESSAGE_CHARACTERS
    assert line.startswith("cannot read ")
    assert line.endswith(": give another file.")


@pytest.mark.parametrize("kind", [HiergeoError, InputError, UnavailableError])
def test_every_error_cleans_its_own_message(kind):
    error = kind("bad name\n\x1b[31mred\u202e")
    assert str(error) == r"bad name\n\x1b[31mred\u202e"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@given(MARKS)
def test_captions_close_what_they_open(text):
    depth = 0
    for character in tame(text):
        depth += (character in OPENING) - (character == END)
        assert depth >= 0
    assert depth == 0


@given(ANYTHING)
def test_captions_lose_controls_alone(text):
    shown = tame(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in shown)
    letters = [character for character in text if unicodedata.category(character)[0] == "L"]
    assert [character for character in shown if unicodedata.category(character)[0] == "L"] == letters


@pytest.mark.parametrize("text", ["שלום", "left \u202eright", "\u2067open", "٣"])
def test_captions_that_turn_their_neighbours_are_isolated_in_terminals(text):
    assert isolated(text).startswith(ISOLATE)
    assert isolated(text).endswith(END)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-1 to =2",
        "\t=1",
        " =1",
        "\u200b=1",
        "＝1",
        "1\t=1",
    ],
)
def test_texts_that_spreadsheets_run_are_preceded_by_an_apostrophe(text):
    assert inert(text) == (text if text.startswith("1") else f"'{text}")


@pytest.mark.parametrize(
    "cell", [-1, -0.5, None, "-1", "+0.25", "-1e-9", "-inf", "+0.1 to +0.2", "", "a = b", "3-4", "'=1", "−1"]
)
def test_numbers_and_harmless_texts_stay_as_they_are(cell):
    assert inert(cell) is cell


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("npz:/home/me/a.npz@mean", "npz:a.npz@mean"),
        ("chains:~/data/own.csv", "chains:own.csv"),
        ("open_clip:ViT-B-32//models/b.safetensors", "open_clip:ViT-B-32/b.safetensors"),
        ("/a/b/index", "index"),
        ("open_clip:ViT-B-32/openai", "open_clip:ViT-B-32/openai"),
        ("npz:/home/me/a b/emb.npz", "npz:emb.npz"),
        ("npz:/h/m/rows.npy@mean?captions=/h/m/t.csv:title", "npz:rows.npy@mean?captions=t.csv:title"),
        ("open_clip:hf-hub:ORG/NAME", "open_clip:hf-hub:ORG/NAME"),
    ],
)
def test_specs_lose_folders_and_keep_names_with_a_slash(spec, name):
    assert without_folders(spec) == name


def test_files_are_named_after_specs():
    assert file_name("compare", "npz:/home/me/a.b.npz", "chains:x/own.csv") == "compare-a.b-own"
    assert file_name("open_clip:ViT-B-32/openai", "scenes") == "open_clip-ViT-B-32-openai-scenes"
    long = [file_name(f"hf:{'n' * 300}{end}") for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) < 128


@given(st.text())
def test_names_of_files_stay_in_their_folder(spec):
    assert not set(file_name(spec)) & set("/\\\0")
