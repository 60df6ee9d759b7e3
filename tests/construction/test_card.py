"""Dataset cards: what a build made, a head that hubs read, and nothing that ties to one machine."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core import markdown
from hiergeo.construction import BuildPlan, Built, card
from hiergeo.construction.leakage import Leakage, Reference, leakage
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain

yaml = pytest.importorskip("yaml")

ROWS = [
    Chain(0, ("animal", "a wet dog"), ("plant", "a dry dog"), "a.jpg"),
    Chain(1, ("animal", "a cat on a mat"), ("plant", "a cat on a roof"), "b.jpg"),
]


def written(folder: Path, leaks: Leakage | None = None, **settings: Any) -> str:
    """The text of a card of `ROWS`."""
    chains.write_train(folder / "train.csv", ROWS[:1])
    chains.write_train(folder / "test_expanded.csv", ROWS[1:])
    plan = BuildPlan(**{"backend": "transformers:/home/me/models/tiny", "tiers": 2, **settings})
    drops = {("filter", "not growing"): 2, ("generalise", "no noun"): 1}
    return card.readme(
        folder,
        plan,
        "captions.csv",
        Built(folder, 5, 1, 1, (1, 1), drops),
        leaks or Leakage(),
        {"backend": {"model": "tiny"}},
        {"generalise": "Say it ```shorter```."},
    )


def head(text: str) -> dict:
    return yaml.safe_load(text.split("---\n", 2)[1])


def test_a_card_tells_what_was_made_and_what_was_left_out(tmp_path):
    text = written(tmp_path)
    assert "| test | 1 | 1 |" in text
    assert "| filter | not growing | 2 |" in text
    assert "Of 5 captions 3 were left out" in text
    assert "````text\nSay it ```shorter```.\n````" in text
    for name in ("train.csv", "test_expanded.csv"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in text


def test_hubs_can_read_the_head(tmp_path):
    told = head(written(tmp_path, licence="CC-BY-4.0", title='Pets: "a" & <b>'))
    assert told["license"] == "cc-by-4.0"
    assert told["pretty_name"] == 'Pets: "a" & <b>'
    assert told["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.csv"},
        {"split": "test", "path": "test_expanded.csv"},
    ]
    assert "language" not in told
    told = head(written(tmp_path, backend="wordnet"))
    assert (told["language"], told["pretty_name"]) == (["en"], "Chains of captions.csv")
    assert "<b>" not in written(tmp_path, title="<b>").split("---\n", 2)[2].split("Plan:")[0]


def test_a_licence_that_nobody_states_is_a_warning(tmp_path):
    text = written(tmp_path)
    assert head(text)["license"] == "unknown"
    assert "No licence is stated" in text
    told = head(written(tmp_path, licence="ask the museum"))
    assert (told["license"], told["license_name"]) == ("other", "ask the museum")


def test_a_card_has_no_paths_of_the_machine(tmp_path):
    text = written(tmp_path)
    assert "/home/me" not in text
    assert str(tmp_path) not in text
    assert "transformers:tiny" in text


def test_leaks_are_told_or_why_they_are_not_known(tmp_path):
    others = [
        Reference("pets test", (Chain(7, ("animal", "A wet dog.")),)),
        Reference("hierarcaps test", missing="gone."),
    ]
    text = written(tmp_path, leakage({"train": ROWS[:1]}, others))
    assert "| train | pets test | text | 1 |" in text
    assert "**Not compared with hierarcaps test**: " in text
    assert "gone." not in text


@given(st.text())
def test_code_blocks_hold_any_text(text):
    lines = markdown.fenced(text, "text").split("\n")
    fence = lines[0].removesuffix("text")
    assert lines[-1] == fence
    assert not any(line.lstrip().startswith(fence) for line in lines[1:-1])
