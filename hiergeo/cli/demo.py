"""``hiergeo demo``: the whole story on bundled data, in a minute and without a network."""

from pathlib import Path
from typing import Annotated

from hiergeo.cli import options
from hiergeo.cli._io import check_writable, publish_experiment
from hiergeo.cli._terminal import console, show_page
from hiergeo.cli.options import path_option

READING = """
How to read this: every image has a chain of captions from general to specific.
- tau_d: 1 where radii grow along every chain, 0 where they are unrelated to it.
- A ladder climbs from the root to an image. Precision: how many of its captions
  are of the chain; recall: how many of the chain are on it. Others may be true.
- The embeddings are the same in all geometries: only how they are read differs.
- A * marks what a paired test over the images finds ahead of every other space.
Your own: hiergeo compare --model open_clip:ViT-B-32/openai --data hierarcaps"""


def demo_command(
    html: Annotated[Path, path_option("FILE", "File of the page.")] = Path("hiergeo-demo.html"),
    device: options.Device = options.AUTO,
    open_page: options.OpenPage = None,
) -> None:
    """Compare Euclidean, hyperbolic and spherical hierarchies of the bundled model on generated scenes."""
    from hiergeo import adapters, datasets
    from hiergeo.evaluation import compare
    from hiergeo.geometry import parse

    check_writable(html)
    model = adapters.load("tiny", device=device)
    scenes = datasets.load("scenes", "test", count=500)
    comparison = compare(model, scenes, [parse(spec) for spec in options.COMPARED], progress=True)
    publish_experiment(comparison, None, "table", html=html)
    console().print(READING)
    show_page(html.absolute().as_uri(), open_page)
