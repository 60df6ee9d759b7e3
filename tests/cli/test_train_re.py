"""``hiergeo train re``: from a model and chains to a folder that other verbs and the model's own library load."""

import json
import pickle

import pytest

from hiergeo import adapters
from tests.training.tower_common import SHORT
from tests.training.training_common import stored

RATE = f"learning_rate={SHORT['learning_rate']}"
FEW = ["-d", "scenes", "--rows", 60, "--set", RATE, "--set", "steps=4", "--set", "every=2"]


@pytest.mark.slow
def test_train_evaluate_resume_probe(run, tmp_path, monkeypatch):
    monkeypatch.setattr("hiergeo.datasets.scenes.COUNTS", {"train": 60, "validation": 20, "test": 40})
    out, numbers, probed = tmp_path / "tower", tmp_path / "train.json", tmp_path / "probe.json"
    asked = ["train", "re", "-m", "tiny", *FEW, "--out", out, "--json", numbers]
    code, printed, _ = run(*asked, "--evaluate")
    assert code == 0
    assert f"open_clip:local-dir:{out}/model" in printed
    report = json.loads(numbers.read_text())
    assert next(iter(report)) == "metrics"
    assert {"tau_d", "tau_d_before", "image_to_text_r1", "text_to_image_r10", "similarity_change"} <= set(
        report["metrics"]
    )
    assert report["settings"]["losses"] == {"prior": 10.0, "mean": 1.0, "hard": 1.0}
    assert run(*asked)[0] == 0
    code, _, err = run(*asked, "--set", "seed=1")
    assert code == 2
    assert "--overwrite" in err
    assert run("probe", "-m", report["settings"]["spec"], "-d", "scenes", "--json", probed)[0] == 0
    assert json.loads(probed.read_text())["metrics"]["tau_d"] == pytest.approx(report["metrics"]["tau_d"], abs=1e-4)


@pytest.mark.filterwarnings("always:.*rows are left out")
def test_chains_of_ones_own(run, tmp_path):
    long = "a very " + "old " * 100
    rows = [("an animal", "an owl", long + "owl", "a building", "a house", long + "house")]
    short = ("an animal", "an owl", "an owl and {} more", "a building", "a house", "a house and {} more")
    rows += [tuple(caption.format(n) for caption in short) for n in range(9)]
    file = tmp_path / "chains.csv"
    file.write_text("positive,negative\n" + "".join(f"{' => '.join(r[:3])},{' => '.join(r[3:])}\n" for r in rows))
    code, _, err = run("train", "re", "-m", "tiny", "-d", f"chains:{file}", "--set", "steps=1", "--out", tmp_path / "a")
    assert code == 0
    assert "1 of 10 rows are left out" in err
    assert adapters.load(f"open_clip:local-dir:{tmp_path / 'a' / 'model'}").dim == 64


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "npz:BASE"], "has no text tower to train"),
        (["-m", "tiny", "--log", "tensorbord"], "did you mean 'tensorboard'"),
        (["-m", "tiny", "--set", "amp=fp16"], "float16 needs a GPU"),
        (["-m", "tiny", "--loss", "ordr"], "did you mean 'order'"),
        (["-m", "tiny", "--set", "batch=100"], "lower the batch"),
        (["-m", "tiny", "--set", "step=4"], "did you mean 'steps'"),
        (["-m", "open_clip:hiergeo-tiny/PICKLE"], "holds pickled objects other than tensors"),
    ],
)
def test_bad_input_gets_one_sentence(run, tmp_path, arguments, said):
    stored(tmp_path / "base.npz")
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(print))
    names = {
        "npz:BASE": f"npz:{tmp_path}/base.npz",
        "open_clip:hiergeo-tiny/PICKLE": f"open_clip:hiergeo-tiny/{tmp_path}/evil.pt",
    }
    code, _, err = run("train", "re", *FEW, *(names.get(str(a), a) for a in arguments), "--out", tmp_path / "a")
    assert code == 2
    assert said in err
    *phases, sentence = err.splitlines()
    assert sentence.startswith("Error: ")
    assert all(line.startswith("Embedding texts: ") for line in phases)
    assert not (tmp_path / "a").exists()


def test_divergence_leaves_the_last_good_tower_and_exits_with_2(run, tmp_path):
    wild = ["--set", "steps=4", "--set", "every=2", "--set", "learning_rate=1e30", "--loss", "mean=1"]
    code, _, err = run("train", "re", "-m", "tiny", "-d", "scenes", "--rows", 60, *wild, "--out", tmp_path / "a")
    assert code == 2
    assert "with the batch of rows" in err
    assert "the last good one" in err
    assert (tmp_path / "a" / "model" / "open_clip_model.safetensors").is_file()
