"""Helps are written without the rooms that they tell of; what they repeat of these is the same there."""

import subprocess
import sys
from inspect import signature

from hiergeo import training
from hiergeo._core.devices import AUTO
from hiergeo.cli import defaults
from hiergeo.cli.app import SUMMARIES
from hiergeo.datasets.hierarcaps import PARTS
from hiergeo.datasets.public import PUBLIC
from hiergeo.search.requests import MOST_HITS
from hiergeo.search.taxonomy import TreeSettings
from hiergeo.search.taxonomy.growing import MOST_PARENTS

HELPS = """
import sys
from hiergeo.cli.app import app
from hiergeo.cli.app import loaded

def helped(*words):
    try:
        app([*words, "--help"], prog_name="hiergeo", standalone_mode=False)
    except SystemExit:
        pass
    heavy = sorted({"torch", "numpy", "open_clip", "transformers"} & set(sys.modules))
    print(*words, heavy, file=sys.stderr)

for name in sys.argv[1:]:
    helped(name)
    for verb in getattr(loaded(name), "commands", {}):
        helped(name, verb)
"""


def test_no_help_imports_torch():
    names = [name for verbs in SUMMARIES.values() for name in verbs]
    run = subprocess.run([sys.executable, "-c", HELPS, *names], capture_output=True, text=True, check=True)
    helps = run.stderr.splitlines()
    assert len(helps) > 2 * len(names)
    assert [line for line in helps if not line.endswith(" []")] == []
    assert run.stdout.count("Usage") == len(helps)


def test_defaults_of_settings():
    repeated, of = defaults.Tree(), TreeSettings()
    assert repeated._asdict() == {name: getattr(of, name) for name in repeated._fields}
    recipes = training.Recipe, training.TowerRecipe
    assert sorted({name for recipe in recipes for name in signature(recipe).parameters}) == list(defaults.SETTINGS)


def test_defaults_of_losses():
    assert training.parse_losses(defaults.SHARPEN) == training.SHARPEN == dict(training.Recipe().losses)
    assert training.parse_losses(defaults.RE) == dict(training.TowerRecipe().losses)
    assert set(defaults.OWN_LOSSES) == set(training.LOSSES.own)


def test_other_constants():
    assert (defaults.MOST_HITS, defaults.MOST_PARENTS) == (MOST_HITS, MOST_PARENTS)
    assert (list(PARTS), tuple(PUBLIC)) == (defaults.HIERARCAPS_PARTS, defaults.PUBLIC)
    assert defaults.AUTO == AUTO
