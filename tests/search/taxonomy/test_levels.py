"""Levels of a corpus: planted groups, Ward's clustering of scikit-learn, medoids by brute force, and the command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from typer.testing import CliRunner

from hiergeo._core.errors import InputError
from hiergeo.cli.app import app
from hiergeo.geometry import Space
from hiergeo.search.taxonomy import cut, levels
from tests.search.taxonomy.taxonomy_common import index_of

KINDS, PARTS, EACH, DIM = 4, 3, 7, 6


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Items in parts of kinds, far apart, in random order; the kind and the part of each, (n, 2)."""
    random = np.random.default_rng(seed)
    kinds = 40 * np.linalg.qr(random.normal(size=(DIM, DIM)))[0][:KINDS]
    parts = kinds[:, None] + 6 * random.normal(size=(KINDS, PARTS, DIM))
    rows = parts[:, :, None] + 0.2 * random.normal(size=(KINDS, PARTS, EACH, DIM))
    truth = np.stack(np.divmod(np.arange(KINDS * PARTS).repeat(EACH), PARTS), axis=1)
    truth[:, 1] += PARTS * truth[:, 0]
    order = random.permutation(len(truth))
    return rows.reshape(-1, DIM)[order], truth[order]


def partition(group: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(group == number).tolist()) for number in np.unique(group)}


@pytest.mark.parametrize("most", [None, 40])
def test_planted_groups_are_recovered_and_named_by_their_medoids(tmp_path, monkeypatch, most):
    if most is not None:
        monkeypatch.setattr(levels, "SAMPLE", most)
    x, truth = planted()
    found = cut(index_of(tmp_path / "index", x), [KINDS * PARTS, KINDS])
    assert found.counts == (KINDS, KINDS * PARTS)
    for level in range(2):
        assert partition(found.group[:, level]) == partition(truth[:, level])
        sizes = found.sizes(level)
        assert sizes == sorted(sizes, reverse=True) == np.bincount(truth[:, level]).tolist()
        for group, at in enumerate(found.medoid[level].tolist()):
            assert found.group[at, level] == group
            assert found.names(level)[group] == f"item {at}"
            members = np.flatnonzero(found.group[:, level] == group)
            mean = np.linalg.norm(x[members, None] - x[members], axis=-1).mean(axis=1)
            if most is None:
                assert at == members[mean.argmin()]
    assert {part for kind in range(KINDS) for part in found.parts(0, kind)} == set(range(KINDS * PARTS))


@pytest.mark.parametrize("n", [4, 11, 60])
def test_groups_are_those_of_scikit_learn(tmp_path, n):
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    counts = sorted({2, n // 2 + 1, n})
    found = cut(index_of(tmp_path / "index", x), counts)
    for level, count in enumerate(counts):
        theirs = AgglomerativeClustering(count, linkage="ward").fit(x.astype(np.float64)).labels_
        assert partition(found.group[:, level]) == partition(theirs)
        if level:
            pairs = np.unique(found.group[:, level - 1 : level + 1], axis=0)
            assert len(pairs) == count  # each inside one group of the level above


@pytest.mark.parametrize("geometry", ["lorentz:-1", "sphere:0.01", "product:lorentz:-1x3,euclidean:x3"])
def test_distances_are_those_of_the_space(tmp_path, geometry):
    x = np.random.default_rng(3).normal(size=(30, DIM)).astype(np.float32)
    found = cut(index_of(tmp_path / "index", x, geometry), [3])
    rows = torch.from_numpy(x).double()
    distance = Space(geometry, "none").pairwise_distance(rows, rows).numpy()
    for group, at in enumerate(found.medoid[0].tolist()):
        members = np.flatnonzero(found.group[:, 0] == group)
        mean = distance[np.ix_(members, members)].mean(axis=1)
        assert mean[members == at] == pytest.approx(mean.min(), rel=1e-5)


def test_numbers_of_groups_that_do_not_fit_are_refused(tmp_path):
    index = index_of(tmp_path / "index", np.eye(4))
    for counts in ([5], [1], [2, 1], [], [2.0]):
        with pytest.raises(InputError):
            cut(index, counts)


def test_the_command_writes_a_row_an_item(tmp_path: Path):
    x, truth = planted()
    index_of(tmp_path / "index", x)
    out, numbers = tmp_path / "groups.csv", tmp_path / "groups.json"
    arguments = ["tree", str(tmp_path / "index"), "--levels", "12,4", "--out", str(out), "--json", str(numbers)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["caption"] for row in rows] == [f"item {at}" for at in range(len(x))]
    assert partition(np.array([row["group_4"] for row in rows])) == partition(truth[:, 0])
    (of_kinds, of_parts) = json.loads(numbers.read_text())["levels"]
    assert (of_kinds["groups"], of_parts["items"]) == (4, [EACH] * 12)
    assert {row["name_4"] for row in rows} == set(of_kinds["names"])
    assert all(name in shown.output for name in of_kinds["names"])
    for extra in (["--levels", "4,x"], ["--levels", "4", "-k", "2"], ["--levels", "4", "--format", "newick"]):
        refused = CliRunner().invoke(app, ["tree", str(tmp_path / "index"), *extra])
        assert isinstance(refused.exception, InputError)


def test_the_items_are_a_data_frame(tmp_path):
    pytest.importorskip("pandas")
    x, _ = planted()
    frame = cut(index_of(tmp_path / "index", x), [2, 4]).to_pandas()
    assert list(frame.columns) == ["id", "caption", "image", "group_2", "name_2", "group_4", "name_4"]
    assert (frame.groupby("group_4")["group_2"].nunique() == 1).all()
