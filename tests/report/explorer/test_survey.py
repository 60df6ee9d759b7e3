"""Surveys of spaces, against brute force over all pairs and an audit of the embeddings themselves."""

import json

import numpy as np
import pytest
import torch

import hiergeo
from hiergeo import Space, datasets, search
from hiergeo.evaluation import embed
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.auditing.survey import Survey
from hiergeo.report.explorer import survey
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import Tiers, read_items
from hiergeo.report.explorer.survey import survey_of

pytestmark = pytest.mark.filterwarnings("ignore:this space has no root")

N, DIM = 80, 6


def lens(index, spec=None):
    return Lens("0", "test", "test", index, index.chosen(spec))


def built(folder, rows, space="euclidean", captions=None):
    captions = [f"{'word ' * (i % 5)}{i}" for i in range(len(rows))] if captions is None else captions
    return search.build(folder / "index", None, captions, embeddings=rows, space=space, dtype="float32")


def rows_of(seed=0, scale=2.0):
    torch.manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(N, DIM) + 0.5, dim=1) * scale * torch.rand(N, 1).add(0.1)


def kinds(found: Survey) -> dict[str, str]:
    return {each.kind: each.severity for each in found.remarks}


def said(found: Survey, kind: str) -> str:
    return next(each.sentence for each in found.remarks if each.kind == kind)


def law(rows):
    """Radii (n,) and directions (n, D) of rows, and whether the cone of one holds another (n, n), K = -1, float64."""
    r = rows.double().norm(dim=1).numpy()
    u = (rows.double() / rows.double().norm(dim=1, keepdim=True)).numpy()
    cosine = np.clip(u @ u.T, -1, 1)
    x, y = r[:, None], r[None, :]
    angle = np.arctan2(np.sinh(y) * np.sqrt(1 - cosine**2), np.cosh(x) * np.sinh(y) * cosine - np.sinh(x) * np.cosh(y))
    inside = np.arcsin(np.minimum(1, 0.2 / np.sinh(x))) >= angle
    np.fill_diagonal(inside, False)
    return r, u, inside


def test_numbers_are_those_of_all_pairs(tmp_path):
    rows = torch.cat([rows_of(), rows_of()[:7]])
    found = survey_of(lens(built(tmp_path, rows), "lorentz:-1"))
    r, u, inside = law(rows)
    copies = np.zeros_like(inside)
    copies[np.arange(7), N + np.arange(7)] = copies[N + np.arange(7), np.arange(7)] = True
    held = (inside | copies).sum(axis=1)
    assert found.numbers["cone_random"] == pytest.approx((held / (N + 6)).mean())
    assert found.numbers["cone_empty"] == pytest.approx((held == 0).mean())
    assert sum(found.cones) == N + 7
    low, high = found.intervals["cone_random"]
    assert low < found.numbers["cone_random"] < high
    assert found.numbers["copies"] == 7
    assert said(found, "copies").endswith(" 7.")
    assert found.numbers["u_median"] == pytest.approx(np.median(r))
    assert found.numbers["mean_direction"] == pytest.approx(np.linalg.norm(u.mean(axis=0)))
    assert found.numbers["cone_saturated"] == pytest.approx((np.sinh(r) <= 0.2).mean())
    assert found.numbers["radius_spread"] == pytest.approx(np.quantile(r, 0.95) / np.quantile(r, 0.05))
    assert sum(found.counts) == N + 7
    assert found.edges[0] == pytest.approx(r.min())
    assert found.edges[-1] == pytest.approx(r.max())
    assert found.kinds == (N + 7, 0)
    told = found.as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_cones_of_a_sample_are_looked_for_among_all_items(tmp_path, monkeypatch):
    """More items than are sampled: a cone without one of the sample may hold others."""
    monkeypatch.setattr(survey, "SAMPLE", 20)
    monkeypatch.setattr(survey, "APEXES", 15)
    monkeypatch.setattr(survey, "FEWEST", 5)
    index = built(tmp_path, rows_of())
    found = survey_of(lens(index, "lorentz:-1"))
    held = law(rows_of())[2].sum(axis=1)[read_items(index.store).sample(15)]
    assert sum(found.cones) == 15
    assert found.numbers["cone_empty"] == pytest.approx((held == 0).mean())
    assert found.numbers["cone_random"] == pytest.approx((held / (N - 1)).mean())


