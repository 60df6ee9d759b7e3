"""Verbs that tests otherwise start warm: in a process that has imported nothing."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.search.serving.serving_common import process

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("verb", ["head", "re"])
def test_training(verb: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    words = ["train", verb, "-m", "tiny", "-d", "scenes", "--rows", "20", "--set", "steps=2", "--out", out]
    around = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "hiergeo", *words], capture_output=True, text=True, env=around)
    assert done.returncode == 0, done.stderr


LIGHT = """
import sys, hiergeo
model = hiergeo.adapters.load("tiny")
hiergeo.Space("lorentz:-1").pairwise_distance(model.encode_text(["a dog"]), model.encode_text(["an animal"]))
print(sorted({"open_clip", "torchvision", "timm", "transformers", "torch._dynamo"} & set(sys.modules)))
"""


def test_the_bundled_model_imports_neither_open_clip_nor_a_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(("verb", "path"), [("serve", "/api/health"), ("explore", "/")])
def test_serving(verb: str, path: str, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a dog\na red dog\nan animal\n")
    index = tmp_path / "index"
    code, _, err = run("index", "build", index, "-m", "tiny", "--captions", tmp_path / "captions.txt")
    assert code == 0, err
    with process(verb, index, *(["--no-open"] if verb == "explore" else []), cold=True) as (_, url):
        assert urllib.request.urlopen(url.split("#")[0].rstrip("/") + path, timeout=60).status == 200
