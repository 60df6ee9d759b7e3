"""``hiergeo train head``: from stored chains or a model to a folder that other verbs load."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from hiergeo import adapters, datasets, training
from hiergeo.cli import sharpening as train
from hiergeo.evaluation import Result
from hiergeo.evaluation.metrics import Interval
from hiergeo.training import EvalRecord, Summary
from hiergeo.training.summary import Change
from tests.training.training_common import ITEMS, captions, chains, stored


@pytest.fixture
def file(tmp_path):
    made = chains()
    arrays = {name: getattr(made, name).numpy() for name in ("text", "positive", "negative", "root")}
    np.savez(tmp_path / "chains.npz", **arrays, caption=np.array(captions()), image_id=np.arange(ITEMS))
    return tmp_path / "chains.npz"


@pytest.mark.slow
def test_train_save_load_probe(run, tmp_path):
    out, numbers, probed = tmp_path / "head", tmp_path / "train.json", tmp_path / "probe.json"
    model = ["-m", "tiny", "-d", "scenes"]
    small = ["-d", "scenes", "-g", "lorentz:-1", "--rows", 60]
    options = ["--set", "steps=60", "--set", "hidden=0", "-g", "lorentz:-1", "--evaluate", "tiny"]
    code, printed, _ = run("train", "head", *model, "--rows", 60, *options, "--out", out, "--json", numbers)
    assert code == 0
    assert str(out) in printed.replace("\n", "")
    report = json.loads(numbers.read_text())
    assert next(iter(report)) == "metrics"
    assert report["metrics"]["tau_d"] >= report["metrics"]["tau_d_before"]
    assert report["settings"]["base"] == "tiny"
    assert report["settings"]["geometry"] == "lorentz:-1"
    assert run("probe", "-m", f"head:{out}", *small, "--json", probed)[0] == 0
    assert json.loads(probed.read_text())["metrics"]["tau_d"] == pytest.approx(report["metrics"]["tau_d"], abs=1e-4)
    assert run("train", "card", out)[0] == 0
    assert f"{report['metrics']['tau_d']:.4f}" in (out / "README.md").read_text()


def test_a_model_of_another_dimension_is_refused_before_the_training(run, file, tmp_path):
    out = tmp_path / "head"
    code, _, err = run("train", "head", "--train", file, "--evaluate", "tiny", "-d", "scenes", "--out", out)
    assert code == 2
    assert "--evaluate" in err
    assert not out.exists()


def test_stored_chains_with_losses_of_ones_own(run, file, tmp_path):
    numbers = tmp_path / "train.json"
    losses, out = ["--loss", "re=0.5", "--loss", "order=3"], tmp_path / "h"
    code, *_ = run("train", "head", "--train", file, *losses, "--set", "steps=5", "--out", out, "--json", numbers)
    assert code == 0
    settings = json.loads(numbers.read_text())["settings"]
    assert settings["losses"] == {"prior": 5.0, "mean": 0.5, "hard": 0.5, "order": 3.0}
    assert settings["data"]["rows"] == ITEMS


def test_dimension_norms_and_curvature_are_chosen(run, file, tmp_path):
    numbers = tmp_path / "train.json"
    common = ["train", "head", "--train", file, "--set", "steps=4", "--out", tmp_path / "h", "--json", numbers]
    chosen = ["--loss", "mean=1", "--set", "outputs=5", "--set", "unit=false"]
    code, *_ = run(*common, *chosen, "-g", "product:lorentz:-1x3,euclidean:x2?learnable")
    assert code == 0
    lorentz, euclidean = json.loads(numbers.read_text())["history"][-1]["curvature"]
    assert lorentz != -1
    assert euclidean == 0
    head = adapters.load(f"head:{tmp_path / 'h'}@{stored(tmp_path / 'base.npz').name}")
    assert (head.dim, head.normalised) == (5, False)
    code, _, err = run(*common)
    assert (code, "is there already" in err) == (2, True)
    code, _, err = run(*common, "-g", "euclidean?learnable", "--overwrite")
    assert code == 2
    assert "euclidean has no curvature to learn" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to train on"),
        (["--train", "nowhere.npz"], "nowhere.npz is not there"),
        (["--train", "FILE", "--loss", "ordr=1"], "did you mean 'order'"),
        (["--train", "FILE", "-g", "lorenz:-1"], "did you mean 'lorentz'"),
        (["--train", "FILE", "-m", "tiny", "--evaluate", "nowhere.npz"], "nowhere.npz is not there"),
        (["--train", "FILE", "-g", "product:lorentz:-1x5"], "have 5 dimensions"),
        (["--train", "FILE", "--set", "hiden=3"], "did you mean 'hidden'"),
        (["--train", "FILE", "--set", "losses=re"], "--set losses has an option of its own: --loss"),
        (["--train", "FILE", "--set", "step=3"], "did you mean 'steps'"),
        (["--train", "FILE", "--set", "batch=many"], "--set batch"),
    ],
)
def test_bad_input_gets_one_sentence(run, file, tmp_path, arguments, said):
    given = [file if argument == "FILE" else argument for argument in arguments]
    code, _, err = run("train", "head", *given, "--set", "steps=2", "--out", tmp_path / "head")
    assert code == 2
    assert said in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "head").exists()


def test_test_images_are_refused(run, file, tmp_path, data_home):
    with np.load(file) as old:
        arrays = {name: old[name] for name in old.files}
    arrays["image_id"] = np.arange(ITEMS)
    arrays["image_id"][0] = datasets.load("hierarcaps", "test").images[0].image_id
    np.savez(file, **arrays)
    code, _, err = run("train", "head", "--train", file, "--set", "steps=2", "--out", tmp_path / "head")
    assert code == 2
    assert "1 of 60 rows describe test images" in err


def test_divergence_leaves_the_last_good_head_and_exits_with_2(run, file, tmp_path):
    out = tmp_path / "head"
    wild = ["--set", "unit=false", "--set", "learning_rate=1e30", "--set", "every=1"]
    code, _, err = run("train", "head", "--train", file, "--loss", "order=1", "--set", "steps=9", *wild, "--out", out)
    assert code == 2
    assert "with the batch of rows" in err
    assert "last good one" in err
    assert training.load_space(out).geometry.spec == "euclidean"


def look(step: int, tau_d: float) -> EvalRecord:
    return EvalRecord(step, {}, {"total": 0.5 + step}, tau_d, (0.1, 0.2), (-1.0,))


def summary() -> Summary:
    """Made-up numbers: only the baselines and metrics of the second result matter."""
    result = Result({"tau_d": 0.75}, {"model": "made up"}, {}, {}, baselines={"tau_d": {"length": 0.625}})
    changes = {"tau_d": Change(0.25, 0.75, Interval(0.4, 0.6)), "precision": Change(0.5, 0.375, Interval(-0.2, 0.1))}
    return Summary(result, result, changes, {"similarity_change": 0.0625})


def test_the_report_is_of_the_step_that_was_kept(tmp_path):
    history, file = [look(0, 0.1), look(5, 0.8), look(10, 0.3)], tmp_path / "a.json"
    train.report(SimpleNamespace(history=history, best=5), {"steps": 10}, summary(), "head: there", file)
    told = json.loads(file.read_text())
    assert told["metrics"] == {
        "validation_total": 5.5,
        "validation_tau_d": 0.8,
        "tau_d": 0.75,
        "precision": 0.375,
        "tau_d_before": 0.25,
        "precision_before": 0.5,
        "similarity_change": 0.0625,
    }
    assert told["intervals"] == {"tau_d": [0.4, 0.6], "precision": [-0.2, 0.1]}
    assert told["baselines"] == {"tau_d": {"length": 0.625}}
    assert [each["step"] for each in told["history"]] == [0, 5, 10]
    train.report(SimpleNamespace(history=history, best=10), {}, None, "head: there", file)
    alone = json.loads(file.read_text())
    assert (alone["metrics"], alone["intervals"]) == ({"validation_total": 10.5, "validation_tau_d": 0.3}, {})


@pytest.mark.parametrize(
    ("data", "named", "split"),
    [("hierarcaps", None, "expanded-train"), ("scenes", None, "train"), ("hierarcaps", "test", "test")],
)
def test_the_split_to_train_on(data, named, split):
    assert train.chosen_split(data, named) == split
