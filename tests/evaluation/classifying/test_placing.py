"""Classification end to end: every kind of items, labels that are split, and runs that go on after a stop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo.datasets.labels import LabelTree, load_tree
from hiergeo.datasets.pictures import file_ref
from hiergeo.datasets.scenes import lone_things
from hiergeo.evaluation.classifying import placing
from hiergeo.evaluation.classifying.item_batches import ItemBatch, ItemSource
from hiergeo.evaluation.classifying.methods import LabelPoints
from hiergeo.evaluation.classifying.placing import Chosen, calibrated, read_labelled
from hiergeo.testing.protocol_suite import Hashed

KINDS = ("circle", "square", "star")
TEXTS = [f"a {colour} {kind}" for colour in ("red", "blue", "green", "black") for kind in KINDS]
TREE = {"round": ["circle", "oval"], "angular": ["square", "star", "triangle"]}


@pytest.fixture(scope="module")
def model() -> Hashed:
    return Hashed()


def table(path: Path, column: str = "text") -> Path:
    rows = "".join(f'{at},"{text}",{text.split()[-1]}\n' for at, text in enumerate(TEXTS))
    path.write_text(f"number,{column},category\n{rows}")
    return path


def test_every_kind_of_items_gives_the_same_paths(model: Hashed, tmp_path: Path) -> None:
    wanted = hiergeo.classify(TEXTS, TREE, model=model)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    csv = table(tmp_path / "a.csv")
    pd.read_csv(csv).to_parquet(tmp_path / "a.parquet")
    rows = model.encode_text(TEXTS)
    np.savez(tmp_path / "a.npz", text=rows.numpy(), caption=np.array(TEXTS), root=model.root().numpy())
    sources: list[Any] = [tmp_path / f"a.{kind}" for kind in ("txt", "jsonl", "csv", "parquet", "npz")]
    for source in [*sources, rows, rows.numpy(), iter(TEXTS)]:
        got = hiergeo.classify(source, TREE, model=model)
        assert (got.path == wanted.path).all()
        np.testing.assert_allclose(got.confidence, wanted.confidence, atol=1e-6)
    assert hiergeo.classify(tmp_path / "a.csv", TREE, model=model, column="text").items == wanted.items
    folder = tmp_path / "photos" / "circle"
    folder.mkdir(parents=True)
    from PIL import Image

    for shade in range(3):
        Image.new("RGB", (8, 8), (80 * shade, 0, 0)).save(folder / f"{shade}.png")
    got = hiergeo.classify(tmp_path / "photos", TREE, model="tiny")
    assert got.items == ("circle/0.png", "circle/1.png", "circle/2.png")
    assert (got.path == hiergeo.classify(sorted(folder.iterdir()), TREE, model="tiny").path).all()
    assert len(got.images) == 3


def test_results_say_path_level_and_confidence(model: Hashed, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(placing, "ROWS", 5)
    done = hiergeo.classify([*TEXTS[:2], None, *TEXTS[2:]], TREE, model=model, floor=0.6)
    assert done.level.tolist() == (done.confidence > 0.6).sum(1).tolist()
    assert (done.paths[2], done.labels[2]) == ((), "")
    assert (np.delete(done.odds, 2, 0) == hiergeo.classify(TEXTS, TREE, model=model).odds).all()
    for path, level, label in zip(done.paths, done.level, done.labels, strict=True):
        assert label == " > ".join(path[:level])
    frame = done.to_pandas()
    done.write(str(tmp_path / "a.csv"))
    done.write(tmp_path / "a.parquet")
    done.write(tmp_path / "a.json")
    back = (pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet"))
    rows = json.loads((tmp_path / "a.json").read_text())["items"]
    for other in (*back, pd.DataFrame(rows)):
        assert list(other.columns) == list(frame.columns)
        assert other["level"].tolist() == done.level.tolist()
        np.testing.assert_allclose(other["confidence_1"].to_numpy(float), frame["confidence_1"].to_numpy(float))
    rows = list(done.records())
    ordered = [rows[at]["confidence"] for at in done.least_sure if rows[at]["level"]]
    assert ordered == sorted(ordered)
    assert done.level[done.least_sure[0]] == 0
    with pytest.raises(InputError, match=r"\.csv"):
        done.write(tmp_path / "a.xlsx")


def test_a_stopped_run_goes_on_and_other_settings_begin_anew(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiergeo.evaluation.classifying.item_batches.TEXTS", 4)
    whole = hiergeo.classify(TEXTS, TREE, model=model)
    embedded = []

    def counting(self: ItemBatch, *arguments: Any) -> torch.Tensor:
        embedded.append(self.names)
        if len(embedded) == 3:
            raise KeyboardInterrupt
        return embed(self, *arguments)

    embed = ItemBatch.embed
    monkeypatch.setattr(ItemBatch, "embed", counting)
    with pytest.raises(KeyboardInterrupt):
        hiergeo.classify(TEXTS, TREE, model=model, work=tmp_path / "parts")
    again = hiergeo.classify(TEXTS, TREE, model=model, work=tmp_path / "parts")
    assert [names[0] for names in embedded] == [TEXTS[at] for at in (0, 4, 8, 8)]
    assert (again.path == whole.path).all()
    assert (again.odds == whole.odds).all()
    changed = ["a yellow star", *TEXTS[1:]]
    assert hiergeo.classify(changed, TREE, model=model, work=tmp_path / "parts").items[0] == "a yellow star"
    assert [names[0] for names in embedded[4:]] == ["a yellow star"]
    other = hiergeo.classify(TEXTS, TREE, model=model, method="distance", work=tmp_path / "parts")
    assert (other.odds == hiergeo.classify(TEXTS, TREE, model=model, method="distance").odds).all()
    before = len(embedded)
    monkeypatch.setattr(Hashed, "fingerprint", lambda self: "other weights")
    hiergeo.classify(TEXTS, TREE, model=model, work=tmp_path / "parts")
    assert len(embedded) == before + 3


def test_batches_of_equal_names_are_not_taken_for_each_other(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hiergeo.evaluation.classifying.item_batches.TEXTS", 1)
    pictures = []
    for folder, scene in zip("abc", lone_things().images[::100], strict=False):
        (tmp_path / folder).mkdir()
        scene.open().save(tmp_path / folder / "1.png")
        pictures.append(file_ref(0, tmp_path / folder / "1.png"))
    whole = hiergeo.classify(pictures, "scenes", model="tiny")
    assert len(np.unique(whole.odds, axis=0)) == len(pictures)
    assert len(set(whole.items)) == 1
    for _ in range(2):
        assert (hiergeo.classify(pictures, "scenes", model="tiny", work=tmp_path / "parts").odds == whole.odds).all()


def labels_at(tree: LabelTree, space: hiergeo.Space, rows: torch.Tensor) -> LabelPoints:
    return LabelPoints.of(tree, space, rows)


def labelled(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Labels on a circle by branch, items near their label: rows of labels, rows of items and true labels."""
    generator = torch.Generator().manual_seed(seed)
    tree = load_tree([f"a{i} > b{i}{j}" for i in range(4) for j in range(5)])
    rows = torch.randn(len(tree), 8, generator=generator)
    for at, parents in enumerate(tree.parents):
        if parents:
            rows[at] = rows[parents[0]] + 0.6 * rows[at]
    truth = tree.leaves[torch.randint(len(tree.leaves), (count,), generator=generator).numpy()]
    items = rows[torch.from_numpy(truth)] + 0.5 * torch.randn(count, 8, generator=generator)
    return rows, items, truth


