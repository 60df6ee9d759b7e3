"""The table of a suite: paired differences, published figures and baselines, in every format and by command."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hiergeo._core.errors import InputError
from hiergeo.adapters.head import Head, HeadShape, write_head
from hiergeo.cli.app import app
from hiergeo.evaluation.experiment import Contrast
from hiergeo.report import write_leaderboard
from hiergeo.training import suite
from hiergeo.training.suite import leaderboard
from hiergeo.training.suite.cells import FOLDER, Cell
from hiergeo.training.suite.leaderboard import BoardRow, Leaderboard, Standing
from tests.report.page_common import read as read_page
from tests.report.page_common import scripts
from tests.training.suite.suite_common import PLAN, Radius, plan, toys  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("toys")

ROWS = [
    BoardRow("a", "native"),
    BoardRow("a", "lorentz:-1"),
    BoardRow("b", "native"),
    BoardRow("b", "lorentz:-1"),
    BoardRow("c", "euclidean"),
]


@pytest.fixture
def out(tmp_path) -> Path:
    suite.run(plan(**{"bar = 1.5": 'broken = "toy:c"'}), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def standing(out) -> Standing:
    return suite.read(out).standings[0]


def draws(standing: Standing, row: BoardRow, metric: str) -> np.ndarray:
    return np.asarray(standing.measured[row].draws[metric])


def contrasts(standing: Standing, metric: str) -> tuple[Contrast, ...]:
    return tuple(each for board in standing.boards for each in board.contrasts_of(metric, 0))


class TestDifferences:
    def test_they_are_paired_and_hold_simultaneously(self, standing):
        """Westfall and Young's single-step max-T over both metrics of the benchmark, written out anew."""
        names = ("share", "mean_radius")
        found = {(name, each.a, each.b): each for name in names for each in contrasts(standing, name)}
        pairs = [(name, a, b) for name in names for place, a in enumerate(ROWS) for b in ROWS[place + 1 :]]
        paired = np.stack([draws(standing, a, name) - draws(standing, b, name) for name, a, b in pairs])
        low, high = np.quantile(paired, [0.025, 0.975], axis=1)
        middle, half = (low + high) / 2, (high - low) / 2
        sized = half > 0
        worst = (np.abs(paired[sized] - middle[sized, None]) / half[sized, None]).max(axis=0)
        factor = max(1.0, np.quantile(worst, 0.95))
        assert len(found) == len(pairs)
        for (name, a, b), m, h in zip(pairs, middle, half, strict=True):
            each = found[name, str(a), str(b)]
            assert each.difference == pytest.approx(
                standing.measured[a].metrics[name] - standing.measured[b].metrics[name]
            )
            assert each.simultaneous == pytest.approx((m - factor * h, m + factor * h))

    def test_the_space_of_a_frozen_model_does_not_decide_a_radius(self, standing):
        each = next(each for each in contrasts(standing, "share") if (each.a, each.b) == ("a", "a · lorentz:-1"))
        assert each.difference == 0
        assert each.winner is None

    @pytest.mark.parametrize("change", [{"protocol": "another"}, {"items": {"share": 39, "mean_radius": 39}}])
    def test_rows_over_other_items_or_by_another_protocol_are_not_compared(self, standing, change):
        cells = dict(standing.cells)
        of_result = "items" in change
        cells[ROWS[4]] = changed(cells[ROWS[4]], **change) if of_result else replace(cells[ROWS[4]], **change)
        left = contrasts(replace(standing, cells=cells), "share")
        assert len(left) == 6
        assert not any("c" in (contrast.a, contrast.b) for contrast in left)

    def test_a_clear_winner_is_best(self, standing):
        cells = dict(standing.cells)
        best = standing.measured[ROWS[4]]
        rows = np.ones_like(best.rows["share"]) if "share" in best.rows else None
        cells[ROWS[4]] = changed(
            cells[ROWS[4]],
            metrics={**best.metrics, "share": 1.0},
            draws={**best.draws, "share": np.full(60, 1.0)},
            rows={} if rows is None else {"share": rows},
        )
        made = replace(standing, cells=cells)
        assert made.is_best(ROWS[4], "share")
        assert not any(made.is_best(row, "share") for row in ROWS[:4])

    @pytest.mark.parametrize("metric", ["share", "tie"])
    def test_of_many_differences_those_of_the_best_row_are_listed(self, standing, metric, monkeypatch):
        monkeypatch.setattr(leaderboard, "FEW", 0)
        made = {row: renamed(cell, metric) for row, cell in standing.cells.items()}
        values = {str(row): cell.result.metrics[metric] for row, cell in made.items() if cell.result}
        best = (min if metric == "tie" else max)(values, key=values.__getitem__)
        task: Any = SimpleNamespace(metrics=(metric,), primary=metric, published=())
        leading = replace(standing, task=task, cells=made).leading(metric)
        assert {each.a for each in leading} == {best}
        assert len(leading) == len(ROWS) - 1


def test_controls_are_no_part_of_a_headline(out, standing):
    cells = {row: changed(cell, baselines={"share": {"length": 0.99}}) for row, cell in standing.cells.items()}
    with_controls, without = suite.read(out), suite.read(out)
    with_controls.__dict__["standings"] = [replace(standing, cells=cells)]
    without.__dict__["standings"] = [standing]
    assert with_controls.conclusion == without.conclusion


