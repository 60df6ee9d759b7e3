"""Cards of heads: what belongs to other weights is not told, paths of one machine stay there, odd files are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiergeo._core.errors import InputError
from hiergeo.adapters.head import Head, HeadShape, write_head
from hiergeo.report import interop
from hiergeo.report.interop.cards import names_a_path

RESULT = {"metrics": {"tau_d": 0.125}}


class Hub:
    """What `push_to_hub` asks of `huggingface_hub.HfApi`, with the names of the files that it was given."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        pass

    def upload_folder(self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str) -> None:
        self.files = allow_patterns


def head(folder: Path, seed: int = 0, **config: Any) -> Path:
    return write_head(folder, Head(HeadShape(3, 2), seed), {"base": "tiny", **config}, overwrite=True)


def test_what_was_measured_with_other_weights_is_not_told(tmp_path: Path):
    folder = head(tmp_path / "head")
    interop.write_card(folder, RESULT, "deep", license="cc-by-4.0")
    hub = Hub()
    interop.push_to_hub(folder, "org/x", api=hub)
    assert {"README.md", "evaluation.json", "audit.json"} < set(hub.files)
    head(folder, seed=1)
    with pytest.warns(UserWarning, match="weights"):
        interop.push_to_hub(folder, "org/x", api=hub)
    assert not {"evaluation.json", "audit.json"} & set(hub.files)
    card = (folder / "README.md").read_text()
    assert json.loads((folder / "config.json").read_text())["weights_sha256"] in card
    assert "0.1250" not in card
    assert "deep" not in card
    interop.write_card(folder, RESULT)
    assert "0.1250" in interop.head_card(folder)
    assert "deep" not in interop.head_card(folder)


def test_specs_that_lead_to_files_are_known_by_their_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    places = ["meru:weights/m.pth", "phyclip:m.pth?heads=4", "lvis:x.npz", "npz:x.npz", "prolip:folder", "hyper3:a/b/c"]
    places += ["hf:models", "hf:org/x?processor=/home/me/x", "hf:org/x?processor=models", "head:folder@tiny"]
    places += ["head:hf-hub:org/x@npz:a.npz", "open_clip:ViT-B-32//w.pt", "open_clip:local-dir:x"]
    places += ["trained:folder", "open_clip:local-dir:x?space=lorentz:-1"]
    names = ["tiny", "lvis:clip", "hf:org/x", "hf:bert", "hf:org/x?processor=org/y", "prolip:org/x", "hyper3:org/x"]
    names += ["trained:hf-hub:org/x", "open_clip:hf-hub:org/x?space=lorentz:-1"]
    names += ["head:hf-hub:org/x", "open_clip:ViT-B-32/openai", "mteb:org/x@v1", "open_clip:hf-hub:org/x"]
    assert [spec for spec in places if not names_a_path(spec)] == []
    assert [spec for spec in names if names_a_path(spec)] == []


@pytest.mark.parametrize(
    ("base", "told"), [("hf:org/x?processor=org/y", "org/x"), ("hf:org/x?processor=/home/me/x", None)]
)
def test_options_of_the_frozen_model_are_no_part_of_its_name(tmp_path: Path, base: str, told: str | None):
    card = interop.head_card(head(tmp_path / "head", base=base))
    assert yaml.safe_load(card.split("---\n")[1]).get("base_model") == told
    assert "/home/me" not in card


@pytest.mark.parametrize("given", [3, [1], {"metrics": {}, "x": {1}}, {"metrics": {"a": float("nan")}}])
def test_results_that_are_no_json_are_refused(tmp_path: Path, given: Any):
    folder = head(tmp_path / "head")
    with pytest.raises(InputError, match="evaluation"):
        interop.write_card(folder, given)
    with pytest.raises(InputError, match="audit"):
        interop.write_card(folder, audit=given)
