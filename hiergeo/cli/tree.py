"""``hiergeo tree``: the taxonomy of the items of an index."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.records import WRITTEN, Records, drawn, percent
from hiergeo._core.storage.files import atomic_write_text, refuse_existing
from hiergeo._core.text import caption
from hiergeo.cli import defaults, options
from hiergeo.cli._io import check_writable, publish, sole_writer, write_json
from hiergeo.cli._terminal import counted, note
from hiergeo.cli.options import option, path_argument, path_option

if TYPE_CHECKING:
    from hiergeo.search.taxonomy import Judgement, Levels, Taxonomy

Node = TypeVar("Node")

DEFAULTS = defaults.Tree()
SHOWN_ROOTS, SHOWN_CHILDREN, SHOWN_DEPTH = 12, 4, 3
"""How much of a taxonomy a terminal shows: the largest branches."""

COLUMNS = ("metric", "against", "value", "low", "high", "random")
"""Of the records."""


def tree_command(
    index: Annotated[Path, path_argument("INDEX", "Folder of an index.", show_default=False)],
    format: Annotated[
        str | None,
        option(
            "NAME",
            f"table; {', '.join(WRITTEN)} for the numbers alone on standard output; json, graphml or newick for the "
            "taxonomy, in --out if there is one. (by default branches are printed, and a file is json)",
        ),
    ] = None,
    out: Annotated[Path | None, path_option("FILE", "Write the taxonomy here.", "--out", "-o")] = None,
    by: Annotated[str, option("NAME", "What parents are chosen by: angle, margin or distance.")] = DEFAULTS.by,
    k: Annotated[
        int, option("K", "Candidate parents of each item.", "-k", min=1, max=defaults.MOST_PARENTS)
    ] = DEFAULTS.k,
    min_confidence: Annotated[
        float, option("C", "Cut edges of less confidence.", min=0.0, max=1.0)
    ] = DEFAULTS.min_confidence,
    geometry: options.IndexGeometry = None,
    against: Annotated[
        str | None, option("NAME", "Compare with a known taxonomy: wordnet, where captions are nouns.")
    ] = None,
    levels: Annotated[
        str | None,
        option(
            "N,N,...",
            "Groups instead of generalisations: cut the corpus into these numbers of nested groups, such as 5,20,100, "
            "named by their medoids; --out gets the groups of every item, as CSV.",
        ),
    ] = None,
    json: options.Json = None,
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus."""
    from hiergeo import search
    from hiergeo.datasets.wordnet import load_wordnet
    from hiergeo.search.taxonomy import TreeSettings, cut, export, grow, judge, wordnet_truth
    from hiergeo.search.taxonomy.exports import FORMATS as EXPORTS

    form = format or "table"
    exported = form in EXPORTS
    if not exported and form not in ("table", *WRITTEN):
        raise unknown_name("format", form, ("table", *WRITTEN, *EXPORTS))
    check_writable(json, out)
    if out is not None:
        refuse_existing(out, overwrite)
    if levels is not None:
        if (by, k, min_confidence) != tuple(DEFAULTS) or against is not None or form in ("graphml", "newick"):
            raise InputError(
                "--levels groups by distance: leave out --by, -k, --min-confidence, --against and exports."
            )
        counts = _counts(levels)
        with sole_writer(json, out):
            groups = cut(search.open(index), counts, space=geometry, seed=seed, progress=True)
            if out is not None:
                atomic_write_text(out, groups.to_csv())
            lines = [] if out is None else [f"Groups: {out.absolute()}"]
            named = [
                {"groups": count, "names": groups.names(level), "items": groups.sizes(level)}
                for level, count in enumerate(groups.counts)
            ]
            table = {"geometry": groups.geometry, "levels": named}
            publish(table, json, form, groups, screen=_nested(groups), lines=lines)
        return
    settings = TreeSettings(cast(Any, by), k, min_confidence, seed)
    if against is not None and against != "wordnet":
        raise unknown_name("taxonomy to compare with", against, ("wordnet",))
    wordnet = None if against is None else load_wordnet()
    opened = search.open(index)
    with sole_writer(json, out):
        taxonomy = grow(opened, settings, space=geometry, progress=True)
        judgement = None
        if wordnet is not None:
            judgement = judge(taxonomy, wordnet_truth(taxonomy, wordnet), seed=seed)
        if out is not None:
            export(taxonomy, out, form if exported else "json")
        about = taxonomy.about()
        document, lines = {"taxonomy": about}, []
        screen: list[RenderableType] = [] if out is not None else list(_largest(taxonomy))
        screen.append(_summary(about))
        if judgement is not None and wordnet is not None:
            scores = {
                name: {"value": value, "interval": list(judgement.intervals[name]), "random": judgement.random[name]}
                for name, value in judgement.scores.items()
            }
            document["wordnet"] = {"metrics": scores, **judgement.counts, "wordnet": wordnet.described}
            scored = ((name, *figures) for name, _, *figures in _rows({}, judgement))
            heads = ("score", "value", "low", "high", "random parents")
            screen.append(drawn(Records.of(heads, scored, "Low, high: 95 %.").grid))
            lines.append(f"Compared with WordNet 3.0 ({wordnet.described}).")
        if out is not None:
            lines.append(f"Taxonomy: {out.absolute()}")
        if exported and out is None:
            write_json(json, document)
            sys.stdout.writelines(EXPORTS[form](taxonomy))
            if judgement is not None:
                note("the comparison is not printed beside an export: give --json, or --out.")
        else:
            first = () if judgement is None else (_against_chance(judgement),)
            notes = f"By {by} in {taxonomy.geometry}. Random: with random parents. 95 % intervals."
            shown = Records.of(COLUMNS, _rows(about, judgement), notes)
            publish(document, json, "table" if exported else form, shown, first=first, screen=screen, lines=lines)
    if form == "newick" and taxonomy.edges - int((taxonomy.best >= 0).sum()):
        lost = f"{taxonomy.edges - int((taxonomy.best >= 0).sum()):,} of {counted(taxonomy.edges, 'edge')}"
        note(f"Newick holds one parent of each item; left out: {lost}.")


