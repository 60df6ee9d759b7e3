"""``hiergeo study``: from chains to tables, JSON and a page."""

import json

import pytest

from hiergeo._core.storage.locks import locked

FEW = ["--rows", 30, "--set", "steps=4", "--set", "hidden=0", "--seeds", 2, "--loss", "mean=1", "--loss", "order=20"]
SCENES = ["study", "--model", "tiny", "-d", "scenes"]


@pytest.mark.slow
def test_a_study_of_a_model(run, tmp_path, pages):
    numbers, page = tmp_path / "study.json", tmp_path / "study.html"
    geometries = ["-g", "euclidean", "-g", "lorentz:-1?learnable"]
    options = ["--dim", 4, "--learning-rate", 0.01, "--full", "--json", numbers, "--html", page]
    code, printed, _ = run(*SCENES, "--train", "train", *FEW, *geometries, *options)
    assert code == 0
    report = json.loads(numbers.read_text())
    assert next(iter(report)) == "metrics"
    assert {"euclidean/d4/tau_d", "lorentz:-1?learnable/d4/auroc"} <= set(report["metrics"])
    assert report["plan"]["seeds"] == [0, 1]
    assert report["plan"]["recipe"]["steps"] == 4
    assert report["plan"]["recipe"]["hidden"] == 0
    words = " ".join(printed.split())
    assert report["conclusion"] in words
    assert "Means over 2 seeds" in words
    assert "lorentz:-1?learnable, 4 dimensions" in words
    assert pages == [page]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dim", 4], "'--train'"),
        (["--train", "train", "--seeds", 1], "intervals over seeds need at least 2"),
        (
            ["--train", "train", "--dim", 8, "-g", "product:lorentz:-1x2,euclidean:x2"],
            "which is none of the study's (8)",
        ),
        (["--train", "trian"], "did you mean 'train'"),
        (["--train", "nowhere.npz"], "nowhere.npz"),
        (["--train", "train", "--dim", 8, "--loss", "re"], "the prior compares"),
        (["--train", "train", "--loss", "ordr=1"], "did you mean 'order'"),
        (["--train", "train", "-g", "euclidean", "-g", "euclidean"], "different geometries"),
        (["--train", "train", "--dim", 8, "--loss", "mean", "--set", "seed=1"], "option of its own: --seeds"),
        (["--train", "train", "--dim", 8, "--loss", "mean", "--set", "learning-rate=1"], "its own: --learning-rate"),
    ],
)
def test_bad_input_gets_one_sentence(run, tmp_path, pages, arguments, said):
    code, _, err = run(*SCENES, "--rows", 20, "--html", tmp_path / "page.html", *arguments)
    assert code == 2
    assert said in err
    assert err.splitlines()[-1].startswith("Error: ")
    assert not pages
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", [("compare",), ("study", "--train", "train", "--seeds", 2, "--learning-rate", 1e-3)])
def test_a_page_is_written_by_one_command_at_a_time(run, tmp_path, verb):
    page = tmp_path / "page.html"
    arguments = (*verb, "-m", "tiny", "-d", "scenes", "--rows", 20, "--html", page)
    with locked(page):
        code, _, err = run(*arguments)
    assert code == 2
    assert f"{page} is being written by" in err
    assert not list(tmp_path.iterdir())