def test_labels_choose_and_others_promise(monkeypatch) -> None:
    tree = load_tree([f"a{i} > b{i}{j}" for i in range(4) for j in range(5)])
    rows, items, truth = labelled(600)
    points = labels_at(tree, hiergeo.Space("euclidean", "none"), rows)
    how, made = calibrated(points, items, truth, 0.1)
    assert (made.labels, made.tuning) == (400, 200)
    assert made.error <= 0.1
    assert how in [Chosen(name, value) for name in placing.METHODS for value in placing.TEMPERATURES]
    fixed, only = calibrated(points, items, truth, 0.1, ["top-down"], 0.5)
    monkeypatch.setattr(placing, "TUNING", 50)
    _, capped = calibrated(points, items, truth, 0.1, ["flat"])
    assert (capped.labels, capped.tuning) == (550, 50)
    assert fixed == Chosen("top-down", 0.5)
    assert made.depth >= only.depth - 0.05
    _, few = calibrated(points, items[:12], truth[:12], 0.1, ["flat"], 0.5)
    assert (few.labels, few.tuning) == (12, 0)
    how, few = calibrated(points, items[:20], truth[:20], 0.1)
    assert (how, few.labels, few.tuning) == (Chosen("flat", placing.TEMPERATURE), 20, 0)
    with pytest.raises(InputError, match="at least 9"):
        calibrated(points, items[:8], truth[:8], 0.1, ["flat"], 0.5)


