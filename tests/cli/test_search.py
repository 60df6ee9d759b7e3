"""``hiergeo search`` and its neighbours as a user meets them."""

import json

import pytest
from PIL import Image

from hiergeo import Polar, Space, adapters, search
from hiergeo.cli import index
from hiergeo.cli.search import _lines, answer_lines, apex
from hiergeo.search.corpus.running import Summary
from hiergeo.search.requests import KINDS
from hiergeo.testing import oracle

CAPTIONS = ("an animal", "a bird", "an owl", "a big brown owl", "a taxi", "a small yellow taxi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("search") / "index"
    search.build(place, "tiny", CAPTIONS)
    return place


@pytest.mark.parametrize("kind", ["children", "parents", "neighbours", "ladder", "count"])
def test_every_kind_prints_and_writes_what_python_finds(run, folder, tmp_path, kind):
    out = tmp_path / "out.json"
    code, printed, _ = run("search", folder, "an owl", "--find", kind, "-g", "lorentz:-1", "--json", out)
    assert code == 0
    document = json.loads(out.read_text())
    assert next(iter(document)) == "metrics"
    (answer,) = document["answers"]
    found = getattr(search.open(folder), kind)("an owl", space="lorentz:-1")
    if kind == "count":
        assert answer["count"] == found == document["metrics"]["entailed"]
        return
    assert document["metrics"]["hits"] == len(found.hits)
    assert answer["guarantee"] == "exact"
    assert all(hit.caption.split()[-1] in printed for hit in found.hits)
    assert f"of {len(CAPTIONS)} items scored" in printed
    assert ("margin" in printed.partition("───")[0]) == (kind in ("children", "parents"))
    assert f"by {found.by}" in printed
    if kind in ("children", "parents"):
        inside = sum(bool(hit.entails) for hit in found.hits)
        assert (f"{inside} of {len(found.hits)} hits" in printed) == (inside > 0)


@pytest.mark.parametrize("kind", ["children", "parents", "neighbours", "ladder"])
def test_angles_are_where_the_words_say(folder, kind):
    """Against the exterior angle, at the one or the other, of embeddings that no index holds."""
    model = adapters.load("tiny")
    space = Space("lorentz:-1", model.root())
    query, *items = model.encode_text(["an owl", *CAPTIONS])
    answer = getattr(search.open(folder), kind)("an owl", space="lorentz:-1")
    for hit in answer.hits:
        if hit.caption == "an owl":
            continue
        item = items[CAPTIONS.index(hit.caption)]
        ends = (query, item) if apex(kind) == "the query" else (item, query)
        expected = float(space.exterior_angle(*(end[None] for end in ends)))
        assert hit.angle == pytest.approx(expected, abs=2e-3)


def test_rows_of_a_narrow_terminal_hold_an_id_a_caption_and_every_number(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    search.build(tmp_path / "index", "tiny", CAPTIONS, ids=[(7 << 32) + i for i in range(len(CAPTIONS))])
    for kind in ("children", "ladder"):
        code, printed, _ = run("search", tmp_path / "index", "an owl", "--find", kind, "-g", "lorentz:-1")
        lines = printed.splitlines()
        assert code == 0
        assert max(map(len, lines)) <= 80
        *_, angle, distance, _ = next(line for line in lines if f"{(7 << 32) + 2}   an owl" in line).split()
        assert (float(angle), float(distance)) == pytest.approx((0, 0), abs=2e-3)


def test_settings_of_a_search_give_its_answers_again(run, folder, tmp_path):
    out = tmp_path / "out.json"
    words = ("an eagle", "-k", 3, "--by", "angle", "-g", "lorentz:-1", "--min-radius", 0.05, "--high", 9)
    assert run("search", folder, *words, "--json", out)[0] == 0
    held = json.loads(out.read_text())
    (answer,), told = held["answers"], held["settings"]
    again = search.open(told["path"]).children(
        answer["query"],
        told["k"],
        by=told["by"],
        space=told["space"],
        min_radius=told["min_radius"],
        low=told["low"],
        high=told["high"],
        store=told["store"],
    )
    assert [hit.id for hit in again.hits] == [hit["id"] for hit in answer["hits"]]


@pytest.fixture
def ask(run, folder, tmp_path):
    """The first answer of a search in JSON."""

    def answer(*words):
        assert run("search", folder, *words, "--json", tmp_path / "out.json")[0] == 0
        return json.loads((tmp_path / "out.json").read_text())["answers"][0]

    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_flags_of_version_0_2_still_say_what_to_find(ask, kind):
    assert ask("an eagle", f"--{kind}") == ask("an eagle", "--find", kind)


@pytest.mark.parametrize(
    ("words", "kind", "options"),
    [
        (("--within", 0.3), "count", {"within": 0.3}),
        (("--steps", 7), "ladder", {"thresholds": 7}),
        ((), "ladder", {"thresholds": 50}),
        (("--exclude", 2, "--exclude", 4), "neighbours", {"exclude": [2, 4]}),
        (("--low", 0.2, "--high", 0.6), "neighbours", {"low": 0.2, "high": 0.6}),
        (("--low", 0.4), "count", {"low": 0.4}),
        (("-k", 2, "--by", "angle"), "parents", {"k": 2, "by": "angle"}),
        (("--duplicates",), "children", {"distinct": False}),
    ],
)
def test_options_are_those_of_python(ask, folder, words, kind, options):
    wanted = getattr(search.open(folder), kind)("an eagle", **options)
    answer = ask("an eagle", "--find", kind, *words)
    if kind == "count":
        assert answer["count"] == wanted
    else:
        assert answer == json.loads(json.dumps({"query": "an eagle", "kind": kind, **wanted.as_dict()}))


@pytest.mark.parametrize("min_radius", [None, 0.3])
@pytest.mark.parametrize("kind", ["children", "parents", "count"])
def test_cones_are_those_of_the_minimum_radius(run, folder, tmp_path, kind, min_radius):
    """Margins by the oracle in float64; the index keeps its embeddings in float16."""
    model = adapters.load("tiny", device="cpu")
    vectors = model.encode_text(["red", *CAPTIONS]).double() - model.root().double()
    points = Polar(vectors, vectors.norm(dim=1))
    query, items = (Polar(*(field[rows] for field in points)) for rows in (slice(0, 1), slice(1, None)))
    pair = (items, query) if kind == "parents" else (query, items)
    margins = oracle.margin(*pair, -1.0, min_radius or 0.1).tolist()
    option = [] if min_radius is None else ["--min-radius", min_radius]
    code, *_ = run(
        "search", folder, "red", "--find", kind, "-g", "lorentz:-1", *option, "--json", tmp_path / "out.json"
    )
    assert code == 0
    (answer,) = json.loads((tmp_path / "out.json").read_text())["answers"]
    if kind == "count":
        assert answer["count"] == sum(margin >= 0 for margin in margins)
    else:
        assert {hit["id"]: hit["margin"] for hit in answer["hits"]} == pytest.approx(dict(enumerate(margins)), abs=0.02)


def test_an_image_is_searched_by_its_name(run, folder, tmp_path):
    picture = tmp_path / "scene.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    code, *_ = run("search", folder, picture, "-k", 2, "--json", tmp_path / "out.json")
    assert code == 0
    (answer,) = json.loads((tmp_path / "out.json").read_text())["answers"]
    assert [hit["id"] for hit in answer["hits"]] == [hit.id for hit in search.open(folder).children(picture, 2).hits]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ([], "--id"),
        (["an eagle", "--find", "parent"], "parents"),
        (["an eagle", "--by", "margins"], "margin"),
        (["an eagle", "--low", "2", "--high", "1"], "empty"),
        (["an eagle", "-g", "lorenz:-1"], "lorentz"),
        (["nowhere.JPG"], "nowhere.JPG"),
        (["an eagle", "--within", "1"], "within does not apply to children"),
        (["an eagle", "--find", "count", "-k", "3"], "k does not apply to count"),
        (["an eagle", "--find", "count", "--within", "1", "--min-radius", "0.2"], "give one of them"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_sentence(run, folder, asked, named):
    code, _, said = run("search", folder, *asked)
    assert code == 2
    assert named in said
    assert said.count("\n") == 1


def test_a_folder_without_an_index_is_named(run, tmp_path):
    code, _, said = run("search", tmp_path, "an eagle")
    assert code == 2
    assert str(tmp_path) in said


def test_a_setting_that_is_not_finite_is_null_in_json(run, folder, tmp_path):
    code, *_ = run("search", folder, "an eagle", "--high", "inf", "--json", tmp_path / "out.json")
    assert code == 0

    def refuse(name):
        pytest.fail(f"{name} is no JSON")

    document = json.loads((tmp_path / "out.json").read_text(), parse_constant=refuse)
    assert document["settings"]["high"] is None


def test_a_hit_at_the_edge_of_a_cone_lies_in_it():
    margins = enumerate((0.1, 0.0, -0.1))
    hits = tuple(search.Hit(i, f"item {i}", None, 1.0, margin, 0.1, 0.2, margin >= 0) for i, margin in margins)
    lines = answer_lines("an eagle", "children", search.Answer(hits, "exact", 3, 3, 0.5), "euclidean")
    assert any("2 of 3 hits" in str(line) for line in lines)


def test_ten_inputs_that_failed_are_named_and_others_counted(tmp_path, capsys):
    names = [f"{i}.csv" for i in range(13)]
    failed, broken = dict.fromkeys(names, "no rows."), tuple(names[:11])
    index.note_faults(Summary(24, failed=failed, incomplete=broken), tmp_path)
    notes = capsys.readouterr().err.splitlines()
    assert sum("left out" in line for line in notes) == 10
    assert "14 more inputs" in notes[-1]


def test_a_ladder_shows_a_rung_once_until_another_takes_its_place() -> None:
    found = [None, 0, 0, 1, 1, 0, None, 0]
    hits = [search.Hit(item, None, None, 0.0, 0.0, 0.0, 0.0) if item is not None else None for item in found]
    rungs = tuple(search.Rung(float(step), hit) for step, hit in enumerate(hits))
    lines = _lines(search.Climb(rungs, "exact", 2, 2, 1.0))
    assert [(step, hit.id) for step, hit in lines] == [(1, 0), (3, 1), (5, 0)]
