"""Models and losses of files by name, and files that documents of others name: these never run."""

from pathlib import Path

import pytest

import hiergeo
from hiergeo import training
from hiergeo._core import plugins
from hiergeo._core.plugins import quoting
from hiergeo.adapters.head import Head, HeadShape, write_head
from hiergeo.adapters.loading import check_spec
from hiergeo.errors import InputError, UnavailableError
from hiergeo.evaluation import Result
from hiergeo.evaluation.experiment.contrasts import Run, SpaceFacts
from hiergeo.training.suite.plan import ModelEntry

MINE = """
import zlib
import torch
from hiergeo.adapters import Model

class Words(Model):
    name, has_images, preprocessing = "words", False, "words"

    def __init__(self, size):
        self.size = size

    def fingerprint(self):
        return f"words-{self.size}"

    def text_rows(self, texts):
        rows = torch.zeros(len(texts), self.size)
        for row, text in zip(rows, texts):
            for word in ("^ " + text).split():
                row[zlib.crc32(word.encode()) % self.size] += 1
        return torch.nn.functional.normalize(rows, dim=-1)

def load(rest, device):
    return Words(int(rest or 16))

made = Words(8)
nothing = 1

def step(batch):
    radius = batch.space.radius(batch.positive)
    return (radius[:, :-1] - radius[:, 1:] + 1.0).clamp_min(0).mean()
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path}/mine.py"


@pytest.fixture
def evil(tmp_path: Path) -> str:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'it_ran')!r}, 'w')\nload = None\n")
    return f"{tmp_path}/evil.py:load"


def test_models_of_a_file(mine: str) -> None:
    texts = ["a dog", "an animal"]
    for spec, dim in ((f"{mine}:load", 16), (f"{mine}:load:32", 32), (f"{mine}:made", 8)):
        check_spec(spec)
        ModelEntry(spec=spec, spaces=("euclidean",)).check()
        model = hiergeo.adapters.load(spec)
        assert model.encode_text(texts).shape == (2, dim)
        assert model.name == spec, "by which heads and indexes store it"
    for wrong in (f"{mine}:other", f"{mine}:nothing", f"{mine[:-7]}none.py:load"):
        with pytest.raises((InputError, UnavailableError), match=wrong.rpartition("/")[2].partition(":")[0]):
            hiergeo.adapters.load(wrong)
    with pytest.raises(InputError, match="none"):
        check_spec(f"{mine[:-7]}none.py:load")
    broken = Path(mine).with_name("broken.py")
    broken.write_text("def load(:\n")
    with pytest.raises(UnavailableError, match="SyntaxError"):
        hiergeo.adapters.load(f"{broken}:load")


@pytest.mark.slow
def test_a_loss_of_a_file_is_minimised(mine: str) -> None:
    model = hiergeo.adapters.load("tiny")
    chains = training.from_hierarchy(hiergeo.datasets.load("scenes", split="train", count=30), model)
    losses = training.parse_losses([f"{mine}:step=2", "order"])
    assert losses == {f"{mine}:step": 2.0, "order": 1.0}
    recipe = training.Recipe(losses={f"{mine}:step": 1.0}, steps=30, every=30, unit=False, learning_rate=0.003)
    trained = training.train_head(chains, hiergeo.Euclidean(), recipe)
    first, last = (look.validation[f"{mine}:step"] for look in (trained.history[0], trained.history[-1]))
    assert last < first
    with pytest.raises(InputError, match="other"):
        training.parse_losses([f"{mine}:other=1"])


def test_files_that_documents_name_never_run_unasked(
    evil: str, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in ({"base": evil}, {"base": "tiny", "geometry": evil}, {"base": f"head:{tmp_path}/none@{evil}"}):
        folder = write_head(tmp_path / "head", Head(HeadShape(64, 64)), config, overwrite=True)
        with pytest.raises(InputError, match=r"evil|none"):
            hiergeo.adapters.load(f"head:{folder}").native_space()
    hiergeo.search.build(tmp_path / "ix", hiergeo.adapters.load(f"{mine}:load"), captions=["a dog", "an animal"])
    monkeypatch.setattr(plugins, "LOADED", {})
    with pytest.raises(InputError, match=r"mine\.py:load"):
        hiergeo.search.open(tmp_path / "ix").children("a dog", 2)
    result = Result(metrics={}, settings={"geometry": evil}, diagnostics={}, draws={})
    assert SpaceFacts.of([Run("tiny", "tiny", evil, result)]).curved
    with quoting(), pytest.raises(InputError, match="evil"):
        hiergeo.Space(evil)
    assert not (tmp_path / "it_ran").exists()
    hiergeo.adapters.load(f"{mine}:load")
    with quoting():
        assert hiergeo.adapters.load(f"{mine}:load").name, "what was named before may be"