def _counts(levels: str) -> list[int]:
    try:
        return [int(count) for count in levels.split(",")]
    except ValueError:
        raise InputError(f"--levels {levels}: write numbers of groups with commas between, such as 5,20,100.") from None


def _rows(about: dict[str, Any], judgement: "Judgement | None") -> Iterator[tuple[object, ...]]:
    """Counts and settings of a taxonomy; and against WordNet counts and scores, with what random parents score."""
    yield from ((name, None, value, None, None, None) for name, value in about.items() if not isinstance(value, str))
    if judgement is not None:
        yield from ((name, "wordnet", count, None, None, None) for name, count in judgement.counts.items())
        for name, value in judgement.scores.items():
            yield name, "wordnet", value, *judgement.intervals[name], judgement.random[name]


def _summary(about: dict[str, Any]) -> str:
    return (
        f"{counted(about['items'], 'item')}, {counted(about['edges'], 'edge')}, {counted(about['roots'], 'root')}, "
        f"depth {about['depth']}.\nLeft out: {counted(about['cut'], 'candidate')} of less confidence than "
        f"{about['min_confidence']:g}, {counted(about['redundant'], 'redundant one')}."
    )


def _largest(taxonomy: "Taxonomy") -> list[Tree]:
    below: dict[int, list[int]] = defaultdict(list)
    best, sizes = taxonomy.best.tolist(), taxonomy.size.tolist()
    for item in sorted(range(len(sizes)), key=lambda item: -sizes[item]):
        below[best[item]].append(item)
    return _branches(below[-1], lambda item: (taxonomy.name(item), sizes[item]), below.__getitem__)


def _nested(groups: "Levels") -> list[Tree]:
    levels = range(len(groups.counts))
    named = [list(zip(groups.names(level), groups.sizes(level), strict=True)) for level in levels]

    def below(node: tuple[int, int]) -> list[tuple[int, int]]:
        return [(node[0] + 1, part) for part in groups.parts(*node)] if node[0] + 1 in levels else []

    return _branches([(0, group) for group in range(groups.counts[0])], lambda node: named[node[0]][node[1]], below)


def _branches(
    nodes: list[Node], label: Callable[[Node], tuple[str, int]], below: Callable[[Node], list[Node]]
) -> list[Tree]:
    """The first branches of a tree by the name and size of nodes, as far as a terminal shows them."""

    def branch(node: Node, depth: int) -> Tree:
        name, size = label(node)
        text = Text(caption(name), style="" if depth else "bold")
        tree, children = Tree(text.append(f"  {size:,}" if size > 1 else "", style="dim")), below(node)
        if depth < SHOWN_DEPTH:
            for child in children[:SHOWN_CHILDREN]:
                tree.add(branch(child, depth + 1))
            if len(children) > SHOWN_CHILDREN:
                tree.add(Text(f"{len(children) - SHOWN_CHILDREN:,} more", style="dim"))
        return tree

    return [branch(node, 0) for node in nodes[:SHOWN_ROOTS]]


def _against_chance(judgement: "Judgement") -> str:
    share, random = percent(judgement.scores["first"]), percent(judgement.random["first"])
    low, high = (percent(end) for end in judgement.intervals["first"])
    return f"{share} of best parents are true ancestors ({low} to {high}); of random parents, {random}."
