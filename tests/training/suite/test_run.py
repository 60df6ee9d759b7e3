"""Running suites: cells that are finished, resumed, shared out, damaged, and that fail alone."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import audit, datasets
from hiergeo._core.errors import InputError
from hiergeo._core.jobs import Share
from hiergeo._core.storage.locks import locked
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.benchmarks import measure
from hiergeo.training import suite
from hiergeo.training.suite.cells import FOLDER
from hiergeo.training.suite.running import Runner, share_of
from tests.training.suite.suite_common import PLAN, TEXTS, Toy, numbers, plan, toys  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("toys")


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / FOLDER).iterdir()}


class TestNumbers:
    def test_cells_hold_what_the_benchmark_gives(self, tmp_path):
        table = suite.run(plan(), tmp_path / "out")
        for place, cell in table.cells.items():
            space = "euclidean" if place.space == "native" else place.space
            bar = 1.5 if place.benchmark == "higher bar" else 1.4
            alone = measure(f"toy:{place.model}", "radius", space, bar=bar, samples=60, device="cpu")
            assert cell.result.metrics == alone.metrics
            assert np.array_equal(cell.result.draws["share"], alone.draws["share"])
            assert cell.result.baselines == alone.baselines

    def test_a_second_run_embeds_nothing(self, tmp_path):
        suite.run(plan(), tmp_path / "out")
        before, Toy.embedded = files(tmp_path / "out"), 0
        suite.run(plan(), tmp_path / "out")
        assert Toy.embedded == 0
        assert files(tmp_path / "out") == before


class TestResume:
    def test_numbers_of_another_plan_are_not_replaced_unasked(self, tmp_path):
        out, other = tmp_path / "out", plan(**{"bar = 1.5": "bar = 1.3"})
        suite.run(plan(), out)
        before = files(out)
        with pytest.raises(InputError, match=r"5 cells of another plan.*--overwrite"):
            suite.run(other, out)
        (out / "plan.json").write_text("{}")
        with pytest.raises(InputError, match="--overwrite"):
            suite.run(other, out)
        assert files(out) == before

    def test_a_plan_that_runs_beside_another_does_not_replace_its_cells(self, tmp_path, monkeypatch):
        out, other, claim = tmp_path / "out", plan(**{"bar = 1.5": "bar = 1.3"}), Runner.claim

        def overtaken(runner):
            claim(runner)
            monkeypatch.setattr(Runner, "claim", claim)
            suite.run(other, out)

        monkeypatch.setattr(Runner, "claim", overtaken)
        with pytest.raises(InputError, match=r"another plan.*--overwrite"):
            suite.run(plan(), out)
        assert len(suite.read(out).cells) == len(other.cells)

    def test_only_what_changed_is_measured_again(self, tmp_path):
        out = tmp_path / "out"
        suite.run(plan(), out)
        before = {name: (out / FOLDER / name).stat().st_mtime_ns for name in files(out)}
        suite.run(plan(**{"bar = 1.5": "bar = 1.3"}), out, overwrite=True)
        changed = {name for name in before if (out / FOLDER / name).stat().st_mtime_ns != before[name]}
        assert changed == {place.file for place in plan().cells if place.benchmark == "higher bar"}

    @pytest.mark.parametrize("named", ["", "deep/one.csv"], ids=["folder", "file"])
    def test_what_an_option_names_is_part_of_the_work(self, tmp_path, named):
        folder, out = tmp_path / "data", tmp_path / "out"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "one.csv").write_text("one")
        text = PLAN.replace("bar = 1.5", f'raises = "{folder / named}"')
        suite.run(plan(text), out)
        before = files(out)
        suite.run(plan(text), out)
        assert files(out) == before
        (folder / "deep" / "one.csv").write_text("another")
        suite.run(plan(text), out)
        changed = {name for name, content in files(out).items() if before[name] != content}
        assert changed == {place.file for place in plan().cells if place.benchmark == "higher bar"}

    def test_cells_of_an_earlier_plan_are_not_those_of_a_new_one(self, tmp_path):
        out = tmp_path / "out"
        suite.run(plan(), out)
        suite.run(plan(**{"bar = 1.5": "bar = 1.3"}), out, overwrite=True, worker="1/1000")
        table = suite.read(out)
        old = {place for place in table.plan.cells if place.benchmark == "higher bar"}
        assert set(table.missing) == old
        assert not old & set(table.cells)
        suite.run(plan(**{"bar = 1.5": "bar = 1.3"}), out, overwrite=True)
        assert not suite.read(out).missing

    def test_what_the_plan_says_beside_the_numbers_leaves_cells_as_they_are(self, tmp_path):
        out = tmp_path / "out"
        suite.run(plan(), out)
        before = files(out)
        changed = plan(Toys="Others", **{'published = "Toy A"': 'spaces = ["native", "lorentz:-1", "lorentz:-2"]'})
        suite.run(changed, out, worker="1/1000")
        assert files(out) == before
        assert len(suite.read(out).cells) == len(before)

    def test_workers_on_unlike_machines_share_a_folder(self, tmp_path):
        out = tmp_path / "out"
        suite.run(plan(), out, worker="0/2")
        suite.run(plan(**{'device = "cpu"': 'device = "auto"\nbatch_size = 7'}), out, worker="1/2")
        assert not suite.read(out).missing

    @pytest.mark.parametrize("damage", [b"", b"{}", b'{"cell": 1}', None])
    def test_a_damaged_cell_is_measured_again_aloud(self, tmp_path, damage):
        out, place = tmp_path / "out", plan().cells[2]
        suite.run(plan(), out)
        before, path = numbers(out), out / FOLDER / place.file
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"share": 0.', b'"share": 1.', 1) if damage is None else damage)
        assert "damaged" in suite.read(out).failed[place]
        with pytest.warns(UserWarning, match="damaged"):
            suite.run(plan(), out)
        assert numbers(out) == before


class TestFailures:
    @pytest.mark.parametrize(("option", "reason"), [("broken", "nan"), ("raises", "stumbled")])
    def test_one_cell_fails_alone_and_the_table_says_why(self, tmp_path, option, reason):
        table = suite.run(plan(**{"bar = 1.5": f'{option} = "toy:b"'}), tmp_path / "out")
        wrong = {place for place in plan().cells if place.model == "b" and place.benchmark == "higher bar"}
        assert set(table.failed) == wrong
        assert all(reason in why for why in table.failed.values())
        assert reason in table.to_markdown()
        assert "failed" in table.to_csv()
        assert len(table.standings[1].measured) == 3

    def test_a_failed_cell_is_tried_again(self, tmp_path):
        suite.run(plan(**{"bar = 1.5": 'raises = "toy:b"'}), tmp_path / "out")
        assert not suite.run(plan(), tmp_path / "out", overwrite=True).failed

    def test_a_model_that_cannot_be_loaded_fails_its_own_cells(self, tmp_path):
        table = suite.run(plan(**{'"toy:b"': '"npz:nowhere.npz"'}), tmp_path / "out")
        assert {place.model for place in table.failed} == {"b"}
        assert all("nowhere.npz" in why for why in table.failed.values())

    @pytest.mark.parametrize("data", ["damaged.csv", "nowhere.csv"])
    def test_data_that_cannot_be_read_are_refused_before_a_model_loads(self, tmp_path, monkeypatch, data):
        (tmp_path / "damaged.csv").write_text("a,b\n1,2\n")
        started = []
        monkeypatch.setattr(Toy, "__init__", lambda self, name: started.append(name))
        measured = f'name = "hierarcaps"\ndata = "chains:{tmp_path / data}"'
        text = PLAN.replace('name = "radius"\ntitle = "higher bar"\nbar = 1.5', "").replace('name = "radius"', measured)
        table = suite.run(plan(text.strip().removesuffix("[[benchmarks]]")), tmp_path)
        assert len(table.failed) == len(table.plan.cells)
        assert all(data in why for why in table.failed.values())
        assert not started

    def test_finished_cells_of_a_model_that_is_gone_are_kept(self, tmp_path, monkeypatch):
        before = suite.run(plan(), tmp_path / "out").to_csv()
        monkeypatch.setattr(Toy, "fingerprint", lambda _: 1 / 0)
        with pytest.warns(UserWarning, match="kept unchecked"):
            assert suite.run(plan(), tmp_path / "out").to_csv() == before
        assert suite.run(plan(**{"samples = 60": "samples = 61"}), tmp_path / "out", overwrite=True).failed

    def test_an_optional_model_is_skipped(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
        absent = 'spec = "toy:b"\ntrain = { kind = "head", data = "hierarcaps" }\noptional = true'
        table = suite.run(plan(**{'spec = "toy:b"': absent}), tmp_path / "out")
        assert not table.failed
        assert {place.model for place in table.missing} == {"b"}
        needed = suite.run(plan(**{'spec = "toy:b"': absent.removesuffix("\noptional = true")}), tmp_path / "needed")
        assert all("optional = true" in why for why in needed.missing.values())
        assert needed.failed


class TestWorkers:
    @given(st.integers(1, 30), st.integers(0, 40))
    def test_every_cell_is_in_exactly_one(self, total, count):
        cells = [suite.Place(str(number), "", "") for number in range(count)]
        shares = [share_of(Share(number, total), cells) for number in range(total)]
        assert [cell for share in shares for cell in share] == cells
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    @pytest.mark.parametrize("text", ["3/2", "1", "1/0", "0/0", "-1/2", "a/b", "1/2/3", ""])
    def test_what_is_not_a_worker(self, text, tmp_path):
        with pytest.raises(InputError, match="worker"):
            suite.run(plan(), tmp_path / "out", worker=text)

    def test_workers_together_give_the_table(self, tmp_path):
        suite.run(plan(), tmp_path / "whole")
        for number in (2, 0, 1):
            suite.run(plan(), tmp_path / "parts", worker=f"{number}/3")
        assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")

    def test_a_cell_that_another_process_measures_is_waited_for(self, tmp_path):
        out, place = tmp_path / "out", plan().cells[0]
        with ThreadPoolExecutor(1) as pool:
            with locked(out / FOLDER / place.file):
                suite.run(plan(), out, worker="1/2")
                running = pool.submit(suite.run, plan(), out)
                assert not wait([running], 2).done
                assert place in suite.read(out).missing
            assert len(running.result().cells) == len(plan().cells)


@pytest.mark.slow
def test_trained_models_are_trained_once(tmp_path, recwarn):
    text = """
