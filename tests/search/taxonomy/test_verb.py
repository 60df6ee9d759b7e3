"""The verb ``hiergeo tree``."""

import json

import numpy as np
import pytest

from hiergeo.search import taxonomy as package
from tests.search.taxonomy.taxonomy_common import index_of


@pytest.fixture
def folder(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    index_of(tmp_path / "index", x, captions=[f"caption \u202e{i}" for i in range(40)])
    return tmp_path / "index"


@pytest.mark.parametrize("form", package.FORMATS)
def test_the_verb_writes_every_format(run, folder, tmp_path, form):
    out, told = tmp_path / "tree", tmp_path / "told.json"
    code, printed, _ = run(
        "tree", folder, "--format", form, "-o", out, "-k", 4, "--min-confidence", 0, "--json", told, "-g", "lorentz:-1"
    )
    assert code == 0
    assert out.stat().st_size > 1000
    held = json.loads(told.read_text())
    assert (held["taxonomy"]["items"], held["taxonomy"]["geometry"]) == (40, "lorentz:-1")
    assert f"{held['taxonomy']['edges']:,} edges" in printed
    assert run("tree", folder, "-o", out)[0] == 2
    code, printed, _ = run("tree", folder, "--format", form, "-k", 4, "--min-confidence", 0, "-g", "lorentz:-1")
    assert (code, printed) == (0, out.read_text())


def test_the_verb_shows_the_largest_branches(run, folder):
    code, printed, _ = run("tree", folder, "--min-confidence", 0)
    assert code == 0
    assert "\u202e" not in printed.replace("\u2068", "").split("caption")[0]
    assert "40 items" in printed


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--by", "angel"], "angle"),
        (["--format", "xml"], "json"),
        (["-g", "hyperbolic"], "hyperbolic"),
        (["-k", 0], "-k"),
        (["--min-confidence", 2], "--min-confidence"),
        (["--out", "/dev/null/file"], "/dev/null"),
    ],
)
def test_the_verb_refuses_what_it_does_not_know(run, folder, options, named):
    code, printed, error = run("tree", folder, *options)
    assert (code, printed) == (2, "")
    assert named in error


@pytest.mark.slow
def test_real_names_of_lvis_stand_below_true_ancestors(data_home, tmp_path):
    from hiergeo import adapters, search
    from hiergeo.datasets.lvis import load_lvis

    lvis = load_lvis()
    index = search.build(tmp_path / "lvis", adapters.load("lvis:clip"), captions=[f"a {word}" for word in lvis.words])
    tree = package.grow(index, package.TreeSettings(k=10))
    true = set(map(tuple, lvis.pairs.tolist()))
    children = {child for child, _ in true}
    places, candidates = np.argsort(tree.ids), tree.links.parent.numpy()
    ranked = {child: tree.ids[candidates[places[child]][candidates[places[child]] >= 0]].tolist() for child in children}
    first = np.mean([(child, above[0]) in true for child, above in ranked.items() if above])
    within = np.mean([any((child, other) in true for other in above) for child, above in ranked.items()])
    assert first == pytest.approx(0.515, abs=0.01)
    assert within == pytest.approx(0.739, abs=0.01)
