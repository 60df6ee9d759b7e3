"""The benchmarks: what is timed is what it says, and what cannot run says why."""

import importlib.util
import itertools
import json
import math
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import hiergeo
from benchmarks import large_probe, memory, ours, paste, ptxas, textbook, timing, verbs
from benchmarks.__main__ import chosen
from benchmarks.cases import SCALES, Case, main_cases, twice_as_wide
from benchmarks.competitors import BASELINE, Competitor, competitors
from benchmarks.machine import Machine
from benchmarks.peers import Missing, peer
from benchmarks.problem import Problem, Shape
from benchmarks.report import Results, to_markdown
from hiergeo import Polar, adapters
from hiergeo.datasets import hierarcaps
from hiergeo.pairwise import kernel_info
from tests.tools import warm
from tests.tools.kernel_settings import delenv, setenv

ROOT = Path(__file__).parents[2]

TINY = SCALES["tiny"]
NATIVE = kernel_info()["kernels"] == "native"


def tiny(name: str) -> Case:
    return next(case for case in main_cases(TINY) if case.name == name)


class Clock:
    """Time as far as it is told to pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def takes(self, label: str, seconds: Callable[[Problem], float], **facts: Any) -> Competitor:
        """A competitor that takes that long."""
        return Competitor(label, lambda problem: partial(self.sleep, seconds(problem)), **facts)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that competitors are timed by."""
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def crowded(curvature: float) -> Problem:
    """Points in many of each other's cones, in float64, in which the textbook's formulas are good to many digits."""
    generator = torch.Generator().manual_seed(0)
    x, y = (1 + 0.6 * torch.randn(count, 4, generator=generator, dtype=torch.float64) for count in (40, 60))
    rx, ry = (0.2 + torch.rand(len(u), generator=generator, dtype=torch.float64) for u in (x, y))
    return Problem(Polar(normalize(x, dim=-1), rx), Polar(normalize(y, dim=-1), ry), curvature)


@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.5])
@pytest.mark.parametrize("name", textbook.FORMULAS)
def test_the_textbook_computes_what_hiergeo_does(name: str, curvature: float):
    problem = crowded(curvature)
    own = ours.OPERATIONS[name](problem)
    theirs = textbook.FORMULAS[name](*problem.x, *problem.y, curvature)
    pairs = zip(*(found if isinstance(found, tuple) else (found,) for found in (own, theirs)), strict=True)
    for mine, other in pairs:
        assert isinstance(mine, Tensor)
        assert mine.numel() == 1 or mine.float().std() > 0
        torch.testing.assert_close(other, mine, atol=1e-9, rtol=1e-9)


