"""Trees of labels from files and objects: tables of paths or edges, indented text, JSON, WordNet, own indexes, OBO."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.files import path_of, size_of
from hiergeo._core.storage.texts import read_lines, read_text
from hiergeo.datasets.labels.label_tree import JOINT, Entry, LabelTree
from hiergeo.datasets.reading.lines import csv_records
from hiergeo.datasets.reading.samples import BrokenError, garbled
from hiergeo.datasets.scenes import taxonomy as shapes
from hiergeo.datasets.wordnet import load_wordnet, reached, spoken

TreeLike: TypeAlias = LabelTree | str | Path | Mapping[str, Any] | Iterable[Any]
"""A tree; a file or spec of one (`load_tree`); nested mappings; or an iterable of paths or of edges (child, parent)."""

CHILD, PARENT = ("id", "key", "child", "node"), ("parent", "parent_id", "parents", "parent id")
NAME, SYNONYMS, PATH = ("name", "label", "title", "caption"), ("synonyms", "synonym", "aliases"), ("path", "full_path")
SEVERAL = "|"
"""What separates several parents or synonyms in one cell."""

FORMATS = (
    ".csv, .tsv or .parquet of paths or of edges, .txt (indented, or a path a line), .json or .obo; or "
    "wordnet:SYNSET, or scenes"
)


def load_tree(source: TreeLike) -> LabelTree:
    """A tree of labels from a file, a spec or objects.

    Args:
        source: the tree itself; ``wordnet:mammal.n.01`` (everything below a synset); ``scenes``; nested mappings, such
            as ``{"animal": {"dog": {}}}``; pairs (child, parent); an iterable of paths from the top down, as texts
            ``animal > dog`` or lists of names, not all pairs; an iterable of `Entry`; or a file:

            - CSV, TSV or Parquet. With a column ``parent`` a row is an edge: ``id`` or ``child``, ``parent``, perhaps
              ``name`` and ``synonyms``; several parents are several rows, or separated by ``|``. With a column ``path``
              each row is ``animal > dog``. Otherwise the columns are levels, from the top down.
            - text: deeper labels are indented by blanks or tabs; or a path a line.
            - JSON: nested objects; objects with ``name`` and ``children``; a list of edges [child, parent]; or
              ``nodes`` with ``id``, ``name`` and ``parents``, as ``hiergeo tree --format json`` writes it.
            - OBO, where obonet is installed.

    Raises:
        InputError: the file is damaged or of another format, or describes no tree; names the line.
        UnavailableError: it is not there, or a package that reads it is not installed.
    """
    if isinstance(source, LabelTree):
        return source
    if isinstance(source, Mapping):
        return LabelTree(_nested(source))
    if not isinstance(source, str | Path):
        return _of_objects(source)
    if isinstance(source, str) and source.startswith("wordnet:"):
        return _wordnet(source.partition(":")[2])
    if source == "scenes":
        return LabelTree(Entry(child, (parent,)) for child, parent in shapes.edges())
    path = path_of(source)
    suffix = path.suffix.lower()
    if size_of(path) is None:
        raise UnavailableError(f"{path} is not there: name a tree, a file of {FORMATS}.")
    if suffix in (".csv", ".tsv", ".parquet"):
        return _of_table(path)
    if suffix == ".txt":
        return LabelTree(_indented(path), str(path))
    if suffix == ".json":
        return _of_json(path)
    if suffix == ".obo":
        return LabelTree(_obo(path), str(path), closed=True)
    raise InputError(f"{path} is of a format that cannot be read: name a file of {FORMATS}.")


def _of_objects(source: Iterable[Any]) -> LabelTree:
    listed = list(source)
    if all(isinstance(entry, Entry) for entry in listed):
        return LabelTree(listed)
    if not all(isinstance(path, str | tuple | list) for path in listed):
        raise InputError("a tree is a file, nested mappings, or a list of paths from the top down, such as 'a > b'.")
    if all(not isinstance(pair, str) and len(pair) == 2 for pair in listed):
        return from_edges(listed)
    return LabelTree(_paths((0, path.split(JOINT) if isinstance(path, str) else path) for path in listed))


def from_edges(edges: Iterable[Sequence[Any]], where: str = "the tree") -> LabelTree:
    """A tree of pairs (child, parent); a child of several parents is one label below all of them.

    Raises:
        InputError: as `LabelTree`, or pairs that look like (parent, child).
    """
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
            raise InputError(f"the path {JOINT.join(names)!r}{_at(line)} lacks a label between others: fill the gap.")
        for depth in range(1, len(names) + 1):
            parents = (JOINT.join(names[: depth - 1]),) if depth > 1 else ()
            yield Entry(JOINT.join(names[:depth]), parents, names[depth - 1], line=line)


def _at(line: int) -> str:
    return f" (line {line})" if line else ""


def table_rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """The header and the rows of a CSV, TSV or Parquet file, with their numbers from 1.

    Raises:
        InputError: it is damaged or no UTF-8 text; names the line.
    """
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        try:
            file = ParquetFile(path)
            yield 1, file.schema_arrow.names
            batches = (
                zip(*(column.to_pylist() for column in part.columns), strict=True) for part in file.iter_batches(256)
            )
            yield from enumerate(map(list, chain.from_iterable(batches)), 2)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read: {reason(error)}.") from error
        return
    try:
        for line, record in enumerate(csv_records(path, "\t" if path.suffix.lower() == ".tsv" else ","), 1):
            if fault := garbled("".join(record)):
                raise InputError(f"{path}, line {line}: {fault}; save it as UTF-8 text.")
            yield line, record
    except (BrokenError, OSError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error


def _of_table(path: Path) -> LabelTree:
    rows = table_rows(path)
    _, header = next(rows, (1, []))
    columns = {str(name).strip().casefold(): at for at, name in enumerate(header)}
    parent, written, child, name, synonyms = (
        next((columns[word] for word in words if word in columns), None)
        for words in (PARENT, PATH, CHILD, NAME, SYNONYMS)
    )
    if parent is None:
        paths = (row if written is None else str(row[written] or "").split(JOINT.strip()) for _, row in rows)
        return LabelTree(_paths(enumerate(paths, 2)), str(path))
    child, name = (name, None) if child is None else (child, name)
    if child is None:
        raise InputError(f"{path} has a column of parents and none of {', '.join((*CHILD, *NAME))}: add one.")
    entries = []
    for line, row in rows:
        key, called, above, words = (
            "" if at is None or at >= len(row) or row[at] is None else row[at] for at in (child, name, parent, synonyms)
        )
        if not str(key).strip():
            raise InputError(f"{path}, line {line}: the column '{header[child]}' is empty.")
        entries.append(Entry(str(key).strip(), _several(above), str(called).strip(), _several(words), line))
    return LabelTree(entries, str(path), closed=not all(entry.parents for entry in entries))


def _several(cell: Any) -> tuple[str, ...]:
    parts = cell if isinstance(cell, list) else str(cell).split(SEVERAL)
    return tuple(text for part in parts if (text := str(part).strip()))


def _indented(path: Path) -> Iterator[Entry]:
    """Labels of a text: deeper ones are indented, or each line is a path."""
    lines = read_lines(path, "write one label a line there, deeper ones indented")
    rows = [(at, line) for at, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    if any(JOINT in line for _, line in rows):
        # Shopify writes the address of a category before its path, Google its number.
        yield from _paths((at, line.rpartition(" : ")[2].split(JOINT)) for at, line in rows)
        return
    stack: list[tuple[int, str]] = []
    for at, line in rows:
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        outer = [one for one in stack if one[0] < indent]
        if indent and (not outer or (len(outer) < len(stack) and stack[len(outer)][0] != indent)):
            raise InputError(f"{path}, line {at}: '{line.strip()}' is indented like no line above it.")
        stack = [*outer, (indent, line.strip())]
        yield from _paths([(at, [name for _, name in stack])])


def _nested(value: Any, above: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Labels of nested objects: names of what is below, lists of names, or objects with ``name`` and ``children``."""
    if isinstance(value, str):
        yield from _paths([(0, (*above, value))])
    elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
        own = (*above, value["name"])
        yield from _paths([(0, own)])
        yield from _nested(value.get("children") or [], own)
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _paths([(0, (*above, name))])
            yield from _nested(below or [], (*above, str(name)))
    elif isinstance(value, list):
        for below in value:
            yield from _nested(below, above)
    else:
        raise InputError(f"below {JOINT.join(above) or 'the root'} there is {value!r}, which is no label.")


