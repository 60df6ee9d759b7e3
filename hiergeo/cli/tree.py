"""``hiergeo tree``: the taxonomy of the items of an index."""

import json as jsonlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from hiergeo import search
from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.files import refuse_existing
from hiergeo._core.text import caption
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, sole_writer, write_json
from hiergeo.cli._terminal import console, counted, note
from hiergeo.cli.plans import Config
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search.taxonomy import Judgement, Taxonomy, TreeSettings, export, grow, judge, wordnet_truth
from hiergeo.search.taxonomy.exports import FORMATS, check_format, left_out
from hiergeo.search.taxonomy.growing import MOST_PARENTS

DEFAULTS = TreeSettings()
SHOWN_ROOTS, SHOWN_CHILDREN, SHOWN_DEPTH = 12, 4, 3
"""How much of a taxonomy a terminal shows: the largest branches."""

TRUTHS = ("wordnet",)

SCORES = {
    "first": "true ancestor first among the candidates",
    "parent": "true ancestor among the parents",
    "edge_precision": "precision of edges",
    "precision": "precision of pairs",
    "recall": "recall of pairs",
    "f1": "F1 of pairs",
    "depth": "rank correlation of depths",
    "depth_radius": "rank correlation of radius and depth",
}
"""Scores of `judge` in words."""

Folder = Annotated[
    Path, typer.Argument(help="Folder of an index.", metavar="INDEX", show_default=False, callback=options.path)
]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="json, graphml or newick; without --out alone on standard output. (by default branches are printed, and a "
        "file is json)",
        metavar="NAME",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the taxonomy here.", metavar="FILE", callback=options.path),
]
Order = Annotated[
    str, typer.Option("--by", help="What parents are chosen by: angle, margin or distance.", metavar="NAME")
]
Parents = Annotated[
    int, typer.Option("-k", help="Candidate parents of each item.", metavar="K", min=1, max=MOST_PARENTS)
]
Least = Annotated[
    float,
    typer.Option("--min-confidence", help="Cut edges of less confidence.", metavar="C", min=0.0, max=1.0),
]
Against = Annotated[
    str | None,
    typer.Option(help="Compare with a known taxonomy: wordnet, where captions are nouns.", metavar="NAME"),
]


def tree_command(
    index: Folder,
    config: Config = None,
    format: Form = None,
    out: Out = None,
    by: Order = DEFAULTS.by,
    k: Parents = DEFAULTS.k,
    min_confidence: Least = DEFAULTS.min_confidence,
    geometry: options.IndexGeometry = None,
    against: Against = None,
    skip_damaged: options.SkipDamaged = False,
    json: options.Json = None,
    seed: options.Seed = 0,
    samples: options.Samples = 1000,
    overwrite: options.Overwrite = False,
) -> None:
    """Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus."""
    if format is not None:
        check_format(format)
    check_writable(json, out)
    settings = TreeSettings(cast(By, by), k, min_confidence, seed)
    if against is not None and against not in TRUTHS:
        raise unknown_name("taxonomy to compare with", against, TRUTHS)
    if geometry is not None:
        Space(geometry)
    if out is not None:
        refuse_existing(out, overwrite)
    wordnet = None if against is None else load_wordnet()
    opened = search.open(index, skip_damaged=skip_damaged)
    with sole_writer(json, out):
        taxonomy = grow(opened, settings, space=geometry, progress=True)
        judgement = None
        if wordnet is not None:
            judgement = judge(taxonomy, wordnet_truth(taxonomy, wordnet), samples=samples, seed=seed)
        if out is not None:
            export(taxonomy, out, format or "json")
        judged = {}
        if judgement is not None and wordnet is not None:
            judged = {against: {**jsonlib.loads(judgement.to_json()), "wordnet": wordnet.described}}
        write_json(json, jsonlib.dumps({"taxonomy": taxonomy.about(), **judged}))
    alone = out is None and format is not None
    if alone:
        sys.stdout.writelines(FORMATS[str(format)](taxonomy))
    else:
        _print(taxonomy, judgement, out)
        if judgement is not None and wordnet is not None:
            console().print(f"Compared with WordNet 3.0 ({wordnet.described}).")
    if format == "newick" and left_out(taxonomy):
        lost = f"{left_out(taxonomy):,} of {counted(taxonomy.edges, 'edge')}"
        note(f"Newick holds one parent of each item; left out: {lost}.")
    if alone and judgement is not None:
        note("the comparison is not printed beside an export: give --json, or --out.")


def _print(taxonomy: Taxonomy, judgement: Judgement | None, out: Path | None) -> None:
    screen = console()
    if out is None:
        for branch in _largest(taxonomy):
            screen.print(branch)
    about = taxonomy.about()
    screen.print(
        f"{counted(about['items'], 'item')}, {counted(about['edges'], 'edge')}, {counted(about['roots'], 'root')}, "
        f"depth {about['depth']}.\nLeft out: {counted(about['cut'], 'candidate')} of less confidence than "
        f"{taxonomy.settings.min_confidence:g}, {counted(about['redundant'], 'redundant one')}."
    )
    if out is not None:
        screen.print(f"Taxonomy: {out.absolute()}", soft_wrap=True)
    if judgement is not None:
        screen.print(_table(judgement))


def _largest(taxonomy: Taxonomy) -> list[Tree]:
    """The largest branches, as far as a terminal shows them."""
    below: dict[int, list[int]] = defaultdict(list)
    for place, above in enumerate(taxonomy.best.tolist()):
        below[above].append(place)

    def branch(place: int, depth: int) -> Tree:
        size = int(taxonomy.size[place])
        label = Text(caption(taxonomy.name(place)), style="bold" if depth == 0 else "")
        tree = Tree(label.append(f"  {size:,}" if size > 1 else "", style="dim"))
        if depth < SHOWN_DEPTH:
            for child in largest(place, SHOWN_CHILDREN):
                tree.add(branch(child, depth + 1))
            if len(below[place]) > SHOWN_CHILDREN:
                tree.add(Text(f"{len(below[place]) - SHOWN_CHILDREN:,} more", style="dim"))
        return tree

    def largest(place: int, most: int) -> list[int]:
        return sorted(below[place], key=lambda child: (-int(taxonomy.size[child]), child))[:most]

    return [branch(root, 0) for root in largest(-1, SHOWN_ROOTS)]


def _table(judgement: Judgement) -> Table:
    counts = judgement.counts
    title = f"{counts['items']:,} known items, {counts['children']:,} with ancestors, {counts['pairs']:,} true pairs"
    table = Table(title=title, title_justify="left")
    for name in ("score", "value", "95 % interval", "random parents"):
        table.add_column(name, justify="left" if name == "score" else "right")
    for name, value in judgement.scores.items():
        low, high = judgement.intervals[name]
        table.add_row(_score(name), f"{value:.3f}", f"{low:.3f} to {high:.3f}", f"{judgement.random[name]:.3f}")
    return table


def _score(name: str) -> str:
    kind, _, k = name.partition("_")
    return f"true ancestor among {k} candidates" if kind == "within" else SCORES[name]
