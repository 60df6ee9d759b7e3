"""``hiergeo chains``: benchmarks made out of captions, how good they are, and what they share with others."""

import typer

from hiergeo.cli.app import LazyGroup

SUMMARIES = {
    "Commands": {
        "build": "Make a benchmark out of captions: chains from general to specific with contradicting negatives.",
        "quality": "Measure chains: lengths, repeats, head nouns, what a judge says, and what a person accepted.",
        "leaks": "Find rows of your chains that share an image or a text with a test set.",
    }
}


class ChainVerbs(LazyGroup):
    """The group."""

    summaries = SUMMARIES


app = typer.Typer(cls=ChainVerbs, no_args_is_help=True)


@app.callback()
def _whole() -> None:
    """Make, measure and compare chains."""
