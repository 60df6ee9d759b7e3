"""``hiergeo probe`` on a million captions: ``python -m benchmarks.large_probe FOLDER``.

A data home and an embedding file are made in FOLDER, a stretch at a time: chains of four captions in random directions,
their radii growing from tier to tier, 384 dimensions, float16, and 1,000 images. Every verb then runs in a process of
its own under a limit on its address space; reported are seconds and the high-water mark of its resident set.
"""

import argparse
import csv
import gzip
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.commands import spend
from hiergeo._core.storage import archives

DIM, TIERS, IMAGES = 384, 4, 1000
CHAINS = 250_000
STRETCH = 10_000
"""Chains that are made at a time."""

LIMIT = 6 << 30
"""Bytes of address space that a verb may take."""

WORDS = (
    "animal",
    "dog on a lawn",
    "brown dog that runs on a lawn",
    "brown dog that runs after a ball on a wide green lawn",
)
SOURCE = "http://images.cocodataset.org/val2014/COCO_val2014_{:012d}.jpg"

VERBS = {
    "texts alone": ("probe", "--split", "train"),
    "re": ("probe", "--split", "expanded"),
    "re, lorentz:-1": ("probe", "--split", "expanded", "-g", "lorentz:-1"),
    "pairs": ("probe", "--split", "expanded", "--protocol", "pairs"),
    "traversal, 10 points": ("probe", "--split", "expanded", "--protocol", "traversal", "--steps", "10"),
    "re in three spaces": (
        "compare",
        "--split",
        "expanded",
        "-g",
        "euclidean",
        "-g",
        "lorentz:-1",
        "-g",
        "sphere:0.25",
    ),
}


def captions(chain: int) -> list[str]:
    """The captions of a chain, that no other chain has."""
    return [f"{words} {chain}" for words in WORDS]


def make(folder: Path, chains: int) -> None:
    """The data home ``FOLDER/home`` and the embeddings ``FOLDER/large.npz``, unless they are there."""
    if (folder / "large.npz").exists():
        return
    home = folder / "home" / "hierarcaps"
    home.mkdir(parents=True, exist_ok=True)
    for name, illustrated in (("hierarcaps_train.csv.gz", False), ("hierarcaps_test_expanded.csv.gz", True)):
        with gzip.open(home / name, "wt", encoding="utf-8", newline="", compresslevel=1) as handle:
            rows = csv.writer(handle)
            rows.writerow(("positive", "negative", "image_url"))
            for chain in range(chains):
                other = captions((chain + chains // 2) % chains)
                place = SOURCE.format(1 + chain % IMAGES) if illustrated else f"https://example.org/{chain}"
                rows.writerow((" => ".join(captions(chain)), " => ".join(other), place))
    text = np.lib.format.open_memmap(folder / "text.npy", "w+", np.float16, (TIERS * chains, DIM))
    root = unit(np.random.default_rng(0).standard_normal((1, DIM)))[0]
    for start, embedded in stretches(chains, root):
        text[TIERS * start : TIERS * start + len(embedded)] = embedded
        if start == 0:
            seen = embedded[TIERS - 1 :: TIERS][:IMAGES]
            image = unit(seen + 0.02 * np.random.default_rng(1).standard_normal(seen.shape)).astype(np.float32)
    words = np.array([caption for chain in range(chains) for caption in captions(chain)])
    arrays = {"text": text, "caption": words, "root": root.astype(np.float32)}
    archives.write(folder / "large.npz", arrays | {"image": image, "image_id": np.arange(1, len(image) + 1)})
    (folder / "text.npy").unlink()


def stretches(chains: int, root: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The first chain of a stretch, and the embeddings of its captions."""
    for start in range(0, chains, STRETCH):
        count = min(STRETCH, chains - start)
        random = np.random.default_rng([2, start])
        way = unit(random.standard_normal((count, 1, DIM), np.float32))
        turn = unit(random.standard_normal((count, TIERS, DIM), np.float32))
        reach = np.linspace(0.4, 1.3, TIERS)[:, None] * random.uniform(0.8, 1.2, (count, TIERS, 1))
        yield start, unit(root + reach * unit(way + 0.5 * turn)).reshape(-1, DIM)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_probe", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the data is made, 2 GB")
    parser.add_argument("--chains", type=int, default=CHAINS, help=f"chains of {TIERS} captions (default: {CHAINS})")
    parser.add_argument("--only", action="append", choices=VERBS, help="one of the measurements; may be repeated")
    parser.add_argument("--limit", type=float, default=LIMIT / 2**30, help="GB of address space (default: 6)")
    args = parser.parse_args(words)
    make(args.folder, args.chains)
    print(f"{TIERS * args.chains:,} captions of {DIM} dimensions in float16; {machine.processor()}.\n")
    print("| what | exit code | seconds | peak GB |\n|---|---|---|---|")
    for name in args.only or VERBS:
        verb, *options = VERBS[name]
        words = [verb, "--model", f"npz:{args.folder / 'large.npz'}", *options]
        spent = spend(words, {"HIERGEO_DATA_HOME": str(args.folder / "home")}, int(args.limit * 2**30))
        print(f"| {name} | {spent.code} | {spent.seconds:.0f} | {spent.peak / 2**30:.2f} |", flush=True)
        print(spent.printed, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
