"""Builds in child processes that are killed at random steps: run by the tests, and by hand for more kills.

python -m tests.construction.construction_kills FOLDER KILLS SEED
"""

import json
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any, cast

from hiergeo.construction import BuildPlan, build
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyBackend, ToyJudge
from tests.construction.dying_common import Steps, drawn, forked

ROWS, PAUSE = 60, 0.002


def main(folder: Path, kills: int, seed: int) -> None:
    BACKENDS.own["toy"] = ToyBackend  # type: ignore[index]  # a toy is what it stands for
    JUDGES.own["toy"] = ToyJudge  # type: ignore[index]  # a toy is what it stands for
    captions = folder / "captions.csv"
    lines = (f"a dog number {n} runs {'over the grass ' * (n % 3)},http://x/{n // 2}.jpg" for n in range(ROWS))
    captions.write_text("\n".join(["caption,image_url", *lines, "two words,"]) + "\n")
    plan = BuildPlan(backend="toy", judge="toy", shard_rows=13, backend_options={"pause": PAUSE})
    log, count = folder / "log.txt", folder / "count.txt"

    def whole() -> None:
        build(captions, folder / "whole", plan)
        count.write_text(str(steps.count))

    def going_on() -> None:
        cast(dict[str, Any], ToyBackend.__init__.__kwdefaults__)["log"] = str(log)
        build(captions, folder / "killed", plan)

    steps = Steps()
    assert forked(whole, steps) == 0
    deaths = drawn(random.Random(seed), int(count.read_text()), kills, 2 * PAUSE)
    ends = [forked(going_on, death) for death in deaths]
    assert set(ends) <= {0, -signal.SIGKILL}
    assert forked(going_on, Steps()) == 0
    asked = Counter(log.read_text().split())
    files = {
        name: {path.name: path.read_bytes() for path in (folder / name).iterdir() if path.is_file()}
        for name in ("whole", "killed")
    }
    left = [path.name for path in (folder / "killed").rglob("*") if path.name.endswith((".part", ".jsonl"))]
    again = sum(count - 1 for count in asked.values())
    told = {"killed": ends.count(-signal.SIGKILL), "calls": sum(asked.values()), "again": again, "left": left}
    print(json.dumps({**told, "equal": files["whole"] == files["killed"], "files": sorted(files["killed"])}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
