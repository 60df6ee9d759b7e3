"""How the head of the demonstration was made: ``python -m benchmarks.explorer_head --out DIR`` trains it anew.

A linear head on the bundled model, trained on captions of scenes of the training split alone, in hyperbolic space. The
demonstration shows scenes of the test split, which share no full description with those.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from hiergeo import adapters, datasets, training
from hiergeo.geometry import parse

GEOMETRY = "lorentz:-1"

RECIPE = training.Recipe(hidden=0, steps=600, patience=5)


def make(out: Path, *, rows: int = 4000) -> None:
    """Train the head and write its folder.

    The same arguments give the same files on the same machine with the same number of threads and version of torch.

    Raises:
        InputError: `rows` is below 1, or a head is there already.
        UnavailableError: `out` cannot be written.
    """
    chains = training.from_hierarchy(datasets.load("scenes", "train", count=rows), adapters.load("tiny", device="cpu"))
    trained = training.train_head(chains, parse(GEOMETRY), RECIPE, device="cpu", progress=True)
    training.save_head(trained, chains, out)


def main(
    out: Annotated[Path, typer.Option(help="Folder for the head.")],
    rows: Annotated[int, typer.Option(help="Scenes to train on.")] = 4000,
) -> None:
    """Train the head of the demonstration anew."""
    torch.use_deterministic_algorithms(True)
    make(out, rows=rows)


if __name__ == "__main__":
    typer.run(main)
