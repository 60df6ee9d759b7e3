"""Exchange with other tools: results for CLIP_benchmark, cards of heads, and heads on the hub."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from hiergeo import Lorentz, adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.markdown import plain
from hiergeo.adapters.head import Head, HeadShape, write_head
from hiergeo.cli.app import app
from hiergeo.evaluation import Result, benchmarks
from hiergeo.report import interop
from hiergeo.report.interop.cards import names_a_path
from hiergeo.training import save_head, train_clip, train_head
from tests.evaluation.benchmarks.pictures_common import Given
from tests.report.interop.cards_common import check_card
from tests.training.training_common import FAST, captions, chains, stored

RESULT = {"metrics": {"tau_d": 0.125}}
VERDICT = "The geometry does <b>no</b> work here; | depth is within the null."


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads") / "a head"
    return save_head(train_head(chains(), Lorentz(-0.5, learnable=True), FAST), chains(), folder)


@pytest.fixture
def head(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "head"))


class Hub:
    """What `push_to_hub` asks of `huggingface_hub.HfApi`; a repository is a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.made = root, dict[str, bool]()

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        self.made[repo_id] = private

    def upload_folder(self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str) -> None:
        target = self.root / repo_id
        target.mkdir(parents=True)
        for name in allow_patterns:
            shutil.copy(Path(folder_path) / name, target / name)


def result(**changes: Any) -> Result:
    settings = {"model": "open_clip:ViT-B-32/openai", "dataset": "retrieval", "data": "coco", "split": "val2017"}
    settings |= {"geometry": "lorentz:-1", "protocol": "COCO val2017"}
    metrics = {"image_to_text_r1": 0.5, "text_to_image_r10": 0.75}
    return Result(changes.pop("metrics", metrics), {**settings, **changes}, {}, {})


def test_a_retrieval_becomes_a_row_of_clip_benchmark():
    made = interop.to_clip_benchmark(result())
    assert made["metrics"] == {"text_retrieval_recall@1": 0.5, "image_retrieval_recall@10": 0.75}
    assert (made["model"], made["pretrained"], made["language"]) == ("ViT-B-32", "openai", "en")
    assert (made["dataset"], made["task"]) == ("mscoco_captions2017", "zeroshot_retrieval")
    row = {**made["metrics"], **{name: value for name, value in made.items() if name != "metrics"}}
    assert all(isinstance(value, str | float) for value in row.values())  # as `clip_benchmark build` flattens it
    written = io.StringIO()
    csv.DictWriter(written, fieldnames=sorted(row)).writerow(row)
    assert interop.to_clip_benchmark(result(model="tiny", data="own"), dataset="wds/own")["dataset"] == "wds/own"
    assert interop.to_clip_benchmark(result(model="hf:a/b"))["model"] == "hf:a/b"
    accuracies = {"zero_shot_accuracy": 0.5, "top5_accuracy": 0.75, "mean_per_class_accuracy": 0.25, "other": 1.0}
    made = interop.to_clip_benchmark(result(dataset="zero_shot", metrics=accuracies, data="scenes"))
    assert made["metrics"] == {"acc1": 0.5, "acc5": 0.75, "mean_per_class_recall": 0.25}
    assert (made["task"], made["dataset"]) == ("zeroshot_classification", "scenes")
    with pytest.raises(InputError, match="hyperlex"):
        interop.to_clip_benchmark(result(dataset="hyperlex"))


def test_a_card_tells_what_the_head_is(head: Path):
    result = benchmarks.measure(Given(), "retrieval", data="scenes", take=9, samples=5)
    card = interop.write_card(head, result, VERDICT, name="org/shapes", license="cc-by-4.0").read_text()
    _, front, body = card.split("---\n", 2)
    about = yaml.safe_load(front)
    check_card(card)
    assert (about["library_name"], about["license"]) == ("hiergeo", "cc-by-4.0")
    (index,) = about["model-index"]
    told = {metric["type"]: metric["value"] for part in index["results"] for metric in part["metrics"]}
    assert told == pytest.approx({name: value for name, value in result.metrics.items() if value is not None})
    config = json.loads((head / "config.json").read_text())
    assert plain(config["data"]["sha256"]) in body
    assert "lorentz:-0." in body
    assert f"{config['curvature'][0]:.6g}" in body
    for loss, weight in config["losses"].items():
        assert plain(f"{loss} x {weight:g}") in body
    low, high = result.intervals["image_to_text_r5"]
    chance = result.baselines["image_to_text_r5"]["chance"]
    value = result.metrics["image_to_text_r5"]
    assert f"| {value:.4f} | {low:.4f} to {high:.4f} | chance {chance:.4f} |" in body
    assert plain(VERDICT) in body
    assert 'load("head:hf-hub:org/shapes@SPEC")' in body
    again = interop.write_card(head).read_text()  # what is stored stays
    assert "work here" in again
    assert f"{value:.4f}" in again


