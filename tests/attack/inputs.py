"""Attacks on the files of other people: tables, lists, pictures, folders of pictures."""

import gzip
import io
import os
import shutil
from pathlib import Path
from random import Random

from PIL import Image, features

from hiergeo import datasets
from hiergeo.datasets import hierarcaps, hyperlex
from hiergeo.datasets.pictures import open_rgb
from tests.attack.mutants import WORDS, damaged_bytes, damaged_text
from tests.attack.trial import Attack, Family, Silent

IMAGE = "http://images.cocodataset.org/val2014/COCO_val2014_{:012d}.jpg"

MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "I;16", "CMYK", "F")


def table() -> str:
    """Captions in the layout of HierarCaps' validation split."""
    positive, negative = (
        "animal {0} => dog => a dog, wet => A wet dog in the rain {0}.",
        "thing => car => a car => A car.",
    )
    rows = [f'"{positive.format(n)}","{negative}",{IMAGE.format(n)}' for n in range(30)]
    return "\n".join(["captions,negative_captions,image_url", *rows]) + "\n"


def tables(folder: Path) -> Attack:
    """CSV files of captions, compressed or not."""
    text = table()

    def attack(random: Random) -> None:
        content = damaged_bytes(random, text.encode()) if random.random() < 0.4 else damaged_text(random, text)
        path = folder / "captions.csv"
        if random.random() < 0.4:
            path = folder / "captions.csv.gz"
            content = gzip.compress(content, 1)
            content = damaged_bytes(random, content) if random.random() < 0.6 else content
        path.write_bytes(content)
        hierarcaps.validate(str(path), images=False)
        for row in hierarcaps.read(path).rows:
            for chain in (row.positive, row.negative or row.positive):
                if len(chain) != 4 or not all(tier.strip() == tier and tier for tier in chain):
                    raise Silent(f"a chain that is none: {chain!r}")

    return attack


def lists(folder: Path) -> Attack:
    """The pairs of HyperLex."""
    lexicon = "WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10 STD\n" + "".join(
        f"dog{n} animal N hyp-2 5.5 {n / 3:.2f} 0.4\n" for n in range(30)
    )

    def attack(random: Random) -> None:
        path, torn = folder / "list.txt", random.random() < 0.4
        path.write_bytes(damaged_bytes(random, lexicon.encode()) if torn else damaged_text(random, lexicon))
        if not hyperlex.load_hyperlex(path):
            raise Silent("an empty list")

    return attack


def samples() -> dict[str, bytes]:
    """A small picture in every format and mode that this Pillow writes."""
    made: dict[str, bytes] = {}
    deep = Image.effect_noise((24, 20), 90)
    frames = [Image.effect_noise((24, 20), 50 + n).convert("P") for n in range(3)]
    formats = [
        "PNG",
        "JPEG",
        "GIF",
        "BMP",
        "TIFF",
        "PPM",
        "ICO",
        "TGA",
        "DDS",
        "PCX",
        "SGI",
        "IM",
        "MSP",
        "XBM",
        "ICNS",
    ]
    formats += [name for name in ("WEBP", "AVIF") if features.check(name.lower())]
    formats += ["JPEG2000"] if features.check("jpg_2000") else []
    Image.init()
    for name in formats:
        for mode in MODES:
            buffer = io.BytesIO()
            try:
                (deep.convert(mode) if mode != "I;16" else deep.convert("I").convert("I;16")).save(buffer, name)
            except (OSError, ValueError, KeyError, SystemError):
                continue
            made[f"{name.lower()}-{mode}"] = buffer.getvalue()
    for name in ("GIF", "PNG", "TIFF", "WEBP"):
        if name in formats:
            buffer = io.BytesIO()
            frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
            made[f"animated {name}"] = buffer.getvalue()
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    deep.convert("RGB").save(buffer, "JPEG", exif=exif)
    return made | {"turned": buffer.getvalue()}


def pictures(folder: Path) -> Attack:
    """Pictures of every format: what opens is a picture in RGB."""
    made = list(samples().values())

    def attack(random: Random) -> None:
        path = folder / random.choice(("picture.png", "picture.jpg", "picture.avif", "picture"))
        path.write_bytes(damaged_bytes(random, random.choice(made), 2))
        seen = open_rgb(path)
        if seen.mode != "RGB" or min(seen.size) < 1:
            raise Silent(f"a picture of mode {seen.mode} and size {seen.size}")

    return attack


def folders(folder: Path) -> Attack:
    """Folders of labelled pictures with strange names, links, empty classes and damaged files."""
    made = list(samples().values())

    def attack(random: Random) -> None:
        place = folder / "labelled"
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        for label in range(random.choice((0, 1, 2, 2, 3, 3))):
            part = place / _name(random, f"class_{label}")
            part.mkdir(parents=True, exist_ok=True)
            for number in range(random.choice((0, 1, 1, 2, 2, 3))):
                content = random.choice(made)
                _put(random, part / _name(random, f"{number}.png"), content)
        if not place.exists():
            _put(random, place, random.choice(made))
        found = datasets.labelled(place)
        if len(found.images) != len(found.labels) or len(found.classes) < 2:
            raise Silent("labels that fit no images")

    return attack


def _name(random: Random, usual: str) -> str:
    strange = [word for word in WORDS if "/" not in word and "\0" not in word and word not in ("", "..", "\ud800")]
    chosen = random.choice(strange) if random.random() < 0.3 else usual
    return os.fsdecode(os.fsencode(chosen)[:250])


def _put(random: Random, path: Path, content: bytes) -> None:
    """A file at a path, or what is none; nothing where there is something already, such as a pipe that nobody reads."""
    if os.path.lexists(path):
        return
    try:
        match random.randrange(30):
            case 0:
                path.symlink_to(path)
            case 1:
                path.symlink_to("/dev/zero")
            case 2:
                path.mkdir(parents=True)
            case 3:
                os.mkfifo(path)
            case 4:
                path.write_bytes(damaged_bytes(random, content))
            case _:
                path.write_bytes(content)
    except OSError:
        return


FAMILIES = (
    Family("tables", tables),
    Family("lists", lists),
    Family("pictures", pictures),
    Family("folders", folders),
)