@pytest.mark.slow
def test_a_run_times_everything_and_records_where(tmp_path: Path):
    only = ("ladder", "exterior angle, into out=", "near-collinear")
    words = ["--scale", "tiny", "--out", str(tmp_path), *(f"--only={name}" for name in only)]
    command = [sys.executable, "-m", "benchmarks", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = warm.run(command, cwd=ROOT, env=environment, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (tmp_path / "benchmarks.md").read_text(encoding="utf-8")

    found = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert next(iter(found)) == "metrics"
    assert all(ratio > 0 for ratio in found["metrics"].values())
    assert found["metrics"]["ladder, 50 thresholds | eager PyTorch"] > 1
    assert {row["axis"] for row in found["rows"]} == {"", "N", "M", "D", "T"}
    for row in found["rows"]:
        assert row["note"] or row["seconds"] > 0, row
        assert row["label"] != BASELINE or row["ratio"] == 1
    machine = found["machine"]
    assert (machine["threads"], machine["versions"]["torch"]) == (1, torch.__version__)
    assert machine["bandwidth"] > 0
    assert (machine["peak_one"] or 0) > 0 or machine["no_peak"]
    assert (tmp_path / "benchmarks.svg").exists() == bool(importlib.util.find_spec("matplotlib"))


def test_a_missing_peer_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch):
    for module in ("faiss", "pykeops", "pykeops.torch"):
        monkeypatch.setitem(sys.modules, module, None)
    case = tiny("top-10")
    entrants = [entrant for entrant in competitors(case, every_level=False) if entrant.label != "torch.compile"]
    rows = {row.label: row for row in timing.measure(case, entrants, -1.0, rounds=1)}
    for label, package in (("faiss flat, inner product only", "faiss-cpu"), ("KeOps, smallest angles", "pykeops")):
        assert rows[label].note == f"{package} is not installed: pip install 'hiergeo[bench]'"
        assert (rows[label].seconds, rows[label].ratio) == (None, None)
    timed = {label for label, row in rows.items() if row.seconds}
    assert {BASELINE, "hiergeo, reference", "eager PyTorch"} <= timed
    assert ("hiergeo, float32 screen" in timed) == NATIVE


def test_who_fails_or_would_need_too_much_leaves_the_others_alone(clock: Clock):
    def broken(problem: Problem) -> Callable[[], object]:
        raise ValueError("no such luck\nand more")

    def wears_out(problem: Problem) -> Callable[[], object]:
        calls = itertools.count()
        return lambda: 1 // (3 - next(calls))

    entrants = [
        clock.takes(BASELINE, lambda _: 0.004),
        Competitor("broken", broken),
        Competitor("wears out", wears_out),
        clock.takes("huge", lambda _: 0, arrays=1 << 50),
        clock.takes("fine", lambda _: 0.012),
    ]
    rows = {row.label: row for row in timing.measure(tiny("count in cone"), entrants, -1.0, rounds=5)}
    assert rows["broken"].note == "failed: no such luck"
    assert rows["wears out"].note == "failed: integer division or modulo by zero"
    assert rows["huge"].note.startswith("needs about")
    assert all(rows[label].seconds is None for label in ("broken", "wears out", "huge"))
    assert rows["fine"].ratio == pytest.approx(3)
    assert (rows["fine"].rounds, rows["fine"].note) == (5, "")


def test_what_would_take_too_long_is_estimated_from_a_part_of_the_rows(clock: Clock):
    entrants = [
        clock.takes(BASELINE, lambda _: 0.5),
        clock.takes("too slow", lambda problem: 1 + problem.shape.n, slow=True),
        clock.takes("slow", lambda problem: 1 + 0.1 * problem.shape.n, slow=True),
        clock.takes("not so slow", lambda problem: 0.01 * problem.shape.n, slow=True),
    ]
    _, too_slow, slow, fine = timing.measure(tiny("count in cone"), entrants, -1.0, rounds=3)
    n = TINY.square.n
    assert (too_slow.seconds, too_slow.ratio) == pytest.approx((1 + n, 2 * (1 + n)))
    assert (too_slow.rounds, too_slow.note) == (0, "estimated from a sixteenth of the rows")
    assert slow.seconds == pytest.approx(1 + 0.1 * n)
    assert (slow.rounds, slow.note) == (1, "timed once")
    assert (fine.rounds, fine.note) == (3, "")


def test_a_difference_is_the_time_beyond_the_base_problem(clock: Clock):
    case = Case("difference", "count in cone", TINY.square, beyond=twice_as_wide, peers=False)
    base = TINY.square.dim
    entrants = [
        clock.takes(BASELINE, lambda problem: 1 if problem.shape.dim == base else 100),
        clock.takes("longer", lambda problem: 3 if problem.shape.dim == 2 * base else 1),
        clock.takes("shorter", lambda problem: 1 if problem.shape.dim == 2 * base else 2),
    ]
    product, longer, shorter = timing.measure(case, entrants, -1.0, rounds=3)
    assert product.seconds == pytest.approx(1)
    assert (longer.seconds, longer.ratio) == pytest.approx((2, 2))
    assert (shorter.seconds, shorter.note) == (None, "less than the noise of the measurement")


def test_a_difference_whose_ratio_is_noise_says_so(clock: Clock):
    """Shorter by 1 where the product took 1, longer by 3 where it took 10: time above 0, ratio below."""
    case = Case("difference", "count in cone", TINY.square, beyond=twice_as_wide, peers=False)
    base = TINY.square.dim
    products, beyond = iter((1, 1, 10)), iter((0, 4, 8))  # warming up, then two rounds

    def entrant(times: Iterator[int]) -> Callable[[Problem], Callable[[], None]]:
        return lambda problem: lambda: clock.sleep(next(times) if problem.shape.dim != base else 5)

    product = Competitor(BASELINE, lambda _: lambda: clock.sleep(next(products)))
    _, own = timing.measure(case, [product, Competitor("own", entrant(beyond))], -1.0, rounds=2)
    assert (own.seconds, own.ratio, own.note) == (None, None, "less than the noise of the measurement")


def test_ratios_are_taken_within_a_round(clock: Clock):
    load = iter((1, 1, *(1, 1), *(10, 30), *(2, 1)))  # of both, warming up and then in three rounds

    def entrant(label: str, seconds: float) -> Competitor:
        return Competitor(label, lambda _: lambda: clock.sleep(seconds * next(load)))

    product, own = timing.measure(tiny("count in cone"), [entrant(BASELINE, 1), entrant("own", 2)], -1.0, rounds=3)
    assert (product.ratio, own.ratio) == pytest.approx((1, 2))
    assert own.seconds == pytest.approx(2)


def test_settings_last_as_long_as_the_work(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    setenv(monkeypatch, "HIERGEO_SIMD", "baseline")
    delenv(monkeypatch, "HIERGEO_SCREEN")
    names = ("HIERGEO_SIMD", "HIERGEO_SCREEN")
    with clock.takes("any", lambda _: 0, settings={"HIERGEO_SIMD": "avx2", "HIERGEO_SCREEN": "float32"}).at_work():
        assert [os.environ.get(name) for name in names] == ["avx2", "float32"]
    assert [os.environ.get(name) for name in names] == ["baseline", None]


def test_every_level_takes_part_on_request():
    labels = [entrant.label for entrant in competitors(tiny("count in cone"), every_level=True)]
    assert {"hiergeo", "hiergeo, baseline", "hiergeo, avx2", "hiergeo, avx512"} <= set(labels)
    assert len(labels) == len(set(labels))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the resident set is read from Linux's /proc")
def test_memory_that_was_freed_again_is_seen():
    memory.reset_peak()
    before = memory.resident("VmRSS")
    with mmap.mmap(-1, 1 << 26) as pages:  # fresh ones, where an allocator may have some left
        pages[:: mmap.PAGESIZE] = bytes(len(range(0, len(pages), mmap.PAGESIZE)))
    assert 60 * 2**20 < memory.resident("VmHWM") - before < 80 * 2**20


@pytest.mark.slow
@pytest.mark.skipif(not NATIVE, reason="memory is measured of the native kernels")
def test_memory_is_measured_in_a_process_of_its_own():
    use = next(memory.uses("tiny", -1.0))
    assert (use.case, use.note, use.outputs) == ("count in cone", "", 8 * TINY.large.n)
    assert use.temporaries is not None
    assert use.temporaries < memory.GOAL


def test_an_unknown_case_is_refused_with_those_there_are():
    with pytest.raises(SystemExit, match=r"no case is called 'cuont'; there are: exterior angle, stored; .*; memory\."):
        chosen("tiny", ["count", "cuont"])


def test_tables_are_pasted_between_the_marks():
    page = f"before\n\n{paste.BEGIN}\n\nold\n\n{paste.END}\n\nafter\n"
    once = paste.pasted(page, "new\n")
    assert once == f"before\n\n{paste.BEGIN}\n\nnew\n\n{paste.END}\n\nafter\n"
    assert paste.pasted(once, "new\n") == once
    paste.pasted((ROOT / "benchmarks" / "notes" / "pair_operations.md").read_text(encoding="utf-8"), "new\n")


def test_the_table_shows_rates_shares_and_reasons():
    machine = Machine("Abacus 1", 2, {"torch": "2.99"}, {"kernels": "native"}, 3e9, 5e9, "", 7e9)
    shape = Shape(10, 100, 1000)
    timed = timing.Row("a case", "hiergeo", shape, "", 0, shape.flops, 1.0, "<= 0.5", 3, 1e-3, 0.25)
    missing = replace(timed, label="KeOps", goal="", seconds=None, ratio=None, note="not here")
    text = to_markdown(Results(machine, {"curvature": -1.0}, [timed, missing]))
    assert "Abacus 1, threads 2, kernels native; K = -1.0; torch 2.99." in text
    assert "FMA peak 3 GFLOP/s on one thread, 5 on 2; memory copies at 7 GB/s." in text
    assert "| a case | 10 x 100 x 1,000 | hiergeo | 1.0 | 0.25 | <= 0.5 | 2 | 40.0% |  |" in text
    assert "| a case | 10 x 100 x 1,000 | KeOps | – | – |  | – | – | not here |" in text


def test_a_machine_is_as_fast_as_its_best_measurement():
    early = Machine("Abacus 1", 2, {}, {}, 3e9, 5e9, "", 7e9)
    late = replace(early, peak_one=4e9, peak_all=4e9, bandwidth=8e9)
    assert early.at_best(late) == replace(early, peak_one=4e9, bandwidth=8e9)
    unknown = replace(early, peak_one=None, peak_all=None, no_peak="no kernels")
    assert unknown.at_best(early) == unknown


def test_each_screen_has_a_goal_of_its_own(clock: Clock):
    labels = (BASELINE, "hiergeo, 8-bit screen", "hiergeo, float32 screen")
    rows = timing.measure(tiny("top-10"), [clock.takes(label, lambda _: 1) for label in labels], -1.0, rounds=1)
    assert [row.goal for row in rows] == ["", "<= 0.28", "<= 0.42"]


def test_a_missing_library_does_not_pass_for_a_peer():
    with pytest.raises(Missing, match=r"^nothing-such is not installed: pip install 'hiergeo\[bench\]'$"):
        peer("nothing_such", "nothing-such")


def test_what_ptxas_says_becomes_a_row_a_kernel():
    said = "\n".join(
        f"ptxas info    : Compiling entry function '_ZN7hiergeo4cuda40_GLOBAL__N__30e4abcc_8_cones_cu_f909462a5cones"
        f"ILNS0_4KindE2ELi{sign}EfEEvNS0_4SideE' for '{target}'\n"
        f"    16 bytes stack frame, {spill} bytes spill stores, {spill} bytes spill loads\n"
        f"ptxas info    : Used {registers} registers, used 1 barriers, 1024 bytes smem"
        for target, sign, registers, spill in (
            ("sm_80", 1, 120, 0),
            ("sm_80", 0, 128, 8),
            ("sm_90", 1, 90, 4),
            ("sm_90", 0, 90, 0),
        )
    )
    assert ptxas.rows(ptxas.kernels_of(said)) == [["`cones`", "bfloat16", "2", "120 to 128", "90", "0 to 16", "1024"]]


def test_the_large_probe_makes_data_that_the_loaders_take(tmp_path: Path) -> None:
    large_probe.make(tmp_path, 40)
    model = adapters.load(f"npz:{tmp_path / 'large.npz'}")
    metrics = hiergeo.evaluate(model, hierarcaps.load("expanded", home=tmp_path / "home"), samples=2).metrics
    assert metrics["tau_d"] > 0.8
    assert metrics["recall"] > 0
    texts = hierarcaps.load("train", home=tmp_path / "home")
    assert set(hiergeo.evaluate(model, texts, samples=2).metrics) == {"tau_d", "tied_share"}


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_law_of_a_verb_is_told_from_its_start(power: float) -> None:
    sizes = [1000, 10_000, 100_000]
    times = [3 + 1e-4 * size**power for size in sizes]
    assert verbs.exponent(sizes, times) == pytest.approx(power)
    assert math.isnan(verbs.exponent(sizes[1:], times[1:])), "two sizes do not tell the start from the work"
    costs = [verbs.Cost("probe", size, time, time, 1 << 30) for size, time in zip(sizes, times, strict=True)]
    (row,) = verbs.table(costs).splitlines()[2:]
    assert f"N^{power:.2f}" in row
    assert row.count("1.00 GB") == 3


def test_a_verb_is_measured_on_data_of_its_size(tmp_path: Path) -> None:
    large_probe.make(tmp_path, 20)
    spent = verbs.measured("index build", tmp_path)
    assert spent.code == 0, spent.printed
    assert spent.processor_seconds > 0
    assert verbs.measured("search, 1 query", tmp_path).code == 0
