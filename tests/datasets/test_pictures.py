"""Pictures from outside: what is read, as what, and what is refused before it costs time or memory."""

import io
import os
import random
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.datasets.pictures import FORMATS, check_images, open_rgb

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))
TURNED = Image.Exif()
TURNED[0x0112] = 6
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "avif": ("AVIF", "RGB", {"exif": TURNED}),
    "bmp": ("BMP", "RGB", {}),
    "gif": ("GIF", "P", {}),
    "jpg": ("JPEG", "RGB", {"exif": TURNED}),
    "progressive.jpg": ("JPEG", "RGB", {"progressive": True}),
    "cmyk.jpg": ("JPEG", "CMYK", {}),
    "png": ("PNG", "RGB", {"exif": TURNED}),
    "palette.png": ("PNG", "P", {"transparency": 3}),
    "tif": ("TIFF", "RGB", {}),
    "lzw.tif": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "webp": ("WEBP", "RGB", {}),
}
MUTANTS = 60


def encoded(kind: str) -> bytes:
    form, mode, options = KINDS[kind]
    buffer = io.BytesIO()
    NOISE.convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def refusal(path: Path) -> str | None:
    """Why a file cannot be opened; None where it can."""
    try:
        assert open_rgb(path).mode == "RGB"
    except InputError as error:
        return str(error)
    return None


def png(path: Path, width: int, height: int, bits: int = 8) -> Path:
    """A PNG that claims a size; its pixels are cut short."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""))
    return path


def runs(width: int, height: int) -> bytes:
    """A BMP whose pixels are run lengths of one pixel each."""
    body = b"\1\0" * 10**7
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    offset = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + bytes(1024) + body


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_by_name_or_give_a_picture(tmp_path, kind):
    assert KINDS[kind][0] in FORMATS
    whole, path, rng = encoded(kind), tmp_path / f"damaged.{kind}", random.Random(kind)
    path.write_bytes(whole)
    assert open_rgb(path).mode == "RGB"
    for _ in range(MUTANTS):
        content = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.choice([1, 2, 10])):
            content[min(len(content) - 1, int(rng.expovariate(1 / 80)))] = rng.randrange(256)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            refused = refusal(path)
        assert refused is None or path.name in refused


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((1_000_000, 1), "over 100 times"),
        ((1, 1_000_000), "over 100 times"),
        ((60_000, 500), "over 100 times"),
        ((13_400, 13_400), "decompression bomb"),
        ((100_000, 100_000), "decompression bomb"),
        ((0, 5), "as an image|no pixels"),
    ],
)
def test_sizes_that_cannot_be_used_are_refused_unseen(tmp_path, size, words):
    path = png(tmp_path / "sized.png", *size)
    for refuse in (open_rgb, lambda path: check_images([path])):
        with pytest.raises(InputError, match=rf"sized\.png.*({words})|({words}).*sized\.png"):
            refuse(path)


@pytest.mark.slow
def test_bombs_cost_neither_memory_nor_time(tmp_path):
    png(tmp_path / "long.png", 1_000_000, 1)
    png(tmp_path / "wide.png", 65_000, 600)
    for name, begins, length in (
        ("sparse.jpg", b"\xff\xd8\xff", 20 << 30),
        ("junk.jpg", b"\xff\xd8\xff\xe0\0\4ab", 400 << 20),
        ("sparse.avif", b"\0\0\0\x1cftypavif", 20 << 30),
        ("sparse.tif", b"II*\0\x08\0\0\0", 20 << 30),
    ):
        with (tmp_path / name).open("wb") as file:
            file.write(begins)
            file.truncate(length)
    (tmp_path / "runs.bmp").write_bytes(runs(10_000, 10_000))
    (tmp_path / "comments.ppm").write_bytes(b"P3 10000 10000 255\n" + b"\n#x" * 10**7)
    os.mkfifo(tmp_path / "pipe.png")
    code = (
        "import re, sys, pathlib, PIL.Image\n"
        "from hiergeo._core import errors\n"
        "from hiergeo.datasets import pictures\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        pictures.open_rgb(path)\n"
        "    except errors.InputError:\n"
        "        print(path.name)\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    *refused, peak = done.stdout.split()
    assert refused == sorted(path.name for path in tmp_path.iterdir()), done.stderr
    assert int(peak) < 600_000, f"{peak} kB"


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(tmp_path, form):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "moving", form, save_all=True, append_images=frames[1:])
    red, green, blue = open_rgb(tmp_path / "moving").getpixel((4, 4))
    assert red > 230
    assert max(green, blue) < 25


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode):
    picture = NOISE.convert(mode)
    if mode == "P":
        picture.info["transparency"] = bytes(range(256))
    else:
        picture.putalpha(NOISE.convert("L"))
    seen = picture.convert("RGBA")
    rows = np.asarray(seen).astype(float)
    alpha = rows[..., 3:] / 255
    expected = rows[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(np.asarray(open_rgb(picture)) - expected).max() <= 1


def test_sixteen_bits_are_cut_to_eight(tmp_path):
    deep = np.array([[0, 128, 129, 257, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.asarray(open_rgb(tmp_path / "deep.png"))[0, :, 0].tolist() == [0, 0, 1, 1, 255]


@pytest.mark.parametrize("form", ["DDS", "ICO", "JPEG2000", "TGA", "EPS", "PDF", "PPM"])
def test_formats_that_are_not_read_are_refused_with_those_that_are(tmp_path, form):
    NOISE.save(tmp_path / "strange", form)
    with pytest.raises(InputError, match=r"strange.*AVIF, .*WEBP"):
        open_rgb(tmp_path / "strange")


@pytest.mark.parametrize("as_array", [np.asarray, lambda picture: torch.from_numpy(np.array(picture))])
def test_arrays_of_pixels_are_pictures(as_array):
    model = adapters.load("tiny")
    torch.testing.assert_close(model.encode_image([as_array(NOISE)]), model.encode_image([NOISE]), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([NOISE, np.zeros((3, 8, 8), np.uint8)], r"picture 1 .*uint8.*\(3, 8, 8\)"),
        ([np.zeros((8, 8), np.uint8)], r"picture 0 .*\(8, 8\)"),
        ([np.zeros((8, 8, 3))], "picture 0 .*float64"),
        ([torch.zeros(8, 8, 3)], "picture 0 .*float32"),
        ([np.zeros((0, 8, 3), np.uint8)], "no pixels"),
        ([None], "picture 0 .*NoneType"),
        (["/"], "/ is a folder"),
        (["x" * 300], "cannot read"),
        (["a\0b"], "cannot read"),
        (["/nowhere/a.png"], "1 of 1 image files do not exist; the first is /nowhere/a.png"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"ndarray of shape \(2, 8, 8, 3\)"),
        (NOISE, "not Image"),
        ("photo.jpg", "not str"),
        (b"photo.jpg", "not bytes"),
    ],
)
def test_what_is_no_picture_is_refused_before_any_work(images, words, monkeypatch):
    model = adapters.load("tiny")
    monkeypatch.setattr(type(model), "image_rows", lambda *_: pytest.fail("worked"))
    with pytest.raises(InputError, match=words):
        model.encode_image(images)


def test_exif_orientation_is_honoured(tmp_path):
    picture = Image.new("RGB", (20, 10), "black")
    picture.paste("white", (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    upright = open_rgb(tmp_path / "turned.png")
    assert upright.size == (10, 20)
    assert upright.getpixel((5, 2)) == (255, 255, 255)
    assert upright.getpixel((5, 17)) == (0, 0, 0)
