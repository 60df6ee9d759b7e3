"""How the head of the demonstration was made: ``python -m benchmarks.explorer_head OUT`` trains it anew.

A linear head on the bundled model, trained on captions of scenes of the training split alone, in hyperbolic space. The
demonstration shows scenes of the test split, which share no full description with those. The same machine with the same
number of threads and version of torch writes the same files.
"""

import argparse
from pathlib import Path

import torch

from hiergeo import adapters, datasets, training
from hiergeo.geometry import parse

GEOMETRY = "lorentz:-1"
RECIPE = training.Recipe(hidden=0, steps=600, patience=5)


def make(out: Path, *, rows: int = 4000) -> None:
    """Train the head on so many scenes and write its folder."""
    chains = training.from_hierarchy(datasets.load("scenes", "train", count=rows), adapters.load("tiny", device="cpu"))
    trained = training.train_head(chains, parse(GEOMETRY), RECIPE, device="cpu", progress=True)
    training.save_head(trained, chains, out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer_head")
    parser.add_argument("out", type=Path, help="folder for the head")
    torch.use_deterministic_algorithms(True)
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
