"""A classifier that stays: fitted and asked as scikit-learn does it, saved, loaded, and never half-written."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import hiergeo
from hiergeo import Classifier, Space
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets.labels.label_tree import Entry, LabelTree
from hiergeo.evaluation.classifying.classifier import CONFIG, ROWS
from hiergeo.testing.protocol_suite import Hashed

KINDS = ("circle", "oval", "square", "star", "triangle")
TREE = {"round": ["circle", "oval"], "angular": ["square", "star", "triangle"]}
TEXTS = [f"a {colour} {kind}" for colour in ("red", "blue", "green", "black") for kind in KINDS]
LABELS = [text.split()[-1] for text in TEXTS]


@pytest.fixture(scope="module")
def model() -> Hashed:
    return Hashed()


def fitted(model: Model, **options: Any) -> Classifier:
    return Classifier(TREE, model, **{"alpha": 0.3, **options}).fit(TEXTS, LABELS)


def test_it_gives_what_classify_gives(model: Hashed) -> None:
    own = fitted(model)
    whole = hiergeo.classify(TEXTS, TREE, model=model, alpha=0.3, calibrate=(TEXTS, LABELS))
    again = own.classify(TEXTS)
    assert np.array_equal(again.odds, whole.odds)
    assert again.promise == whole.promise
    assert own.predict(TEXTS).tolist() == [label.split(" > ")[-1] for label in whole.labels]
    assert set(own.predict(TEXTS)) <= {*own.classes_, ""}
    assert own.predict(torch.stack([model.encode_text([text])[0] for text in TEXTS[:3]])).shape == (3,)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "level", "temperature": 0.2},
        {"space": "lorentz:-0.7"},
        {"space": Space("poincare:-1", "none", min_radius=0.3), "method": "cone"},
        {"alpha": None, "floor": 0.25, "templates": ("a {}", "a photo of {path}")},
        {"alpha": 0.9},
    ],
)
def test_a_saved_one_is_the_same(model: Hashed, tmp_path: Path, options: dict[str, Any]) -> None:
    above = {"circle": ("round",), "oval": ("round",), "star": ("angular",), "square": ("angular", "round")}
    tree = LabelTree(Entry(name, parents, synonyms=(f"{name}s",)) for name, parents in above.items())
    own = Classifier(tree, model, **{"alpha": 0.3, **options})
    own = own.fit() if own.alpha is None else own.fit(TEXTS[:4], LABELS[:4])
    again = Classifier.load(own.save(tmp_path / "kept"), model=model)
    one, other = own.classify(TEXTS), again.classify(TEXTS)
    assert np.array_equal(one.path, other.path)
    np.testing.assert_allclose(one.odds, other.odds, rtol=1e-6, atol=1e-6)
    assert one.labels == other.labels
    assert str(one.promise) == str(other.promise)
    assert one.settings == other.settings
    assert [path.name for path in sorted((tmp_path / "kept").iterdir())] == [CONFIG, ROWS]


def test_another_model_and_damage_are_refused(model: Hashed, tmp_path: Path) -> None:
    kept = fitted(model).save(tmp_path / "kept")
    with pytest.raises(InputError, match="fingerprint"):
        Classifier.load(kept, model="tiny")
    with pytest.raises(InputError, match="holds no classifier"):
        Classifier.load(tmp_path)
    with pytest.raises(InputError, match="is there already"):
        fitted(model).save(kept)
    (tmp_path / "others").mkdir()
    with pytest.raises(InputError, match="is there already"):
        fitted(model).save(tmp_path / "others", overwrite=True)
    fitted(model).save(kept, overwrite=True)
    for name, content in ((CONFIG, '{"alpha": 0.01}'), (ROWS, "x")):
        shutil.copytree(kept, tmp_path / name)
        (tmp_path / name / name).write_text(content)
        with pytest.raises(InputError, match=name):
            Classifier.load(tmp_path / name, model=model)
    changed = json.loads((kept / CONFIG).read_text())
    changed["labels"] = changed["labels"][1:]
    (kept / CONFIG).write_text(json.dumps(changed))
    with pytest.raises(InputError, match=CONFIG):
        Classifier.load(kept, model=model)


def test_a_save_that_dies_leaves_nothing(model: Hashed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fitted(model)
    kept = own.save(tmp_path / "kept")
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hiergeo._core.storage.tensors.packed", dies)
    for folder in (kept, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            own.save(folder, overwrite=True)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert os.listdir(tmp_path) == ["kept"]


def test_it_keeps_the_conventions_of_scikit_learn(model: Hashed) -> None:
    own = Classifier(TREE, model, alpha=0.4, method="flat", temperature=0.05)
    with pytest.raises(InputError, match="fit"):
        own.predict(TEXTS)
    copy = clone(own)
    assert copy.get_params()["alpha"] == 0.4
    assert copy.set_params(alpha=0.5).alpha == 0.5
    with pytest.raises(InputError, match="depth"):
        own.set_params(depth=3)
    assert is_classifier(own)
    found = cross_val_predict(own, TEXTS, LABELS, cv=4)
    assert found.shape == (len(TEXTS),)
    assert set(found) <= {*LABELS, "round", "angular", ""}
    pipeline = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), own)
    assert pipeline.fit([text.upper() for text in TEXTS], LABELS).predict(TEXTS).tolist() == own.predict(TEXTS).tolist()
    check_is_fitted(own)
    with pytest.raises(InputError, match="calibrate"):
        Classifier(TREE, model, alpha=0.2).fit()
    with pytest.raises(InputError, match="calibrate"):
        Classifier(TREE, model).fit(TEXTS, LABELS)


def test_the_command_keeps_one_and_asks_it(run: Any, tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text("child,parent\ncircle,round\noval,round\nstar,angular\nsquare,angular\n")
    rows = [text for text in TEXTS if text.split()[-1] != "triangle"]
    (tmp_path / "labelled.csv").write_text("text,label\n" + "".join(f"{text},{text.split()[-1]}\n" for text in rows))
    (tmp_path / "new.csv").write_text("sku,text\n" + "".join(f"S{at},{text}\n" for at, text in enumerate(rows)))
    kept, words = tmp_path / "kept", ["-t", tmp_path / "tree.csv", "-m", "tiny", "--alpha", "0.3"]
    words += ["--calibrate", tmp_path / "labelled.csv"]
    assert run("classify", tmp_path / "new.csv", *words, "--save", kept, "-o", tmp_path / "one.csv")[0] == 0
    code, printed, err = run("classify", tmp_path / "new.csv", "--with", kept, "-o", tmp_path / "other.csv")
    assert code == 0, err
    assert "At most 30 %" in printed
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "other.csv").read_text()
    for arguments, named in (
        (("--with", kept, "-t", tmp_path / "tree.csv"), "tree"),
        (("--with", kept, "--alpha", "0.1"), "alpha"),
        (("--with", kept, "--save", tmp_path / "again"), "save"),
        (("--with", tmp_path), "holds no classifier"),
        (("-t", tmp_path / "tree.csv"), "--model"),
        ((*words, "--save", kept), "is there already"),
    ):
        code, _, err = run("classify", tmp_path / "new.csv", *arguments)
        assert code == 2
        assert named in err.splitlines()[-1]