def _of_json(path: Path) -> LabelTree:
    try:
        value = parse_json(read_text(path, "name a file that is there").encode())
    except (ValueError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as JSON: {reason(error)}.") from error
    if isinstance(value, dict) and isinstance(value.get("nodes"), list):
        return LabelTree((_node(node, path) for node in value["nodes"]), str(path), closed=True)
    pairs = isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value)
    return from_edges(value, str(path)) if pairs and value else LabelTree(_nested(value), str(path))


def _node(node: Any, path: Path) -> Entry:
    if not isinstance(node, dict) or "id" not in node:
        raise InputError(f"{path} has a node without an id: {str(node)[:60]!r}.")
    parents = [parent["id"] if isinstance(parent, dict) else parent for parent in node.get("parents") or []]
    name = next((str(node[key]) for key in NAME if node.get(key)), "")
    return Entry(str(node["id"]), tuple(map(str, parents)), name, tuple(map(str, node.get("synonyms") or [])))


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


def _obo(path: Path) -> Iterator[Entry]:
    try:
        graph = import_module("obonet").read_obo(path)
    except ImportError as error:
        raise UnavailableError(f"{path} is read by obonet, which is not here: pip install obonet.") from error
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read as OBO: {reason(error)}.") from error
    for key, about in graph.nodes(data=True):
        words = tuple(text.split('"')[1] for text in about.get("synonym", ()) if " EXACT" in text)
        yield Entry(key, tuple(about.get("is_a", ())), about.get("name", key), words)
