"""Chains beside baselines: `hiergeo chains quality`, its JSON, its page, and what it says."""

import io
import json

import pytest

from hiergeo._core.errors import InputError
from hiergeo.construction import BuildPlan, build
from hiergeo.construction.appraisal import appraise, hierarcaps_baselines, read_dropped
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.card import read_card
from hiergeo.construction.judges import JUDGES
from hiergeo.report.quality import appraisal_tables, write_appraisal
from tests.construction.construction_common import CONTRADICTS, ENTAILS, TableJudge, chains_of
from tests.construction.construction_toys import ToyBackend, ToyJudge
from tests.datasets.hierarcaps_common import TESTED, write_expanded, write_test
from tests.report.page_common import read, scripts

HOSTILE = "<b>dog</b> \u202egod"
DOG = f"animal => {HOSTILE} => a brown dog runs on grass"
CAT = "animal => cat => a cat on a chair"
TABLE = {
    (HOSTILE, "animal"): ENTAILS,
    ("cat", "animal"): ENTAILS,
    ("animal", "food"): CONTRADICTS,
    ("a cat on a chair", "cat"): CONTRADICTS,
}


@pytest.fixture
def judge(monkeypatch):
    """The judge of tests, known to the command line as ``table``."""
    made = TableJudge(TABLE)
    monkeypatch.setitem(JUDGES.own, "table", lambda rest: made)
    return made


@pytest.fixture
def appraisal():
    chains = chains_of((DOG, "food => cat => a cat on a chair", 1), (CAT, "food => dog => a dog", 2), (CAT, None, 3))
    beside = {"corrected": chains_of((CAT, None, 2), (DOG, None, 1)), "other": chains_of((DOG, None, 99))}
    drops = {("generalise", "no <i>noun</i>"): 12, ("filter", "duplicate"): 3}
    return appraise(chains, beside, judge=TableJudge(TABLE), drops=drops, samples=50)


def test_sets_are_compared_over_the_images_of_both(appraisal):
    assert {name: bool(found) for name, found in appraisal.differences.items()} == {"corrected": True, "other": False}
    change = appraisal.differences["corrected"]["forward_entailed"]
    assert (change.value, change.images) == (0, 2)
    few, paired, apart = appraisal.cautions
    assert "3 images" in few
    assert "2 of corrected" in paired
    assert "other" in apart


def test_a_judge_of_the_rules_of_a_backend_is_named_as_such():
    judge = TableJudge(TABLE)
    judge.name = "rules"
    rules, few = appraise(chains_of((CAT, None, 1)), {}, judge=judge).cautions
    assert "wordnet" in rules
    assert "1 image" in few


@pytest.mark.parametrize(
    ("named", "backend", "independent"), [("rules", "wordnet", False), ("rules", "openai:x", True)]
)
def test_rules_that_wrote_a_set_are_no_evidence_for_it(named, backend, independent):
    judge = TableJudge(TABLE)
    judge.name = named
    found = appraise(chains_of((CAT, None, 1)), {}, judge=judge, backend=backend)
    assert found.independent is independent
    rate = f"{100 * found.quality.metrics['forward_entailed']:.1f} % of adjacent tiers"
    assert (rate in found.headline) is independent


def test_captions_without_images_are_not_called_images():
    (few,) = appraise(chains_of((CAT, None, None)), {}, judge=TableJudge(TABLE)).cautions
    assert "image" not in few


def test_the_page_holds_every_number_and_escapes_what_is_from_outside(appraisal, tmp_path):
    path = write_appraisal(appraisal, tmp_path / "page.html")
    page = read(path)
    assert len(scripts(path)) == 2
    text = path.read_text()
    assert "<b>dog" not in text
    assert "<i>noun" not in text
    for each in (appraisal.quality, *appraisal.baselines.values()):
        for name, value in each.metrics.items():
            if "_tier" not in name:
                assert f"{value:.3f}" in page.text, name
    for caution in appraisal.cautions:
        assert caution.replace("\N{NO-BREAK SPACE}", " ") in page.text
    assert len([attributes for attributes in page.having("article") if attributes.get("class") == "chain"]) == 3
    assert "What was dropped" in page.text
    assert appraisal.omissions
    assert appraisal.omissions in page.text
    headline = text.partition("<h1>")[2].partition("</h1>")[0]
    assert "%" in headline
    assert " %" not in headline


