"""An index that is embedded over a cluster of Ray whose drivers and actors are killed at random moments.

    python -m tests.attack.corpora [--kills 20] [--actors 20] [--seed 0]

A driver that is killed is started again until the index is complete; of actors one that holds the lock of an input is
killed. The index has to hold what plain workers embed, to the last bit; exit code 1 where it does not. Needs Ray.
The model is a file of stored embeddings, which is loaded at once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from hiergeo._core.storage import archives
from tests.search.corpus import corpus_common

ROWS, INPUTS = 3000, 8
"""Captions of an input, and inputs."""

DEATHS = 3
"""Drivers, and actors, that are killed on the way to one index at most."""


def main() -> int:
    """Embed undisturbed, then with deaths, and compare."""
    asked = _arguments()
    random, folder = Random(asked.seed), Path(tempfile.mkdtemp(prefix="corpus-deaths"))
    (folder / "in").mkdir()
    texts = {f"{number}.parquet": corpus_common.captions(ROWS, number) for number in range(INPUTS)}
    for name, held in texts.items():
        corpus_common.parquet(folder / "in" / name, held)
    _store(folder / "model.npz", [text for held in texts.values() for text in held])
    _driver(folder, "plain", "--device", "cpu").communicate()
    whole = corpus_common.stored(folder / "plain")
    address = _cluster()
    start = time.monotonic()
    _finish(folder, "first", address)
    seconds = time.monotonic() - start
    print(f"undisturbed: {len(whole)} items, {seconds:.0f} s over Ray", flush=True)
    wrong = int(_differs(whole, folder / "first"))
    drivers = actors = rounds = 0
    while drivers < asked.kills or actors < asked.actors:
        rounds += 1
        out = f"killed-{rounds}"
        died = _round(folder, out, address, random, seconds, drivers < asked.kills, actors < asked.actors)
        drivers, actors = drivers + died[0], actors + died[1]
        wrong += _differs(whole, folder / out)
        print(f"round {rounds}: {drivers} drivers and {actors} actors killed so far", flush=True)
        shutil.rmtree(folder / out)
    print(f"{drivers} drivers and {actors} actors killed in {rounds} rounds; {wrong} indexes differ")
    shutil.rmtree(folder)
    return int(wrong > 0)


def _store(path: Path, texts: list[str]) -> None:
    rows = np.stack([corpus_common.vector(text).numpy() for text in ["", *texts]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    archives.write(path, {"text": rows[1:], "caption": np.array(texts), "root": rows[0]})


def _round(
    folder: Path, out: str, address: str, random: Random, seconds: float, drivers: bool, actors: bool
) -> tuple[int, int]:
    """One index, with a driver killed at a random moment and then actors; how many of each died."""
    killed = 0
    if drivers:
        for _ in range(DEATHS):
            running = _driver(folder, out, "--ray", address=address)
            try:
                running.communicate(timeout=random.uniform(0.3, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                running.kill()
                running.communicate()
                killed += 1
    shot = 0
    running = _driver(folder, out, "--ray", address=address)
    while running.poll() is None:
        time.sleep(random.uniform(0.05, 0.5))
        if actors and shot < DEATHS:
            shot += _shoot(folder / out, random)
    if running.returncode:
        print(f"the driver ends with {running.returncode}: {running.communicate()[1][-600:]}", flush=True)
        _finish(folder, out, address)
    return killed, shot


def _shoot(out: Path, random: Random) -> int:
    """Kill a process that is embedding an input; how many there were."""
    holders: set[int] = set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if (lock := opened.readlink()).suffix == ".lock" and lock.parent == (out / "inputs").resolve():
                holders.add(int(opened.parts[2]))
    if not holders:
        return 0
    try:
        os.kill(random.choice(sorted(holders)), 9)
    except ProcessLookupError:
        return 0
    return 1


def _finish(folder: Path, out: str, address: str) -> None:
    for _ in range(5):
        running = _driver(folder, out, "--ray", address=address)
        said = running.communicate()[1]
        if not running.returncode:
            return
    raise RuntimeError(f"the driver ends with {running.returncode}: {said[-800:]}")


def _differs(whole: Mapping[int, object], out: Path) -> bool:
    left = [path.name for path in out.rglob(".*") if path.suffix in (".part", ".lock")]
    same = corpus_common.stored(out) == whole
    if not same or left:
        print(f"{'the same' if same else 'ANOTHER INDEX'}, leftovers {left[:3]}", flush=True)
    return not same


def _driver(folder: Path, out: str, *words: str, address: str | None = None) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "hiergeo", "index", "build", str(folder / out), "-m", f"npz:{folder / 'model.npz'}"]
    line += ["--captions", str(folder / "in")]
    line += ["--batch-size", "16", *words]
    told = {} if address is None else {"RAY_ADDRESS": address}
    settings = {**os.environ, **told, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=settings)


def _cluster() -> str:
    """The address of a cluster of two CPUs that ends with this process."""
    import ray

    os.environ["OMP_NUM_THREADS"] = "1"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    return str(ray.get_runtime_context().gcs_address)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack.corpora", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="drivers to be killed")
    parser.add_argument("--actors", type=int, default=20, help="actors to be killed")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
