"""Plans of suites: what they mean, and that everything else is refused in one sentence before work starts."""

import json

import pytest

from hiergeo._core.errors import InputError
from hiergeo.training import TowerRecipe, suite
from hiergeo.training.suite.plan import SHIPPED, BenchmarkEntry, of_table, parse_plan
from tests.training.suite.suite_common import PLAN, plan, toys  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("toys")


def test_files_of_cells_differ_where_names_are_alike():
    names = (("a/b", "x", "y"), ("a b", "x", "y"), ("a", "b x", "y"), ("a", "b", "x y"), ("é", "?", "*"))
    places = {suite.Place(*name) for name in names}
    assert len({place.file for place in places}) == len(places)
    assert all("/" not in place.file for place in places)


def test_a_stored_plan_is_the_same_plan():
    train = '{ kind = "re", data = "scenes", steps = 3, losses = ["re"] }'
    made = plan(PLAN + f'[[models]]\nspec = "tiny"\ntrain = {train}\n')
    assert of_table(made.as_table()).as_table() == made.as_table()
    assert of_table(made.as_table()).cells == made.cells
    assert isinstance(made.models[-1].train.recipe, TowerRecipe)


OPTIONS = """
model = ["tiny", "npz:other.npz"]
data = "scenes"
rows = 40
geometry = ["euclidean", "lorentz:-1"]
protocol = "pairs"
batch-size = 16
seed = 3
"""


def test_options_of_a_comparison_are_a_plan():
    made = parse_plan(OPTIONS)
    tables = """
    title = "Models on scenes"
    spaces = ["euclidean", "lorentz:-1"]
    batch_size = 16
    seed = 3
    [[models]]
    spec = "tiny"
    [[models]]
    spec = "npz:other.npz"
    [[benchmarks]]
    name = "hierarcaps"
    title = "scenes"
    data = "scenes"
    take = 40
    protocol = "pairs"
    """
    assert made.as_table() == parse_plan(tables).as_table()
    assert [parse_plan(tables).digest(place) for place in made.cells] == [made.digest(place) for place in made.cells]


@pytest.mark.parametrize(
    "table", ['[[models]]\nspec = "tiny"', '[[benchmarks]]\nname = "hyperlex"', 'spaces = ["euclidean"]']
)
def test_what_options_name_is_not_named_by_tables_too(table):
    lines = OPTIONS.splitlines(keepends=True)
    both = "".join([table + "\n", *lines] if "[[" not in table else [*lines, table])
    with pytest.raises(InputError, match="twice"):
        parse_plan(both)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_stored_plan_asks_for_the_same_cells(name):
    found = suite.read_plan(name)
    stored = of_table(json.loads(json.dumps(found.as_table(), sort_keys=True)))
    asked = [found.digest(place) for place in found.cells]
    assert [stored.digest(place) for place in stored.cells] == asked
    assert len(set(asked)) == len(asked)


def test_an_option_of_none_asks_for_the_same_cell():
    audit = BenchmarkEntry(name="audit", data="scenes", take=None)
    made = plan().model_copy(update={"benchmarks": (audit,)})
    stored = of_table(made.as_table())
    assert [stored.digest(place) for place in made.cells] == [made.digest(place) for place in made.cells]


def test_a_folder_of_that_name_does_not_hide_a_shipped_plan_and_a_file_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert suite.read_plan("demo").as_table() == suite.shipped_plan("demo").as_table()
    (tmp_path / "paper").write_text(PLAN)
    assert suite.read_plan("paper").as_table() != suite.shipped_plan("paper").as_table()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("samples", "sample", "samples"),
        ('spec = "toy:a"', 'specs = "toy:a"', "spec"),
        ('spec = "toy:a"', "", r"models\[0\].spec"),
        ('spec = "toy:a"', 'spec = "toi:a"', "toy"),
        ('name = "b"', 'name = "a"', "collide"),
        ('title = "higher bar"', 'title = "radius"', "collide"),
        ('["native", "lorentz:-1"]', '["lorenz:-1"]', "lorentz"),
        ('["native", "lorentz:-1"]', "[]", "space"),
        ('name = "radius"\ntitle', 'name = "radios"\ntitle', "radius"),
        ("bar = 1.5", "baa = 1.5", "bar"),
        ("bar = 1.5", "bar = [1]", "bar"),
        ("samples = 60", "samples = 0", "samples"),
        ('device = "cpu"', 'dtype = "float31"', "float32"),
        ('spec = "toy:b"', 'spec = "toy:b"\ntrain = {kind = "heads", data = "scenes"}', "head"),
        ('spec = "toy:b"', 'spec = "toy:b"\ntrain = {kind = "head", data = "scene"}', "scenes"),
        ('spec = "toy:b"', 'spec = "toy:b"\ntrain = {kind = "head", data = "scenes", step = 3}', "steps"),
        ('spec = "toy:b"', 'spec = "toy:b"\ntrain = {kind = "head", data = "scenes", steps = "many"}', "steps"),
    ],
)
def test_what_is_wrong_is_named(old, new, named):
    assert old in PLAN
    with pytest.raises(InputError, match=named):
        parse_plan(PLAN.replace(old, new))


def test_a_plan_without_models_or_benchmarks():
    with pytest.raises(InputError, match="models"):
        parse_plan("")
    with pytest.raises(InputError, match="benchmarks"):
        parse_plan('[[models]]\nspec = "tiny"')
