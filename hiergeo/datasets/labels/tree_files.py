"""Trees of labels from files and objects: tables of paths or edges, indented text, JSON, WordNet, own indexes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.files import path_of, size_of
from hiergeo._core.storage.texts import read_lines, read_text
from hiergeo.datasets.labels.label_tree import JOINT, Entry, LabelTree
from hiergeo.datasets.reading.columnar import arrow_files
from hiergeo.datasets.reading.inputs import suffix_of
from hiergeo.datasets.scenes import things
from hiergeo.datasets.tables import LEVELS, TABLES, numbered, records
from hiergeo.datasets.wordnet import load_wordnet, reached, spoken

TreeLike: TypeAlias = LabelTree | str | Path | Mapping[str, Any] | Iterable[Any]
"""A tree; a file or spec of one (`load_tree`); nested mappings; or an iterable of paths or of edges (child, parent)."""

CHILD, PARENT = ("id", "key", "child", "node"), ("parent", "parents")
NAME, SYNONYMS = ("name", "label", "title", "caption", "category"), ("synonyms", "synonym", "aliases")
PATH = ("path", "full_path", "category_path", "breadcrumb")
SEVERAL = "|"
"""What separates several parents or synonyms in one cell."""

FORMATS = (
    ".csv, .tsv, .jsonl, .parquet or .arrow of paths, of levels or of edges, .txt (indented, or a path a line) or "
    ".json; or wordnet:SYNSET, or scenes"
)


def load_tree(source: TreeLike) -> LabelTree:
    """A tree of labels from a file, a spec or objects.

    Args:
        source: the tree itself; ``wordnet:mammal.n.01`` (everything below a synset); ``scenes``; nested mappings, such
            as ``{"animal": {"dog": {}}}``; pairs (child, parent); an iterable of paths from the top down, as texts
            ``animal > dog`` or lists of names, not all pairs; an iterable of `Entry`; or a file:

            - CSV, TSV, JSON Lines, Parquet or Arrow. With a column ``parent`` a row is an edge: ``id`` or ``child``,
              ``parent``, perhaps ``name`` and ``synonyms``; several parents are several rows, or separated by ``|``.
              With a column ``path`` each row is ``animal > dog``. Otherwise the columns ``level0``, ``level1``, ... are
              levels, from the top down, or else all columns.
            - text: deeper labels are indented by blanks or tabs; or a path a line.
            - JSON: nested objects; objects with ``name`` and ``children``; a list of edges [child, parent]; or
              ``nodes`` with ``id``, ``name`` and ``parents``, as ``hiergeo tree --format json`` writes it.

    Raises:
        InputError: the file is damaged or of another format, or describes no tree; names the line.
        UnavailableError: it is not there.
    """
    if isinstance(source, LabelTree):
        return source
    if not isinstance(source, str | Path):
        return _of_objects(source)
    if isinstance(source, str) and source.startswith("wordnet:"):
        return _wordnet(source.partition(":")[2])
    if source == "scenes":
        return _of_pairs(things.edges(), source)
    path = path_of(source)
    if arrow_files(path):
        return _of_table(path)
    if size_of(path) is None:
        raise UnavailableError(f"{path} is not there: name a tree, a file of {FORMATS}.")
    if suffix_of(path) in TABLES:
        return _of_table(path)
    if (suffix := path.suffix.lower()) not in READERS:
        raise InputError(f"{path} is of a format that cannot be read: name a file of {FORMATS}.")
    return READERS[suffix](path)


def _of_objects(source: Any, where: str = "the tree") -> LabelTree:
    """A tree of mappings, of nodes, of pairs, or of paths."""
    listed: list[Any] = [source] if isinstance(source, Mapping) else list(source)
    if len(listed) == 1 and isinstance(listed[0], Mapping) and isinstance(nodes := listed[0].get("nodes"), list):
        return LabelTree(map(_node, nodes), where, closed=True)
    if all(isinstance(entry, Entry) for entry in listed):
        return LabelTree(listed, where)
    if any(not isinstance(row, tuple | list) for row in listed):
        return LabelTree(_nested(listed), where)
    if all(len(pair) == 2 for pair in listed):
        return _of_pairs(listed, where)
    return LabelTree(_paths((0, path) for path in listed), where)


def _of_pairs(edges: Iterable[Sequence[Any]], where: str) -> LabelTree:
    pairs = [(str(child), str(parent)) for child, parent in edges]
    below = Counter(child for child, _ in set(pairs))
    if not below.keys() & {parent for _, parent in pairs} and (twice := [child for child in below if below[child] > 1]):
        raise InputError(f"{where} has '{twice[0]}' below {below[twice[0]]} labels: write pairs as (child, parent).")
    return LabelTree((Entry(child, (parent,)) for child, parent in pairs), where)


def _paths(rows: Iterable[tuple[int, Sequence[Any]]]) -> Iterator[Entry]:
    """Labels of paths from the top down; equal names below different labels are different labels."""
    for line, cells in rows:
        names = ["" if cell is None else str(cell).strip() for cell in cells]
        while names and not names[-1]:
            names.pop()
        if not all(names):
            where = f" (line {line})" if line else ""
            raise InputError(f"the path {JOINT.join(names)!r}{where} lacks a label between others: fill the gap.")
        for depth in range(1, len(names) + 1):
            parents = (JOINT.join(names[: depth - 1]),) if depth > 1 else ()
            yield Entry(JOINT.join(names[:depth]), parents, names[depth - 1], line=line)


def column_of(header: Iterable[str], words: Sequence[str], others: Sequence[str] = ()) -> str | None:
    """The column that is called by one of some words, or else has one in its name and none of some others."""
    folded = {name.strip().casefold(): name for name in reversed(list(header))}
    parts = {name: set(re.split(r"[\W_]+", name)) for name in reversed(folded)}
    exact = (folded[word] for word in words if word in folded)
    within = (folded[name] for word in words for name, of in parts.items() if word in of and not of & set(others))
    return next(chain(exact, within), None)


def _of_table(path: Path) -> LabelTree:
    rows = enumerate(records(path), 1)
    _, header = next(rows, (1, []))
    columns = {str(name).strip().casefold(): at for at, name in enumerate(header)}
    written = next((columns[word] for word in PATH if word in columns), None)
    parent = columns.get(column_of(columns, PARENT) or "")
    child, name = (columns.get(column_of(columns, words, (*PARENT, *SYNONYMS)) or "") for words in (CHILD, NAME))
    synonyms = columns.get(column_of(columns, SYNONYMS) or "")
    if parent is None:
        levels = [header.index(name) for name in numbered(header, LEVELS)] or list(range(len(header)))
        paths = (
            [row[at] for at in levels if at < len(row)] if written is None else str(row[written] or "").split(">")
            for _, row in rows
        )
        return LabelTree(_paths(enumerate(paths, 2)), str(path))
    child, name = (name, None) if child is None else (child, name)
    if child is None:
        raise InputError(f"{path} has a column of parents and none of {', '.join((*CHILD, *NAME))}: add one.")
    entries = []
    for line, row in rows:
        key, called, above, words = (
            () if at is None or at >= len(row) or row[at] is None else _several(row[at], at in (parent, synonyms))
            for at in (child, name, parent, synonyms)
        )
        if not key:
            raise InputError(f"{path}, line {line}: the column '{header[child]}' is empty.")
        entries.append(Entry(key[0], above, "".join(called), words, line))
    return LabelTree(entries, str(path), closed=not all(entry.parents for entry in entries))


def _several(cell: Any, several: bool) -> tuple[str, ...]:
    """The texts of a cell; ids that pandas made fractions, such as 7.0, are whole again."""
    parts = cell if isinstance(cell, list) else str(cell).split(SEVERAL) if several else [cell]
    return tuple(re.sub(r"^(\d+)\.0$", r"\1", text) for part in parts if (text := str(part).strip()))


def _of_text(path: Path) -> LabelTree:
    """A text where deeper labels are indented, or each line is a path."""
    lines = read_lines(path, "write one label a line there, deeper ones indented")
    rows = [(at, line) for at, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    if any(JOINT in line for _, line in rows):
        # Shopify writes the address of a category before its path, Google its number.
        return LabelTree(_paths((at, line.rpartition(" : ")[2].split(JOINT)) for at, line in rows), str(path))
    paths: list[tuple[int, list[str]]] = []
    stack: dict[int, str] = {}
    for at, line in rows:
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        outer = {of: name for of, name in stack.items() if of < indent}
        if indent and (not outer or (len(outer) < len(stack) and indent not in stack)):
            raise InputError(f"{path}, line {at}: '{line.strip()}' is indented like no line above it.")
        stack = {**outer, indent: line.strip()}
        paths.append((at, list(stack.values())))
    return LabelTree(_paths(paths), str(path))


def _nested(value: Any, above: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Labels of nested objects: names or paths, what is below a name, lists, or objects with name and children."""
    if isinstance(value, str):
        yield from _paths([(0, (*above, *value.split(JOINT)))])
    elif isinstance(value, Mapping):
        pairs = [(value["name"], value.get("children"))] if isinstance(value.get("name"), str) else value.items()
        for name, below in pairs:
            yield from _paths([(0, (*above, name))])
            yield from _nested(below or [], (*above, str(name)))
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _nested(below, above)
    else:
        raise InputError(f"below {JOINT.join(above) or 'the root'} there is {value!r}, which is no label.")


