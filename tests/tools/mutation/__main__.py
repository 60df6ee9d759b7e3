"""Break the package in 200 places, one at a time, and see that the quick tests notice: ``make mutants-python``.

Cosmic Ray mutates copies of the tree; each mutant meets only tests that reach its line. Results are kept in
``build/mutation``: another run tries what has changed and what survived. The exit code is 1 where less than 85 % are
killed, a survivor has no reason in ``survivors.toml``, or a test that killed one fails without it.
"""

import argparse
import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Manager, get_context
from pathlib import Path
from queue import Queue

import tomllib
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkItem, WorkResult

from tests.tools.mutation import trees
from tests.tools.mutation.reach import Reach
from tests.tools.mutation.sample import ROOMS, Mutant, sample

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "mutation"
REASONS = Path(__file__).with_name("survivors.toml")
BAR = 0.85


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--coverage", type=Path, default=ROOT / "build" / "coverage.sqlite")
    parser.add_argument("--times", type=Path, default=ROOT / "build" / "times.json")
    options = parser.parse_args()
    chosen = {_job(mutant): mutant for mutant in sample(ROOT, options.count)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with use_db(FOLDER / "session.sqlite") as session:
        reach = Reach.read(ROOT, options.coverage, options.times)
        killed = {job for job, result in session.results if result.is_killed and reach.knows(trees.killers(result))}
        _try({job: mutant for job, mutant in chosen.items() if job not in killed}, reach, session, options.workers)
        results = dict(session.results)
    code = report([(mutant, results[job]) for job, mutant in chosen.items()])
    unsound = trees.failing_anyway(trees.copy(ROOT, FOLDER / "tree0"), (results[job] for job in chosen))
    print(*(f"fails without a mutant: {test}" for test in sorted(unsound)), sep="\n")
    return int(code or bool(unsound))


def _job(mutant: Mutant) -> str:
    """What a result is kept under: it changes with the mutated file."""
    digest = hashlib.sha256((ROOT / mutant.spec.module_path).read_bytes() + mutant.key.encode())
    return digest.hexdigest()[:32]


def _try(mutants: dict[str, Mutant], reach: Reach, session: WorkDB, workers: int) -> None:
    known = {item.job_id for item in session.work_items}
    session.add_work_items(WorkItem.single(job, mutants[job].spec) for job in mutants.keys() - known)
    with Manager() as manager:
        copies: Queue[Path] = manager.Queue()
        for number in range(workers):
            copies.put(trees.copy(ROOT, FOLDER / f"tree{number}"))
        spawn = get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn, initializer=trees.enter, initargs=(copies,)) as pool:
            running = {
                pool.submit(trees.meet, mutant.spec, reach.tests(mutant)): job for job, mutant in mutants.items()
            }
            for number, done in enumerate(as_completed(running), 1):
                job, result = running[done], done.result()
                session.set_result(job, result)
                print(f"{number}/{len(running)} {_verdict(result):9} {mutants[job].key}", flush=True)


def _verdict(result: WorkResult) -> str:
    return result.test_outcome.value if result.test_outcome else result.worker_outcome.value


def report(results: list[tuple[Mutant, WorkResult]]) -> int:
    """Print the table by room and the survivors; 0 where the bar is met and every survivor has its reason."""
    reasons: dict[str, str] = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    survivors = [mutant for mutant, result in results if result.test_outcome is TestOutcome.SURVIVED]
    print(f"\n{'room':14}{'mutants':>8}{'killed':>8}")
    for room in (*ROOMS, "all"):
        met = sum(room in (mutant.room, "all") for mutant, _ in results)
        lived = sum(room in (mutant.room, "all") for mutant in survivors)
        print(f"{room:14}{met:8}{met - lived:8}")
    for mutant in survivors:
        print(f"\nsurvived  {mutant.key}\n          {reasons.get(mutant.key, 'NO REASON GIVEN')}")
    unexplained = [mutant for mutant in survivors if mutant.key not in reasons]
    rate = 1 - len(survivors) / len(results)
    print(f"\n{rate:.1%} killed (bar {BAR:.0%}), {len(unexplained)} survivors without a reason")
    return int(rate < BAR or bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())