def test_radii_that_follow_the_number_of_words_are_told(tmp_path):
    rows = torch.nn.functional.normalize(torch.randn(N, DIM), dim=1) * torch.linspace(1, 2, N)[:, None]
    captions = [" ".join(["word"] * (1 + i // 2)) for i in range(N)]
    found = survey_of(lens(built(tmp_path, rows, captions=captions)))
    assert found.numbers["length_spearman"] == pytest.approx(1, abs=1e-3)
    assert kinds(found)["length"] == "warning"
    unrelated = survey_of(lens(built(tmp_path / "unrelated", rows[torch.randperm(N)], captions=captions)))
    assert kinds(unrelated)["length"] != "warning"


def test_spaces_that_do_no_work_are_told_so(tmp_path):
    near = survey_of(lens(built(tmp_path / "near", rows_of(scale=0.08)), "lorentz:-1"))
    assert kinds(near)["cones"] == "warning"
    assert "half-spaces;" in said(near, "cones")
    assert kinds(near)["curvature"] == "warning"
    assert "effectively flat" in said(near, "curvature")
    middle = survey_of(lens(built(tmp_path / "middle", rows_of(scale=0.4)), "lorentz:-1"))
    assert middle.numbers["cone_saturated"] == pytest.approx(
        float((rows_of(scale=0.4).norm(dim=1).sinh() <= 0.2).float().mean())
    )
    far = survey_of(lens(built(tmp_path / "far", rows_of(scale=8)), "lorentz:-1"))
    assert kinds(far)["cones"] == "warning"
    assert "nearly empty" in said(far, "cones")
    assert kinds(far)["curvature"] == "fine"
    shell = torch.nn.functional.normalize(torch.randn(N, DIM) + 20, dim=1)
    narrow = survey_of(lens(built(tmp_path / "narrow", shell)))
    assert kinds(narrow)["directions"] == kinds(narrow)["radii"] == "warning"
    assert kinds(narrow)["curvature"] == "note"


@pytest.mark.parametrize("rows", [torch.zeros(1, 3), torch.zeros(5, 3), torch.ones(5, 3), torch.eye(4)])
@pytest.mark.parametrize("spec", ["euclidean", "sphere:0.1"])
def test_special_collections_have_a_survey(tmp_path, rows, spec):
    found = survey_of(lens(built(tmp_path, rows), spec))
    assert sum(found.counts) == found.numbers["items"] == len(rows)
    assert found.numbers["copies"] == len(rows) - len(rows.unique(dim=0))
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Scenes embedded by the bundled model: the embeddings, and an index of their captions."""
    hierarchy = datasets.load("scenes", split="test", count=40)
    embedded = embed(hiergeo.adapters.load("tiny"), hierarchy, images=False, negatives=True)
    captions = list(dict.fromkeys(hierarchy.texts))
    place = {caption: at for at, caption in enumerate((*embedded.texts, *captions))}
    texts = sorted(hierarchy.texts, key=lambda text: place[text])
    index = built(tmp_path_factory.mktemp("scenes"), embedded.captions, Space("lorentz:-1", embedded.root), texts)
    return embedded, index


def test_the_audit_of_stored_rows_is_that_of_the_embeddings(scenes, monkeypatch):
    embedded, index = scenes
    settings = AuditSettings(steps=4)
    monkeypatch.setattr(survey, "SETTINGS", settings)
    found = survey_of(lens(index), Tiers(embedded.hierarchy), embedded.hierarchy)
    truth = hiergeo.audit(embedded, None, "lorentz:-1", settings)
    assert found.audit is not None
    assert found.audit.numbers == pytest.approx(truth.numbers, abs=1e-4)
    first = found.remarks[0]
    assert first.kind == "hierarchy"
    assert first.sentence.partition(": ")[2] == truth.headline.partition(": ")[2]  # behind the setting
    assert {question: answer.word for question, answer in found.audit.answers.items()} == {
        question: answer.word for question, answer in truth.answers.items()
    }
    assert [tier.items for tier in found.tiers] == [
        int((index_tiers(found, index, embedded) == t).sum()) for t in range(4)
    ]
    json.dumps(found.as_dict(), allow_nan=False)


def index_tiers(found, index, embedded):
    return read_items(index.store, Tiers(embedded.hierarchy)).tier
