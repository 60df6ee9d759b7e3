"""Model cards with an audit: huggingface_hub reads the results back, and nothing of a card that was there is lost."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

import hiergeo
from hiergeo._core.markdown import plain
from hiergeo.evaluation.auditing import Audit, AuditSettings
from hiergeo.report.interop import write_audit_card
from tests.report.interop.cards_common import check_card

THEIRS = """---
license: mit
language: en
library_name: open_clip
tags:
- clip
model-index:
- name: theirs
  results:
  - task:
      type: feature-extraction
    dataset:
      type: scenes
      name: Scenes
    metrics:
    - type: accuracy
      value: 0.25
---

# Theirs

What they say.

## Hierarchy

Their own section.

## Licence

MIT.
"""


@pytest.fixture(scope="module")
def audit() -> Audit:
    return hiergeo.audit("tiny", hiergeo.datasets.load("scenes", count=16), "lorentz:-1", AuditSettings(steps=3))


def results(path: Path) -> dict[tuple[str | None, str], float]:
    data = ModelCard.load(path).data
    return {(each.dataset_config, each.metric_type): each.metric_value for each in data.eval_results}


def test_a_new_card_is_read_back_with_every_number(audit, tmp_path):
    card = tmp_path / "README.md"
    write_audit_card(card, audit)
    found = results(card)
    assert {("lorentz:-1", metric) for metric in audit.attribution} < found.keys()
    assert ("lorentz:-1", "length_tau_d") in found
    for (_, metric), value in found.items():
        assert value == audit.numbers[metric]
    loaded = ModelCard.load(card)
    assert loaded.data.model_name == "tiny"
    first = loaded.data.eval_results[0]
    assert (first.dataset_name, first.dataset_split, first.dataset_args["rows"]) == ("scenes", "test", 16)
    assert first.metric_args["interval"] == pytest.approx(list(audit.intervals[first.metric_type]))
    first, order, space = [line for line in loaded.text.splitlines() if line and line[0] not in "#<"]
    assert plain(audit.headline) in first
    for question, answer in audit.answers.items():
        assert plain(answer.sentence) in (space if question in ("radii", "curvature", "cones") else order)
    check_card(card.read_text())
    assert (loaded.data.library_name, loaded.data.tags) == ("hiergeo", ["hiergeo", "hierarchy", "vision-language"])


def test_a_card_keeps_what_it_says_and_an_audit_replaces_its_former_self(audit, tmp_path):
    card = tmp_path / "README.md"
    card.write_text(THEIRS)
    write_audit_card(card, replace(audit, numbers=dict.fromkeys(audit.numbers, 0.5)))
    once = card.read_text()
    write_audit_card(card, replace(audit, settings={**audit.settings, "geometry": "euclidean"}))
    write_audit_card(card, audit)
    loaded = ModelCard.load(card)
    check_card(card.read_text())
    assert (loaded.data.library_name, loaded.data.tags[:2]) == ("open_clip", ["clip", "hiergeo"])
    assert (loaded.data.license, loaded.data.language, loaded.data.model_name) == ("mit", "en", "theirs")
    found = results(card)
    assert found[None, "accuracy"] == 0.25
    assert found["lorentz:-1", "tau_d"] == found["euclidean", "tau_d"] == audit.numbers["tau_d"]
    assert loaded.text.count(plain(audit.headline)) == 2
    assert loaded.text.count("## Hierarchy") == 1
    for said in ("What they say.", "Their own section.", "## Licence\n\nMIT."):
        assert said in loaded.text
        assert said in once
    write_audit_card(card, audit)
    assert len(results(card)) == len(found)


def test_names_of_folders_stay_at_home(audit, tmp_path):
    far = {"model": "npz:/home/me/rows.npz", "dataset": "chains:/home/me/own.csv"}
    write_audit_card(tmp_path / "README.md", replace(audit, settings={**audit.settings, **far}))
    assert "/home/me" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("head", ["a: [", "- 1", "model-index: 3"])
def test_what_is_no_card_is_refused_before_the_work(run, tmp_path, head):
    card = tmp_path / "README.md"
    card.write_text(f"---\n{head}\n---\n# A\n")
    code, _, said = run("audit", "-m", "tiny", "-d", "scenes", "--card", card)
    assert code == 2
    assert "README.md" in said
    assert card.read_text().endswith("# A\n")


def test_the_command_writes_a_card(run, tmp_path):
    card = tmp_path / "README.md"
    words = ("audit", "-m", "tiny", "-d", "scenes", "--rows", 16, "-g", "lorentz:-1", "--card", card)
    assert run(*words)[0] == 0
    assert ("lorentz:-1", "tau_d") in results(card)
    assert "untrained copies" in card.read_text()