samples = 20
device = "cpu"
[[models]]
name = "head"
spec = "tiny"
[models.train]
kind = "head"
data = "scenes"
rows = 40
geometry = "lorentz:-1?learnable"
steps = 3
hidden = 0
[[models]]
name = "tower"
spec = "tiny"
train = { kind = "re", data = "scenes", rows = 24, steps = 2, losses = ["re"], learning_rate = 1e-4 }
[[benchmarks]]
name = "radius"
bar = 1.0
"""
    out = tmp_path / "out"
    table = suite.run(plan(text), out)
    assert not table.missing
    geometry = table.cells[suite.Place("head", "native", plan(text).benchmarks[0].title)].result.settings["geometry"]
    assert str(geometry).startswith("lorentz:-")
    kept = [*(out / "models").glob("*.safetensors"), *(out / "models").rglob("checkpoints/**/*.safetensors")]
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    assert len(stamps) >= 2
    (out / FOLDER / table.plan.cells[0].file).unlink()
    before = numbers(out)
    os.rename(out, tmp_path / "moved")
    suite.run(plan(text), tmp_path / "moved")
    moved = {tmp_path / "moved" / path.relative_to(out): stamp for path, stamp in stamps.items()}
    assert {path: path.stat().st_mtime_ns for path in moved} == moved
    assert len(numbers(tmp_path / "moved")) > len(before)


def test_an_audit_is_a_column_with_a_verdict(tmp_path):
    text = PLAN.replace('title = "higher bar"\nbar = 1.5', "").replace(
        '[[benchmarks]]\nname = "radius"', '[[benchmarks]]\nname = "audit"\ndata = "scenes"\ntake = 12', 1
    )
    table = suite.run(plan(text.replace('name = "c"', 'name = "broken"')), tmp_path / "out")
    board = table.standings[0]
    alone = audit("toy:a", datasets.load("scenes", count=12), "lorentz:-1", AuditSettings())
    row = table.rows[1]
    assert board.verdicts[row] == alone.headline
    assert board.measured[row].metrics["cone_gain"] == pytest.approx(alone.numbers["cone_gain"])
    assert board.measured[row].intervals["cone_gain"] == pytest.approx(alone.intervals["cone_gain"])
    assert alone.headline.split("(")[0] in table.to_markdown()