def test_a_head_goes_to_the_hub_and_comes_back(head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = stored(tmp_path / "stored.npz")
    (head / "secret.txt").write_text("not for others")
    hub = Hub(tmp_path / "hub")
    assert interop.push_to_hub(head, "org/shapes", private=True, api=hub).endswith("/org/shapes")
    assert hub.made == {"org/shapes": True}
    uploaded = tmp_path / "hub" / "org" / "shapes"
    assert {path.suffix for path in uploaded.iterdir()} == {".json", ".safetensors", ".md"}
    assert 'load("head:hf-hub:org/shapes' in (uploaded / "README.md").read_text()

    def snapshot_download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert revision in (None, "v1")
        return str(tmp_path / "hub" / name)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    local = adapters.load(f"head:{head}@{model.name}", device="cpu")
    remote = adapters.load(f"head:hf-hub:org/shapes:v1@{model.name}", device="cpu")
    named = adapters.load(f"head:hf-hub:org/shapes@{model.name}", device="cpu")
    expected = local.encode_text(captions()[:5])
    for again in (remote, named):
        torch.testing.assert_close(again.encode_text(captions()[:5]), expected)
        space = again.native_space()
        assert space is not None
        assert space.geometry.spec.startswith("lorentz:-0.")


def test_paths_of_others_are_told_before_they_are_uploaded(tmp_path: Path):
    folder = write_head(tmp_path / "head", Head(HeadShape(3, 3)), {"base": "npz:/home/me/a.npz"})
    with pytest.warns(UserWarning, match="/home/me"):
        interop.push_to_hub(folder, "org/shapes", api=Hub(tmp_path / "hub"))
    assert "/home/me" not in (folder / "README.md").read_text()
    public = write_head(tmp_path / "public", Head(HeadShape(3, 3)), {"base": "hf:org/clip"})
    card = interop.head_card(public)
    assert yaml.safe_load(card.split("---\n")[1])["base_model"] == "org/clip"
    assert "head:" in card
    assert "SPEC" not in card


def test_what_cannot_be_shared_is_refused(head: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no head"):
        interop.push_to_hub(tmp_path, "org/shapes", api=Hub(tmp_path))
    for name in ("shapes", "org/shapes/x", "org/sh apes", ""):
        with pytest.raises(InputError, match="ORG/NAME"):
            interop.push_to_hub(head, name, api=Hub(tmp_path))
    with pytest.raises(InputError, match="metrics"):
        interop.write_card(head, {"values": {}})
    with pytest.raises(InputError, match="verdict"):
        interop.write_card(head, audit={"numbers": {}})

    class Closed(Hub):
        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
            raise ConnectionError("no route to the hub")

    with pytest.raises(UnavailableError, match="no route"):
        interop.push_to_hub(head, "org/shapes", api=Closed(tmp_path))
    (head / "evaluation.json").write_text("{")
    with pytest.raises(InputError, match=r"evaluation\.json"):
        interop.head_card(head)


def test_the_command_line_writes_cards(head: Path, tmp_path: Path):
    measured = tmp_path / "measured.json"
    measured.write_text(result().to_json())
    audited = tmp_path / "audit.json"
    audited.write_text(json.dumps({"numbers": {"u_median": 0.25}, "verdict": "flat"}))
    run = CliRunner().invoke(app, ["train", "card", str(head), "--metrics", str(measured), "--audit", str(audited)])
    assert (run.exit_code, run.stdout.strip()) == (0, str(head / "README.md"))
    card = (head / "README.md").read_text()
    assert "flat" in card
    assert "0.7500" in card
    assert json.loads((head / "audit.json").read_text())["numbers"] == {"u_median": 0.25}


class Whole(Hub):
    """A hub that is given folders."""

    def upload_folder(self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str) -> None:
        from huggingface_hub.utils import filter_repo_objects

        names = [path.relative_to(folder_path).as_posix() for path in Path(folder_path).rglob("*") if path.is_file()]
        for name in filter_repo_objects(names, allow_patterns=allow_patterns):
            target = self.root / repo_id / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(folder_path) / name, target)


def test_an_image_text_model_goes_to_the_hub_with_its_own_files_alone(tmp_path: Path):
    plan = {"steps": 1, "batch": 4, "every": 1, "data": {"rows": 8, "held_out": 4}}
    spec = train_clip({"out": str(tmp_path / "a"), **plan}).spec
    (tmp_path / "a" / "notes.txt").write_text("my own")
    (tmp_path / "a" / "runs").mkdir()
    (tmp_path / "a" / "runs" / "README.md").write_text("of tensorboard")
    interop.push_to_hub(tmp_path / "a", "org/clip", api=Whole(tmp_path / "hub"))
    there = tmp_path / "hub" / "org" / "clip"
    own = {"README.md", "hiergeo.json", "log.jsonl", "open_clip_config.json", "open_clip_model.safetensors"}
    own.add("merges.txt.gz")
    assert {path.relative_to(there).as_posix() for path in there.rglob("*")} == own
    texts = ["an eagle"]
    torch.testing.assert_close(
        adapters.load(f"trained:{there}").encode_text(texts), adapters.load(spec).encode_text(texts)
    )


def test_the_card_of_an_image_text_model_tells_the_audit_of_its_weights(tmp_path: Path):
    plan = {"out": str(tmp_path / "a"), "steps": 1, "batch": 4, "every": 1, "data": {"rows": 8, "held_out": 4}}
    spec = train_clip(plan).spec
    assert "No audit" in (tmp_path / "a" / "README.md").read_text()
    audit = {"verdict": "flat: nothing survives", "numbers": {"u_median": 0.25}, "settings": {"model": spec}}
    card = interop.write_card(tmp_path / "a", {"metrics": {"tau_d": 0.75}}, audit, license="mit").read_text()
    assert "flat: nothing survives" in card
    check_card(card)
    assert "0.7500" in card
    assert "license: mit" in card
    stored = json.loads((tmp_path / "a" / "audit.json").read_text())
    assert "model" not in stored["settings"]
    hub = tmp_path / "hub"
    interop.push_to_hub(tmp_path / "a", "org/clip", api=Whole(hub))
    assert "flat: nothing survives" in (hub / "org" / "clip" / "README.md").read_text()
    assert (hub / "org" / "clip" / "audit.json").is_file()
    train_clip(plan | {"seed": 1}, overwrite=True)
    with pytest.warns(UserWarning, match="weights") as told:
        interop.push_to_hub(tmp_path / "a", "org/other", api=Whole(hub))
    assert {name for each in told for name in ("audit.json", "evaluation.json") if name in str(each.message)} == {
        "audit.json",
        "evaluation.json",
    }
    assert "No audit" in (hub / "org" / "other" / "README.md").read_text()
    assert not (hub / "org" / "other" / "audit.json").exists()


def made(folder: Path, seed: int = 0, **config: Any) -> Path:
    return write_head(folder, Head(HeadShape(3, 2), seed), {"base": "tiny", **config}, overwrite=True)


def test_what_was_measured_with_other_weights_is_not_told(tmp_path: Path):
    folder, hub = made(tmp_path / "head"), Hub(tmp_path / "hub")
    interop.write_card(folder, RESULT, "deep", license="cc-by-4.0")
    interop.push_to_hub(folder, "org/x", api=hub)
    assert {"README.md", "evaluation.json", "audit.json"} < {path.name for path in (hub.root / "org" / "x").iterdir()}
    made(folder, seed=1)
    with pytest.warns(UserWarning, match="weights"):
        interop.push_to_hub(folder, "org/y", api=hub)
    assert {path.suffix for path in (hub.root / "org" / "y").iterdir()} == {".json", ".safetensors", ".md"}
    assert not (hub.root / "org" / "y" / "audit.json").exists()
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
    card = interop.head_card(made(tmp_path / "head", base=base))
    assert yaml.safe_load(card.split("---\n")[1]).get("base_model") == told
    assert "/home/me" not in card


@pytest.mark.parametrize("given", [3, [1], {"metrics": {}, "x": {1}}, {"metrics": {"a": float("nan")}}])
def test_results_that_are_no_json_are_refused(tmp_path: Path, given: Any):
    folder = made(tmp_path / "head")
    with pytest.raises(InputError, match="evaluation"):
        interop.write_card(folder, given)
    with pytest.raises(InputError, match="audit"):
        interop.write_card(folder, audit=given)