def test_a_floor_stands_between_confidences_that_round_to_one() -> None:
    """Wrong items are nearer to the middle between two labels, and all of them far from it at a low temperature."""
    points = labels_at(load_tree(["a", "b"]), hiergeo.Space("euclidean", "none"), torch.eye(2))
    angles = torch.linspace(0, 0.5, 200)
    items, truth = torch.stack((angles.cos(), angles.sin()), 1), (angles > 0.4).long().numpy()
    _, made = calibrated(points, items, truth, 0.1, ["flat"], 0.005)
    assert made.depth > 0.5
    assert 0.03 < made.error <= 0.1


def test_labels_come_from_tables_folders_and_pairs(model: Hashed, tmp_path: Path) -> None:
    csv = table(tmp_path / "a.csv", "title")
    how: Any = {"model": model, "method": "flat", "temperature": 0.05, "alpha": 0.3}
    of_table = hiergeo.classify(TEXTS, TREE, calibrate=csv, **how)
    of_pair = hiergeo.classify(TEXTS, TREE, calibrate=(TEXTS, [text.split()[-1] for text in TEXTS]), **how)
    assert of_table.promise == of_pair.promise
    assert of_table.promise.labels + of_table.promise.tuning == len(TEXTS)
    kinds = [None, float("nan"), *(text.split()[-1] for text in TEXTS[2:])]
    assert hiergeo.classify(TEXTS, TREE, calibrate=(TEXTS, kinds), **how).promise.labels < of_pair.promise.labels
    unlabelled = csv.read_text().replace(",star\n", ",\n")
    csv.write_text(unlabelled)
    fewer = hiergeo.classify(TEXTS, TREE, calibrate=csv, **how).promise
    assert fewer.labels + fewer.tuning == 8


@pytest.mark.parametrize(
    ("items", "options", "named"),
    [
        (TEXTS, {"alpha": 0.1}, "both"),
        (TEXTS, {"alpha": 2, "calibrate": (TEXTS, TEXTS)}, "alpha"),
        (TEXTS, {"floor": 1.0}, "floor"),
        (TEXTS, {"floor": 0.5, "alpha": 0.5, "calibrate": (TEXTS, ["star"] * 12)}, "floor"),
        (TEXTS, {"alpha": 0.01, "calibrate": (TEXTS, ["star"] * 12)}, "at least 99 .* 12"),
        (TEXTS, {"alpha": 0.1, "calibrate": (TEXTS, ["star"] * 11)}, "12 labelled items and 11 labels"),
        (TEXTS, {"alpha": 0.1, "calibrate": (TEXTS, ["stern"] * 12)}, "did you mean 'star'"),
        (TEXTS, {"method": "flatt"}, "flat"),
        (TEXTS, {"temperature": 0.0}, "temperature"),
        (TEXTS, {"templates": ["a thing"]}, "template"),
        ([], {}, "no items"),
        ([""], {}, "no items"),
        ([3], {}, "item 0"),
        ("missing.csv", {}, "not there"),
        (torch.randn(3, 5), {}, "5 dimensions"),
        (torch.full((3, 8), torch.nan), {}, "NaN"),
    ],
)
def test_what_cannot_be_classified_is_named_before_work_starts(model, items, options, named) -> None:
    with pytest.raises(InputError, match=named):
        hiergeo.classify(items, TREE, model=model, **options)


