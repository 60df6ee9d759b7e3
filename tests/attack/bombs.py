"""Small inputs that ask for much memory or time, each met under a cap on memory."""

import gzip
import io
import json
import math
import pickle
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hiergeo import adapters, datasets, geometry
from hiergeo.adapters import tiny
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.adapters.head_files import write_head
from hiergeo.datasets import hierarcaps, hyperlex
from hiergeo.datasets.pictures import open_rgb
from tests.attack.apart import cap
from tests.attack.kills import ended, launched
from tests.attack.trial import Tally, judge
from tests.attack.verbs import prepare, run

ROOM = 1 << 30
"""Bytes that a bomb may take beyond what the program had before it."""

PATIENCE = 60.0
"""Seconds that it may take."""

Deed = Callable[[], object]


def bombs(folder: Path) -> dict[str, Deed]:
    """What each bomb is, and what meets it."""
    return {
        **_archives(folder),
        **_heads(folder),
        **_weights(folder),
        **_tables(folder),
        **_pictures(folder),
        **_lines(folder),
    }


def _archives(folder: Path) -> dict[str, Deed]:
    good: dict[str, Any] = {"text": np.eye(4, dtype=np.float32), "caption": np.array(list("abcd"))}
    good["root"] = np.ones(4, np.float32)

    def load(name: str, member: str, rows: int, columns: int) -> Deed:
        path = folder / f"{name}.npz"
        np.savez_compressed(path, **{each: array for each, array in good.items() if each != member})
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)})
        with zipfile.ZipFile(path, "a") as archive:
            _inflating(archive, f"{member}.npy", header.getvalue(), 4 * rows * columns)
        return partial(adapters.load, f"npz:{path}")

    many = folder / "many.npz"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"a{number}.npy", b"")
    declared = folder / "declared.npz"
    with zipfile.ZipFile(declared, "w") as archive:
        for name, shape in (("text", "(1099511627776, 4)"), ("caption", "(1099511627776,)"), ("root", "(4,)")):
            kind = "<U8" if name == "caption" else "<f4"
            header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
            archive.writestr(f"{name}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
    return {
        "npz with 1.5 GB nobody wants": load("unwanted", "other", 3, 1 << 27),
        "npz with 1 GB of text": load("wanted", "text", 1 << 22, 64),
        "npz of 60,000 members": partial(adapters.load, f"npz:{many}"),
        "npz that declares 2^42 numbers": partial(adapters.load, f"npz:{declared}"),
    }


def _inflating(archive: zipfile.ZipFile, name: str, begins: bytes, zeros: int) -> None:
    """Add a member of some bytes and mebibytes of zeros, of which one is compressed and repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = packer.compress(begins) + packer.flush(zlib.Z_FULL_FLUSH)
    stretch, count = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH), zeros >> 20
    content = head + stretch * count + packer.flush()
    info = zipfile.ZipInfo(name)
    info.compress_type, info.file_size, info.compress_size = zipfile.ZIP_DEFLATED, len(begins) + zeros, len(content)
    info.CRC = zlib.crc32(begins)
    for _ in range(count):
        info.CRC = zlib.crc32(bytes(1 << 20), info.CRC)
    file = archive.fp
    assert file is not None
    info.header_offset = archive.start_dir
    file.seek(info.header_offset)
    file.write(info.FileHeader() + content)
    archive.start_dir = file.tell()
    archive.filelist.append(info)
    archive.NameToInfo[name] = info
    archive._didModify = True  # type: ignore[attr-defined]  # no public name; the directory is written if it is set


def _heads(folder: Path) -> dict[str, Deed]:
    def head(name: str, change: Callable[[Path], object]) -> Deed:
        place = folder / name
        write_head(
            place, Head(HeadShape(64, 64, 4)), {"base": "tiny", "base_fingerprint": None, "geometry": "euclidean"}
        )
        change(place)
        return partial(adapters.load, f"head:{place}")

    def hidden(place: Path) -> None:
        told = json.loads((place / "config.json").read_text())
        told["shape"]["hidden"] = 1 << 40
        told.pop("content_sha256", None)
        (place / "config.json").write_text(json.dumps(told))

    def header(place: Path) -> None:
        weights = next(place.glob("*.safetensors"))
        weights.write_bytes(struct.pack("<Q", 1 << 33) + b"{" * 1000)
        sparse(weights, 1 << 34)

    return {
        "head of 2^40 hidden units": head("wide", hidden),
        "head whose config is 20 GB": head("long", lambda place: sparse(place / "config.json", 20 << 30)),
        "head whose config is 10^6 deep": head(
            "deep", lambda place: (place / "config.json").write_text("[" * 10**6 + "]" * 10**6)
        ),
        "head whose weights have a header of 8 GB": head("header", header),
    }


def _weights(folder: Path) -> dict[str, Deed]:
    import open_clip

    arch = tiny.register()
    open_clip.get_model_config(arch)

    def load(name: str) -> Deed:
        return partial(adapters.load, f"open_clip:{arch}/{folder / name}")

    names = {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(100_000)}
    listed = json.dumps(names).encode()
    (folder / "names.safetensors").write_bytes(struct.pack("<Q", len(listed)) + listed)
    big = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (folder / "big.safetensors").write_bytes(struct.pack("<Q", len(big)) + big)
    sparse(folder / "sparse.pt", 20 << 30)
    with zipfile.ZipFile(folder / "zipped.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        _inflating(archive, "archive/data.pkl", b"", 1 << 30)
        archive.writestr("archive/version", b"3\n")
    (folder / "pickled.pt").write_bytes(b"\x80\x02" + b"(" * 10**6 + b"l." + pickle.dumps(list(range(10))))
    model = folder / "hf"
    model.mkdir()
    (model / "config.json").write_text("[" * 10**6)
    sparse(model / "model.safetensors", 20 << 30)
    return {
        "weights of 100,000 names": load("names.safetensors"),
        "weights that declare 2^40 numbers": load("big.safetensors"),
        "checkpoint of 20 GB of nothing": load("sparse.pt"),
        "checkpoint that inflates to 1 GB": load("zipped.pt"),
        "checkpoint of 10^6 marks": load("pickled.pt"),
        "hub folder whose config is 10^6 deep": partial(adapters.load, f"hf:{model}"),
        "sentence encoder of 20 GB of nothing": partial(adapters.load, f"sentence-transformers:{model}"),
    }


def _tables(folder: Path) -> dict[str, Deed]:
    head = b"captions,image_url\n"
    chain = b"a => b => c => d,http://"
    for name, row in (("odd", chain + b"x"), ("sound", chain + b"x/COCO_val2014_000000000001.jpg")):
        stretch = gzip.compress((row + b"\n") * 200_000, 6)
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(head) + stretch * 200)
    (folder / "cell.csv").write_bytes(head + b'"' + b"a" * (300 << 20) + b'",x\n')
    sparse(folder / "nothing.csv", 20 << 30)
    sparse(folder / "nothing.tsv", 20 << 30)
    (folder / "line.csv").write_bytes(head + b"," * (50 << 20))
    return {
        "gzip of 1 GB of odd captions": partial(hierarcaps.read, folder / "odd.csv.gz"),
        "gzip of 2.2 GB of sound captions": partial(hierarcaps.read, folder / "sound.csv.gz"),
        "captions of one cell of 300 MB": partial(hierarcaps.read, folder / "cell.csv"),
        "captions of 50 million cells": partial(hierarcaps.read, folder / "line.csv"),
        "captions of 20 GB of nothing": partial(hierarcaps.read, folder / "nothing.csv"),
        "lexicon of 20 GB of nothing": partial(hyperlex.load_hyperlex, folder / "nothing.tsv"),
    }


def _pictures(folder: Path) -> dict[str, Deed]:
    def png(name: str, width: int, height: int, depth: int = 8, colour: int = 0) -> Deed:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        rows = zlib.compress(bytes(min(1 << 26, height * (1 + width * depth // 8))), 9)
        path = folder / name
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
        return partial(_embedded, path)

    sparse(folder / "nothing.png", 20 << 30)
    sparse(folder / "nothing.jpg", 20 << 30, b"\xff\xd8\xff\xe0\x00\x10JFIF")
    from PIL import Image

    frames = [Image.new("P", (8, 8), n % 2) for n in range(2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:] * 3000)
    (folder / "long.gif").write_bytes(buffer.getvalue())
    return {
        "picture of 1,000,000 x 1": png("wide.png", 1_000_000, 1),
        "picture of 1 x 1,000,000": png("high.png", 1, 1_000_000),
        "picture of 60,000 x 60,000": png("big.png", 60_000, 60_000),
        "picture of 15,000 x 15,000 at 16 bits": png("deep.png", 15_000, 15_000, 16),
        "picture of 65,000 x 10": png("thin.png", 65_000, 10),
        "picture of 20 GB of nothing": partial(_embedded, folder / "nothing.png"),
        "photograph of 20 GB of nothing": partial(_embedded, folder / "nothing.jpg"),
        "picture of 6,000 frames": partial(_embedded, folder / "long.gif"),
        "folder of a picture of 60,000 x 60,000": partial(_labelled, folder),
    }


def _embedded(path: Path) -> None:
    open_rgb(path)
    adapters.load("tiny").encode_image([path])


def _labelled(folder: Path) -> None:
    place = folder / "labelled"
    for name in "ab":
        (place / name).mkdir(parents=True, exist_ok=True)
        (place / name / "big.png").write_bytes((folder / "big.png").read_bytes())
    datasets.labelled(place)


def _lines(folder: Path) -> dict[str, Deed]:
    scenes, out = ("-m", "tiny", "-d", "scenes"), str(folder / "out")
    lines: dict[str, tuple[str, ...]] = {
        "probe --steps 10^12": ("probe", *scenes, "--rows", "3", "--steps", str(10**12)),
        "probe --rows 10^12": ("probe", *scenes, "--rows", str(10**12)),
        "compare of 10,000 geometries": ("compare", *scenes, "--rows", "3", *("-g", "lorentz:-1") * 10_000),
        "compare --images 10^12": (
            *("compare", *scenes, "--rows", "3", "--images", str(10**12), "--html", f"{out}.html"),
            *("-g", "euclidean"),
        ),
        "embed --batch-size 10^20": ("embed", *scenes, "--batch-size", str(10**20), "--out", f"{out}.npz"),
        "train head --hidden 10^20": ("train", "head", *scenes, "--hidden", str(10**20), "--out", out),
        "train head --hidden 10^10": ("train", "head", *scenes, "--hidden", str(10**10), "--out", out),
        "train head --dim 10^10": ("train", "head", *scenes, "--dim", str(10**10), "--out", out),
        "train head --steps 10^30": ("train", "head", *scenes, "--steps", str(10**30), "--out", out),
        "train re --lora 10^14": ("train", "re", *scenes, "--lora", str(10**14), "--out", out),
        "train re --batch 10^12": ("train", "re", *scenes, "--batch", str(10**12), "--out", out),
        "study --seeds 10^12": ("study", *scenes, "--train", "train", "--seeds", str(10**12)),
        "study --dim 10^12": ("study", *scenes, "--train", "train", "--dim", str(10**12)),
    }
    commands: dict[str, Deed] = {name: partial(_line, list(words), folder) for name, words in lines.items()}
    factors = "product:" + ",".join(["lorentz:-1x1"] * 100_000)
    return {**commands, "product of 100,000 factors": partial(geometry.parse, factors)}


def _line(words: list[str], folder: Path) -> None:
    from hiergeo._core.errors import InputError

    code = run(words, folder)
    if code == 2:
        raise InputError("refused.")
    if code:
        raise RuntimeError(f"ends with {code}")


def sparse(path: Path, size: int, begins: bytes = b"") -> None:
    """A file that claims a size and takes no room."""
    with path.open("r+b" if path.exists() and not begins else "wb") as handle:
        handle.write(begins)
        handle.truncate(size)


@dataclass(frozen=True)
class Met:
    """How a bomb was met: the verdict, the seconds it took and the megabytes; NaN of a process that told nothing."""

    tally: Tally
    seconds: float
    megabytes: float


def explode(folder: Path) -> dict[str, Met]:
    """Meet every bomb in a fork of this process, which may take `ROOM` more than it has."""
    (folder / "inputs").mkdir()
    prepare(folder / "inputs")
    open_rgb(_plain(folder))
    return {name: _exploded(name, deed, folder / "told") for name, deed in bombs(folder).items()}


def _exploded(name: str, deed: Deed, told: Path) -> Met:
    start, tally, size = time.monotonic(), Tally(), math.nan
    told.unlink(missing_ok=True)
    end = ended(*launched(partial(_met, deed, told)), within=PATIENCE)
    if end is None:
        tally.add("hung", name)
    elif not told.exists():
        tally.add("crashed", f"{name}: the process ended with {end.code}: {end.said[-500:]}")
    else:
        verdict, story, size = json.loads(told.read_text())
        tally.add(verdict, f"{name}: {story}\n{end.said[-500:]}")
    return Met(tally, time.monotonic() - start, size)


def table(met: Mapping[str, Met]) -> str:
    """How bombs were met, one line each."""
    lines = [f"{'bomb':<44}{'verdict':>10}{'seconds':>10}{'MB':>10}"]
    for name, bomb in met.items():
        verdict = next(iter(bomb.tally.counts))
        lines.append(f"{name:<44}{verdict:>10}{bomb.seconds:>10.1f}{bomb.megabytes:>10.0f}")
    return "\n".join(lines)


def _plain(folder: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(folder / "plain.png")
    adapters.load("tiny").encode_image([folder / "plain.png"])
    return folder / "plain.png"


def _met(deed: Deed, told: Path) -> int:
    before = _peak()
    cap(ROOM)
    verdict, story = judge(lambda _: deed(), "bomb", PATIENCE)
    told.write_text(json.dumps([verdict, story[-1500:], _peak() - before]))
    return 0


def _peak() -> float:
    """Megabytes that this process has had in memory at most."""
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024