def _of_json(path: Path) -> LabelTree:
    try:
        value = parse_json(read_text(path, "name a file that is there").encode())
    except ValueError as error:
        raise InputError(f"{path} cannot be read as JSON: {reason(error)}.") from error
    return _of_objects(value if isinstance(value, list) else [value], str(path))


def _node(node: Any) -> Entry:
    try:
        key = str(node["id"])
        parents = [parent["id"] if isinstance(parent, dict) else parent for parent in node.get("parents") or []]
    except (TypeError, KeyError) as error:
        raise InputError(f"the tree has a node without an id, or a list of parents: {str(node)[:60]!r}.") from error
    name = next((str(node[key]) for key in NAME if node.get(key)), "")
    return Entry(key, tuple(map(str, parents)), name, tuple(map(str, node.get("synonyms") or [])))


def _wordnet(root: str) -> LabelTree:
    wordnet = load_wordnet()
    top = wordnet.synset(root)
    below: dict[str, list[str]] = {}
    for child, parents in wordnet.parents.items():
        for parent in parents:
            below.setdefault(parent, []).append(child)
    members = sorted(reached(top, below))
    inside = set(members)
    entries = (
        Entry(name, tuple(p for p in wordnet.parents[name] if p in inside and name != top), word)
        for name, word in zip(members, spoken(members), strict=True)
    )
    return LabelTree(entries, f"wordnet:{root}")


READERS: dict[str, Callable[[Path], LabelTree]] = {".txt": _of_text, ".json": _of_json}
"""Suffix -> reader, of what is not a table."""
