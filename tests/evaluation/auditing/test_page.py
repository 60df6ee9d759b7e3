"""`hiergeo audit`: its table, its JSON, its page, and models that are audited through it."""

import json

import pytest

import hiergeo
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.report import write_audit
from tests.report.page_common import read, scripts

VERB = ["audit", "-m", "tiny", "-d", "scenes", "--rows", 24]


@pytest.fixture(scope="module")
def audit():
    scenes = hiergeo.datasets.load("scenes", count=24)
    return hiergeo.audit("tiny", scenes, "product:lorentz:-1x32,euclidean:x32", AuditSettings(steps=5))


def test_the_verb_writes_what_python_gives(run, tmp_path):
    json_file, page = tmp_path / "audit.json", tmp_path / "audit.html"
    code, printed = run(*VERB, "-g", "lorentz:-1", "--json", json_file, "--html", page)[:2]
    assert code == 0
    told = json.loads(json_file.read_text())
    scenes = hiergeo.datasets.load("scenes", count=24)
    same = hiergeo.audit("tiny", scenes, "lorentz:-1")
    assert told["numbers"] == pytest.approx(same.numbers)
    assert told["headline"] == same.headline
    assert {question: each["word"] for question, each in told["answers"].items()} == {
        question: each.word for question, each in same.answers.items()
    }
    assert {"auroc_flat", "recall_radius_only"} < set(told["numbers"])
    assert same.headline in " ".join(printed.split())
    assert "tiny · scenes test · lorentz:-1" in printed
    assert same.headline in read(page).text


def test_the_page_holds_every_number_of_the_tables(audit, tmp_path):
    path = write_audit(audit, tmp_path / "page.html")
    page = read(path)
    assert len(scripts(path)) == 2
    for row in audit.records():
        assert f"{row['value']:.3f}".replace("-", "−") in page.text
    assert "factor 2, K = 0" in page.text
    for answer in audit.answers.values():
        assert answer.sentence in page.text


def test_every_table_holds_the_control_that_decides_about_curvature(audit):
    (row,) = (row for row in audit.records() if row["control"] == "flat_best")
    answer = audit.answers["curvature"]
    gain = [row[name] for name in ("gain", "gain_low", "gain_high")]
    assert gain == pytest.approx([answer.value, answer.low, answer.high])
    value = f"{row['value']:.3f}"
    for text in (audit.to_markdown(), audit.to_latex()):
        assert "best radii" in text
        assert value in text
    assert repr(row["value"]) in audit.to_csv()


def test_a_page_escapes_names_from_outside(audit, tmp_path):
    audit.settings["model"] = "<b>npz:x</b>"
    assert "<b>npz" not in (write_audit(audit, tmp_path / "page.html")).read_text()


def test_a_model_is_audited_in_its_own_space(tmp_path):
    class Native(type(hiergeo.adapters.load("tiny"))):
        def native_space(self):
            return hiergeo.Space("lorentz:-0.5", min_radius=0.2)

    model = hiergeo.adapters.load("tiny")
    model.__class__ = Native
    found = hiergeo.audit(model, hiergeo.datasets.load("scenes", count=8), None, AuditSettings(steps=3))
    assert found.settings["geometry"] == "lorentz:-0.5"
    assert found.settings["min_radius"] == 0.2


@pytest.mark.parametrize(
    "wrong", [["--samples", 5], ["-g", "lorentz:1"], ["-d", "scene"], ["--json", "x", "--html", "x"]]
)
def test_bad_input_is_refused_before_work(run, wrong):
    assert run(*VERB, *wrong)[0] == 2


def test_real_embeddings_score_as_the_protocols_score_them(data_home):
    model, chains = (
        f"npz:{data_home}/embeddings/hierarcaps_minilm_lit.npz",
        hiergeo.datasets.load("hierarcaps").take(120),
    )
    numbers = hiergeo.audit(model, chains, "euclidean", AuditSettings()).numbers
    ladders = hiergeo.evaluate(model, chains, "euclidean", samples=2)
    for name in ("tau_d", "precision", "recall"):
        assert numbers[name] == pytest.approx(ladders.metrics[name], rel=1e-12), name
