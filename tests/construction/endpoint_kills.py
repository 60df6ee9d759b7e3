"""Builds by an endpoint that misbehaves, killed at random steps: run by the tests, and by hand for more kills.

python -m tests.construction.endpoint_kills FOLDER KILLS SEED
"""

import importlib
import json
import os
import random
import signal
import sys
import time
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any

from hiergeo.construction import BuildPlan, build
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyJudge
from tests.construction.dying_common import Steps, drawn, forked
from tests.construction.scripted_endpoint import MODEL, item, scripted

ROWS, CONCURRENCY, PAUSE = 16, 4, 0.004

PASSING = ("busy", "error", "reset", "cut", "page", "schema")
"""What is done to the first request of every fifth question: another try is answered."""

LASTING = ("malformed", "refused", "truncated", "other caption")
"""What is done to every request of every seventh question with its first seed."""


def rule(body: dict[str, Any], asked: int) -> str:
    """Misbehaviour that depends on the question alone, and on how often it was asked where that changes no answer."""
    drawn = int(sha256(json.dumps([item(body), body["seed"]]).encode()).hexdigest(), 16)
    time.sleep(PAUSE)
    if drawn % 7 == 0 and body["seed"] == 0:
        return LASTING[drawn // 7 % len(LASTING)]
    if drawn % 5 == 0 and asked == 0:
        return PASSING[drawn // 5 % len(PASSING)]
    return ""


def serve(pipe: int) -> None:
    """Run the endpoint in a process of its own until that is killed."""
    with scripted(rule) as endpoint:
        os.write(pipe, endpoint.url.encode())
        while True:
            time.sleep(60)


def main(folder: Path, kills: int, seed: int) -> None:
    JUDGES.own["toy"] = ToyJudge  # type: ignore[index]  # a toy is what it stands for
    out, told = os.pipe()
    server = os.fork()
    if server == 0:
        serve(told)
    try:
        run(folder, kills, seed, os.read(out, 100).decode())
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def run(folder: Path, kills: int, seed: int, url: str) -> None:
    importlib.import_module("openai")  # once, and not in every child
    captions = folder / "captions.csv"
    lines = (f"a brown dog {n} runs over grass {'and sand ' * (n % 3)},http://x/{n // 2}.jpg" for n in range(ROWS))
    captions.write_text("\n".join(["caption,image_url", *lines]) + "\n")
    options = {"base_url": url, "concurrency": CONCURRENCY}
    plan = BuildPlan(backend=f"openai:{MODEL}", backend_options=options, judge="toy", shard_rows=7)
    count = folder / "count.txt"

    def whole() -> None:
        build(captions, folder / "whole", plan)
        count.write_text(str(steps.count))

    def going_on() -> None:
        build(captions, folder / "killed", plan)

    steps = Steps()
    assert forked(whole, steps) == 0
    first = counts(url)
    deaths = drawn(random.Random(seed), int(count.read_text()), kills, 3 * PAUSE)
    ends = [forked(going_on, death) for death in deaths]
    assert set(ends) <= {0, -signal.SIGKILL}
    assert forked(going_on, Steps()) == 0
    second = counts(url)
    files = {
        name: {path.name: path.read_bytes() for path in (folder / name).iterdir() if path.is_file()}
        for name in ("whole", "killed")
    }
    differing = [name for name, content in files["whole"].items() if files["killed"].get(name) != content]
    told = {"killed": ends.count(-signal.SIGKILL), "questions": first["questions"], "answers": first["answers"]}
    told |= {"again": second["answers"] - 2 * first["answers"], "new": second["questions"] - first["questions"]}
    print(json.dumps({**told, "differing": differing, "files": sorted(files["killed"])}))


def counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url.replace("/v1", "/counts")) as answer:
        held: dict[str, int] = json.load(answer)
    return held


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
