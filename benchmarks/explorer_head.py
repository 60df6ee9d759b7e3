"""How the head of the demonstration was made: ``python -m benchmarks.explorer_head train --out DIR`` trains it anew.

``python -m benchmarks.explorer_head rungs`` counts the right rungs of ladders, before and after the head.

A linear head on the bundled model, trained on captions of scenes of the training split alone, in hyperbolic space. The
demonstration shows scenes of the test split, which share no full description with those.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from hiergeo import Space, adapters, datasets, training
from hiergeo.datasets import scenes
from hiergeo.datasets.scenes import world
from hiergeo.geometry import parse
from hiergeo.report.explorer.demo import TRAINED

GEOMETRY = "lorentz:-1"

STEPS = 50
"""Steps of a ladder, as the explorer takes them."""

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


app = typer.Typer()


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for the head.")],
    rows: Annotated[int, typer.Option(help="Scenes to train on.")] = 4000,
) -> None:
    """Train the head of the demonstration anew."""
    torch.use_deterministic_algorithms(True)
    make(out, rows=rows)


@app.command()
def rungs(
    head: Annotated[Path, typer.Option(help="Folder of the head.")] = TRAINED,
    rows: Annotated[int, typer.Option(help="Scenes of the test split.")] = scenes.COUNTS["test"],
) -> None:
    """Print the share of right rungs of ladders to the finest captions of test scenes, by model and space."""
    for model in (adapters.load("tiny", device="cpu"), adapters.load(f"head:{head}", device="cpu")):
        for spec in ("euclidean", GEOMETRY):
            ladders = judged_rungs(model, spec, rows)
            right = [rung for ladder in ladders for rung in ladder]
            share, length = sum(right) / len(right), len(right) / len(ladders)
            print(f"{model.name}, {spec}: {100 * share:.2f} % of {len(right):,} rungs, {length:.1f} a ladder")


def judged_rungs(model: adapters.Model, spec: str, rows: int) -> list[list[bool]]:
    """Whether each rung is right of the ladders to the finest captions of `rows` test scenes.

    A ladder climbs the distinct captions of these scenes in 50 steps of the radius, and its rungs are the captions that
    it meets before its own. A rung is right if what it tells is true of the scene.
    """
    told: dict[str, world.Facts] = {}
    finest: dict[str, world.Scene] = {}
    for row in range(rows):
        scene, positive, _ = scenes.scene_and_facts("test", 0, row)
        told |= {world.phrase(facts): facts for facts in positive}
        finest[world.phrase(positive[-1])] = scene
    captions = list(told)
    embeddings = model.encode_text(captions)
    space = Space(parse(spec), model.root())
    queries = embeddings[[captions.index(caption) for caption in finest]]
    climbs = space.ladder(queries, embeddings, STEPS).tolist()
    ladders = [dict.fromkeys(captions[item] for item in climb) for climb in climbs]
    return [
        [world.holds(told[rung], scene) for rung in ladder if rung != caption]
        for ladder, (caption, scene) in zip(ladders, finest.items(), strict=True)
    ]


if __name__ == "__main__":
    app()
