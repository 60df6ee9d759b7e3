"""Attacks with words and numbers: specs, command lines with their environment, calls of operators."""

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from random import Random
from unittest import mock

import torch

from hiergeo import adapters, cli, geometry
from hiergeo._core.errors import InputError
from hiergeo._core.text import shortened
from tests.attack.mutants import WORDS
from tests.attack.trial import Attack, Family, Silent, fault_of
from tests.pairwise.fuzz_calls import Fuzzer
from tests.pairwise.fuzz_operators import examine
from tests.pairwise.native_problems import MISSING

GEOMETRIES = (
    "euclidean lorentz lorentz:-1 poincare:-0.5 sphere:0.25 product:lorentz:-1x2,euclidean:x2 "
    "product:sphere:1x3,poincare:-1x3,euclidean:x58 Euclidean lorentz:-1e-3"
)
MODELS = (
    "tiny open_clip:ViT-B-32/openai open_clip:ViT-B-32//nowhere.pt open_clip:hf-hub:org/name npz:a.npz "
    "open_clip:local-dir:nowhere hf:org/name sentence-transformers:name head:nowhere head:a@tiny"
)
SIGNS = "0123456789.:-+,@x/ eE"


def specs(folder: Path) -> Attack:
    """Specs of geometries and models: a geometry that is accepted says itself again."""
    del folder

    def attack(random: Random) -> None:
        if random.random() < 0.6:
            parsed = geometry.parse(_altered(random, random.choice(GEOMETRIES.split())))
            again = geometry.parse(parsed.spec)
            if again.spec != parsed.spec:
                raise Silent(f"{parsed.spec} reads as {again.spec}")
        else:
            adapters.load(_altered(random, random.choice(MODELS.split())))

    return attack


PROBE = "probe -m tiny -d scenes --rows 3"
LINES = (
    PROBE,
    "--version",
    "info",
    "data list",
    "data check validation",
    f"{PROBE} -g lorentz:-1 -p traversal --steps 5 --seed 3 --root model",
    f"{PROBE} -p pairs --split validation --json OUT/a.json --device cpu",
    "compare -m tiny -d scenes --rows 3 -g euclidean -g sphere:1 --html OUT/a.html",
    "search PICTURE --ladder -m tiny -d scenes",
    "embed -m tiny -d scenes --rows 3 --out OUT/a.npz --batch-size 2",
    "train head -m tiny -d scenes --rows 40 --out OUT/head --steps 2 --hidden 4",
    "train re -m tiny -d scenes --rows 40 --out OUT/re --steps 1 --batch 4 --learning-rate 1e-3 --every 1 --lora 2",
)
VARIABLES = (
    "COLUMNS LINES TERM HOME HIERGEO_DATA_HOME HIERGEO_NATIVE HIERGEO_THREADS RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR "
    "MASTER_PORT NO_COLOR FORCE_COLOR TMPDIR HF_HOME HIERGEO_SCREEN"
)


def arguments(folder: Path) -> Attack:
    """Command lines and variables of the environment: done, or one sentence and exit code 2."""
    (folder / "picture.png").write_bytes(_picture())
    out = folder / "out"

    def attack(random: Random) -> None:
        line = [word.replace("OUT", str(out)) for word in random.choice(LINES).split()]
        line = [str(folder / "picture.png") if word == "PICTURE" else word for word in line]
        for _ in range(random.randint(1, 3)):
            _alter(random, line)
        strange = {random.choice(VARIABLES.split()): random.choice(WORDS)} if random.random() < 0.3 else {}
        settings = {name: word for name, word in strange.items() if "\0" not in word and "\ud800" not in word}
        code, said = _run(line, settings, folder)
        _check_end(code, said, line, settings)

    return attack


def operators(folder: Path) -> Attack:
    """Calls of the operators, right and wrong; an independent set of rules says which are right."""
    del folder

    def attack(random: Random) -> None:
        complaint = examine(Fuzzer(random.getrandbits(32)).call())
        if complaint:
            raise Silent(complaint)

    return attack


def _altered(random: Random, word: str) -> str:
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(word))
        match random.randrange(6):
            case 0:
                word = word[:at] + random.choice(WORDS) + word[at:]
            case 1:
                word = word[:at] + word[at + random.randint(1, 4) :]
            case 2:
                word = word[:at] + random.choice(SIGNS) + word[at:]
            case 3:
                word = word[:at] + str(random.choice((10**20, -1e-300, 1e308, 0, -0.0, 2**63, 0.1))) + word[at:]
            case 4:
                word = re.sub(r"[\d.]+", lambda _: random.choice(WORDS), word, count=1)
            case _:
                word = word[:at] + word[max(0, at - random.randint(1, 10)) :]
    return word


def _alter(random: Random, line: list[str]) -> None:
    at = random.randrange(len(line))
    match random.randrange(6):
        case 0:
            line[at] = random.choice(WORDS)
        case 1:
            del line[at : at + 1]
            if not line:
                line.append("")
        case 2:
            line.insert(at, random.choice(WORDS))
        case 3:
            line[at] = _altered(random, line[at])
        case 4:
            line.insert(at, line[random.randrange(len(line))])
        case _:
            line[at] = str(random.choice((0, -1, 10**12, 10**20, 10**400, 0.5, 1e308, "nan", "inf", 2**31, 2**63)))


def _run(line: list[str], settings: dict[str, str], folder: Path) -> tuple[int, str]:
    """The exit code of ``hiergeo`` with some arguments, and what it said on standard error; help counts as such."""
    printed, said = io.StringIO(), io.StringIO()
    place = Path.cwd()
    os.chdir(folder)
    try:
        with (
            mock.patch.object(sys, "argv", ["hiergeo", *line]),
            mock.patch.dict(os.environ, {"COLUMNS": "100", **settings}),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(said),
        ):
            cli.main()
    except SystemExit as stop:
        asks_for_help = "Usage:" in printed.getvalue()
        return int(stop.code or 0), said.getvalue() + ("Usage" if asks_for_help else "")
    finally:
        os.chdir(place)
        torch.set_default_dtype(torch.float32)
    raise AssertionError("the command did not exit")


def _check_end(code: int, said: str, line: list[str], settings: dict[str, str]) -> None:
    errors = [sentence for sentence in said.split("\n") if sentence.startswith("Error: ")]
    shown = [shortened(word, 40) for word in (*line, *map("=".join, settings.items()))]
    story = f"{shown}: exit {code}: {said[-600:]!r}"
    if code in (0, 1):
        if errors:
            raise Silent(story)
    elif code == 2:
        if len(errors) != 1 and "Usage" not in said and not _found_defects(line):
            raise RuntimeError(story)
        if errors and (fault := fault_of(errors[0])):
            raise RuntimeError(f"{fault}: {story}")
        raise InputError(errors[0] if errors else "usage.")
    else:
        raise RuntimeError(story)


def _found_defects(line: list[str]) -> bool:
    return "check" in line


def _picture() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.effect_noise((32, 32), 80).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


FAMILIES = (
    Family("specs", specs),
    Family("command lines", arguments),
    *(() if MISSING else (Family("operators", operators, room=8 << 30),)),
)