def test_columns_are_recognised_by_words_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("product_id,product_category,brand,product_name\n7,star,x,a red star\n")
    batch = next(ItemSource(tmp_path / "a.csv", labelled=True).batches())
    assert (batch.names, batch.labels) == (["a red star"], ["star"])
    (tmp_path / "b.csv").write_text("category_id,product_title\n7,a red star\n")
    batch = next(ItemSource(tmp_path / "b.csv", labelled=True).batches())
    assert (batch.names, batch.labels) == (["a red star"], ["7"])


SKUS = [f"SKU{number:05d}" for number in range(len(TEXTS))]


@pytest.mark.parametrize("kind", ["table", "embeddings"])
def test_items_are_known_by_their_ids_and_labelled_by_them(model: Hashed, tmp_path: Path, kind: str) -> None:
    rows = {"title": TEXTS, "sku": SKUS}
    if kind == "embeddings":
        rows = {"image": SKUS, "vector": model.encode_text(TEXTS).tolist()}
    pd.DataFrame(rows).to_parquet(tmp_path / "items.parquet")
    shuffled = np.random.default_rng(0).permutation(len(TEXTS))
    labels = pd.DataFrame({"sku": [*SKUS, "SKU99999"], "category": [*(text.split()[-1] for text in TEXTS), "star"]})
    labels.iloc[[*shuffled, -1]].to_csv(tmp_path / "labels.csv", index=False)
    options: Any = {"model": model, "method": "flat", "temperature": 0.05, "alpha": 0.3}
    by_id = hiergeo.classify(tmp_path / "items.parquet", TREE, calibrate=tmp_path / "labels.csv", **options)
    known = [row.get("id", row["item"]) for row in by_id.records()]
    assert known == SKUS
    items = TEXTS if kind == "table" else model.encode_text(TEXTS)
    pair = hiergeo.classify(items, TREE, calibrate=(items, [text.split()[-1] for text in TEXTS]), **options)
    assert by_id.labels == pair.labels
    by_id.write(tmp_path / "out.csv")
    assert SKUS[-1] in (tmp_path / "out.csv").read_text()
    (tmp_path / "others.csv").write_text("sku,category\nother,star\n")
    with pytest.raises(InputError, match=r"others\.csv"):
        hiergeo.classify(tmp_path / "items.parquet", TREE, calibrate=tmp_path / "others.csv", **options)


def test_ids_in_data_frames_are_labels(model: Hashed, tmp_path: Path) -> None:
    ids = [text.split()[-1] == "star" for text in TEXTS]
    pd.DataFrame({"text": [*TEXTS, "no label"], "category_id": [*map(int, ids), None]}).to_parquet(
        tmp_path / "a.parquet"
    )
    tree = load_tree([("0", "9"), ("1", "9"), ("9", "8")])
    batches, truth = read_labelled(tmp_path / "a.parquet", tree, None, None, 0.2)
    assert [tree.keys[label] for label in truth] == [str(int(kind)) for kind in ids]
    assert sum(len(batch.names) for batch in batches) == len(TEXTS)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    csv = table(tmp_path / "a.csv", "words")
    with pytest.raises(InputError, match="number, words, category"):
        next(ItemSource(csv).batches())
    with pytest.raises(InputError, match="no column 'label'"):
        next(ItemSource(csv, "words", "label", labelled=True).batches())