def test_the_verb_writes_what_python_gives(run, judge, tmp_path):
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "train.csv").write_text("positive,negative,image_url\na => a cat => a black cat,b => a dog => a dog,\n")
    (folder / "dropped.csv").write_text(
        "row,caption,image,stage,reason,detail\n0,x,,filter,duplicate,\n4,y,,read,empty,\n"
    )
    told, page = tmp_path / "q.json", tmp_path / "q.html"
    arguments = ("chains", "quality", folder, "--split", "train", "--judge", "table", "--samples", 9)
    code, printed, _ = run(*arguments, "--json", told, "--html", page)
    assert code == 0
    assert judge.closed
    held = json.loads(told.read_text())
    assert held["metrics"]["words_tier2"] == 3
    assert held["drops"] == [["filter", "duplicate", 1], ["read", "empty", 1]]
    for each in held["cautions"]:
        assert " ".join(each.split()) in " ".join(printed.split())
    assert " ".join(held["headline"].split()) in read(page).text
    again = tmp_path / "again.json"
    assert run("chains", "quality", folder / "train.csv", "--judge", "table", "--samples", 9, "--json", again)[0] == 0
    assert json.loads(again.read_text())["metrics"] == held["metrics"]


def test_the_card_of_a_build_gets_its_numbers(run, monkeypatch, tmp_path):
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)
    captions = chains_of(*((f"a => a dog number {place} runs", None, place + 1) for place in range(6)))
    folder = tmp_path / "built"
    build(captions, folder, BuildPlan(backend="toy", judge="toy", test_fraction=0.5))
    assert run("chains", "quality", folder, "--judge", "toy", "--samples", 5, "--card")[0] == 0
    told = read_card(folder)["quality"]["test"]
    assert told["forward_entailed (judge toy)"] == told["negative_contradicted (judge toy)"] == 1
    assert told["words_grow"] == 1
    assert "words_grow" in (folder / "README.md").read_text().replace("\\", "")
    built = build(captions, folder, BuildPlan(backend="toy", judge="toy", test_fraction=0.5))
    assert built.card == read_card(folder)
    assert built.card["quality"] == {"test": told}
    changed = build(captions, folder, BuildPlan(backend="toy", judge="toy", test_fraction=0.8), overwrite=True)
    assert changed.card["quality"] == {}
    for wrong in ([folder, "--rows", 1], [folder / "test.csv"], ["scenes"]):
        assert run("chains", "quality", *wrong, "--judge", "toy", "--samples", 5, "--card")[0] == 2


def test_baselines_are_those_of_the_same_images(monkeypatch, tmp_path):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    from tests.datasets.hierarcaps_common import CAT as OTHER
    from tests.datasets.hierarcaps_common import COCO
    from tests.datasets.hierarcaps_common import DOG as FIRST

    write_test(tmp_path, ("0", FIRST, COCO.format(TESTED)))
    write_expanded(
        tmp_path, (FIRST, OTHER, COCO.format(TESTED)), (FIRST, OTHER, COCO.format(7)), (OTHER, FIRST, COCO.format(8))
    )
    found = hierarcaps_baselines(chains_of((DOG, None, 7), (DOG, None, 5)))
    assert [row.image_id for row in found["expanded"].rows] == [7]
    assert [row.image_id for row in found["corrected"].rows] == [TESTED]
    apart = hierarcaps_baselines(chains_of((DOG, None, 5), (DOG, None, None)))
    assert [row.image_id for row in apart["expanded"].rows] == [TESTED]


def test_records_of_what_was_dropped(tmp_path):
    assert read_dropped(tmp_path) == {}
    record = tmp_path / "dropped.csv"
    record.write_text("row,caption,image,stage,reason,detail\n")
    assert read_dropped(tmp_path) == {}
    record.write_text(
        "row,caption,image,stage,reason,detail\n" + '0,"a\nb",,filter,short,\n' * 2 + "1,c,,read,empty,d\n"
    )
    assert read_dropped(tmp_path) == {("filter", "short"): 2, ("read", "empty"): 1}
    record.write_text("row,caption,image,stage,reason,detail\n0,a,filter\n")
    with pytest.raises(InputError, match=r"dropped\.csv"):
        read_dropped(tmp_path)


@pytest.mark.parametrize(
    "wrong", [["nowhere"], ["chains:"], ["scenes", "--reference", "hierarcap"], ["scenes", "--judge", "ruls"]]
)
def test_bad_input_is_refused(run, wrong):
    assert run("chains", "quality", *wrong, "--samples", 2)[0] == 2


def test_tables_fit_eighty_columns(appraisal):
    from rich.console import Console

    console = Console(width=80, file=io.StringIO())
    for table in appraisal_tables(appraisal):
        console.print(table)
    text = console.file.getvalue()
    assert "…" not in text
    assert "words grow" in text