def changed(cell: Cell, **fields: Any) -> Cell:
    """A cell with a result that differs in some fields."""
    assert cell.result is not None
    return replace(cell, result=replace(cell.result, **fields))


def renamed(cell: Cell, metric: str) -> Cell:
    """A cell whose first metric is called otherwise."""
    first: Any = {name: {metric: getattr(cell.result, name)["share"]} for name in ("metrics", "draws", "rows", "items")}
    return changed(cell, bounds={}, **first)


def lines(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(suite.read(out).to_csv())))


class TestFormats:
    def test_csv_holds_every_number(self, out):
        found = lines(out)
        kinds = [each["kind"] for each in found]
        assert kinds.count("measured") == (5 + 4) * 2
        assert kinds.count("difference") == (10 + 6) * 2
        assert kinds.count("published") == 2
        assert kinds.count("baseline") == 2
        assert kinds.count("failed") == 1
        held = json.loads((out / FOLDER / suite.Place("b", "native", "radius").file).read_text())
        line = next(e for e in found if (e["kind"], e["model"], e["space"]) == ("measured", "b", "native"))
        assert float(line["value"]) == held["result"]["metrics"][line["metric"]]
        assert [float(line["low"]), float(line["high"])] == pytest.approx(held["result"]["bounds"][line["metric"]])

    def test_json_holds_what_csv_holds(self, out):
        found = json.loads(suite.read(out).to_json())
        assert found["title"] == suite.read(out).plan.title
        as_text = [
            {name: "" if value is None else str(value) for name, value in each.items()} for each in found["numbers"]
        ]
        assert as_text == lines(out)

    def test_published_figures_stand_beside_measured_ones_with_their_source(self, out, standing):
        assert standing.published_for(ROWS[0], "share").value == 0.25
        assert standing.published_for(ROWS[2], "share") is None
        text = suite.read(out).to_markdown()
        assert "(published 0.25)" in text
        assert "a paper, table 1 (another bar)" in text
        assert "a paper, table 1" in next(each for each in lines(out) if each["kind"] == "published")["source"]

    def test_names_from_outside_stay_text(self, tmp_path):
        name = "<script>alert(1)</script> | $x_1$ & **b**"
        text = PLAN.replace('name = "b"', f"name = '{name}'").replace("higher bar", f"{name}!")
        table = suite.run(plan(text), tmp_path / "out")
        path = write_leaderboard(table, tmp_path / "page.html")
        page = read_page(path)
        assert len(scripts(path)) == 2
        assert "<script>alert(1)</script>" in page.text
        assert "<script>alert" not in table.to_markdown()
        assert r"\$x\_1\$ \& **b**" in table.to_latex()

    def test_a_suite_that_has_only_begun(self, tmp_path):
        table = suite.run(plan(), tmp_path / "out", worker="1/10")
        assert len(table.missing) == len(plan().cells) - 1
        assert "not measured yet" in table.to_markdown()
        assert table.to_latex()
        read_page(write_leaderboard(table, tmp_path / "page.html"))
        empty = Leaderboard(plan(), {})
        assert empty.to_markdown()
        assert empty.to_latex()
        assert all(grid.heads for grid in empty.grids())
        read_page(write_leaderboard(empty, tmp_path / "page.html"))


class TestCommandLine:
    def run(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def test_suite_and_table(self, tmp_path):
        file, out = tmp_path / "plan.toml", tmp_path / "out"
        file.write_text(PLAN)
        code, _ = self.run("suite", str(file), "--out", str(out))
        assert code == 0
        assert (out / "leaderboard.html").is_file()
        assert self.run("suite", str(file), "--out", str(out))[0] == 0
        for form, words in (("markdown", "| model and space |"), ("csv", "kind,model,space"), ("latex", r"\toprule")):
            assert words in self.run("suite", "table", str(out), "--format", form)[1]
        assert "higher bar" in self.run("suite", "table", str(out), "--format", "table")[1]
        (out / "leaderboard.html").unlink()
        assert self.run("suite", "table", str(out), "--format", "html")[0] == 0
        assert (out / "leaderboard.html").is_file()

    @pytest.mark.slow
    def test_models_are_compared_side_by_side_without_a_plan(self, tmp_path):
        write_head(tmp_path / "head", Head(HeadShape(64, 64)), {"base": "tiny", "geometry": "euclidean"})
        words = ("-m", "tiny", "-m", f"head:{tmp_path / 'head'}", "-d", "scenes", "--rows", "8")
        assert self.run("suite", *words, "--out", str(tmp_path / "out"))[0] == 0
        table = suite.read(tmp_path / "out")
        assert [row.space for row in table.rows] == ["native", "native"]
        assert all(row in table.standings[0].measured for row in table.rows)
        assert len(contrasts(table.standings[0], "recall")) == 1

    def test_what_is_refused(self, tmp_path):
        (tmp_path / "taken").touch()
        for words, named in (
            (["suite"], "--model"),
            (["suite", "demo", "--out", str(tmp_path / "taken")], "name a folder"),
            (["suite", "papr.toml"], "papr"),
            (["suite", "demo", "-d", "scenes"], "--model"),
            (["suite", "demo", "-m", "tiny"], "one of them"),
            (["suite", "demo", "--worker", "5/2"], "worker"),
            (["suite", "table", str(tmp_path), "--format", "markdwn"], "markdown"),
        ):
            with pytest.raises((InputError, RuntimeError), match=named):
                self.run(*words)
