"""Builds in child processes that are killed at random moments: run by the tests, and by hand for more kills.

python tests/construction_kills.py FOLDER KILLS SEED
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from construction_toys import ToyBackend, ToyJudge

from hiergeo.construction import BuildPlan, build
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES

ROWS, PAUSE = 60, 0.002


def main(folder: Path, kills: int, seed: int) -> None:
    BACKENDS.own["toy"] = ToyBackend  # type: ignore[index]
    JUDGES.own["toy"] = ToyJudge  # type: ignore[index]
    captions = folder / "captions.csv"
    lines = (f"a dog number {n} runs {'over the grass ' * (n % 3)},http://x/{n // 2}.jpg" for n in range(ROWS))
    captions.write_text("\n".join(["caption,image_url", *lines, "two words,"]) + "\n")
    began = time.monotonic()
    plan = BuildPlan(backend="toy", judge="toy", shard_rows=13, backend_options={"pause": PAUSE})
    build(captions, folder / "whole", plan)
    whole = time.monotonic() - began
    log = folder / "log.txt"
    draw = random.Random(seed)
    killed = 0
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            slow = ToyBackend.__init__.__kwdefaults__
            slow["log"] = str(log)
            build(captions, folder / "killed", plan)
            os._exit(0)
        time.sleep(draw.uniform(0, whole / kills))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    ToyBackend.__init__.__kwdefaults__["log"] = str(log)
    build(captions, folder / "killed", plan)
    asked = Counter(log.read_text().split())
    files = {
        name: {path.name: path.read_bytes() for path in (folder / name).iterdir() if path.is_file()}
        for name in ("whole", "killed")
    }
    left = [path.name for path in (folder / "killed").rglob("*") if path.name.endswith((".part", ".jsonl"))]
    again = sum(count - 1 for count in asked.values())
    told = {"killed": killed, "calls": sum(asked.values()), "again": again, "seconds": whole, "left": left}
    print(json.dumps({**told, "equal": files["whole"] == files["killed"], "files": sorted(files["killed"])}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
