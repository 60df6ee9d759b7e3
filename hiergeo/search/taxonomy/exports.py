"""Taxonomies as files: JSON and GraphML with all parents, Newick with the best parent of each item."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.files import atomic_write
from hiergeo._core.text import tame
from hiergeo.search.taxonomy.growing import Taxonomy

NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even as references."""

LINE_ENDS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
"""Characters that readers of XML normalise unless they are written as references."""


def to_json(taxonomy: Taxonomy) -> Iterator[str]:
    """JSON: ``about``, the ids of the ``roots``, and ``nodes`` with their parents, best first.

    Each node stands on a line of its own after all of its parents, which are given by id.
    """
    by = taxonomy.settings.by
    roots = taxonomy.ids[taxonomy.roots].tolist()
    yield f'{{\n"about": {_dumped(taxonomy.about())},\n"roots": {roots},\n"nodes": [\n'
    for item in range(len(taxonomy)):
        node: dict[str, Any] = {
            "id": int(taxonomy.ids[item]),
            "caption": _unicode(taxonomy.labels.captions[item]),
            "image": _unicode(taxonomy.labels.images[item]),
            "radius": float(taxonomy.radius[item]),
            "parents": [
                {"id": int(taxonomy.ids[above]), by: score, "confidence": confidence}
                for above, score, confidence in _parents(taxonomy, item)
            ],
        }
        yield ("" if item == 0 else ",\n") + _dumped(node)
    yield "\n]\n}\n"


def to_graphml(taxonomy: Taxonomy) -> Iterator[str]:
    """GraphML: a directed graph whose edges go from child to parent. What XML cannot hold becomes U+FFFD."""
    by = taxonomy.settings.by
    keys = [("node", "caption", "string"), ("node", "image", "string"), ("node", "radius", "double")]
    keys += [("edge", by, "double"), ("edge", "confidence", "double")]
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for of, name, kind in keys:
        yield f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '<graph edgedefault="directed">\n'
    for item in range(len(taxonomy)):
        named = {"caption": taxonomy.labels.captions[item], "image": taxonomy.labels.images[item]}
        data = "".join(f'<data key="{key}">{_xml(text)}</data>' for key, text in named.items() if text is not None)
        radius = f'<data key="radius">{float(taxonomy.radius[item])!r}</data>'
        yield f'<node id="{taxonomy.ids[item]}">{data}{radius}</node>\n'
    for item in range(len(taxonomy)):
        for above, score, confidence in _parents(taxonomy, item):
            data = f'<data key="{by}">{score!r}</data><data key="confidence">{confidence!r}</data>'
            yield f'<edge source="{taxonomy.ids[item]}" target="{taxonomy.ids[above]}">{data}</edge>\n'
    yield "</graph>\n</graphml>\n"


def to_newick(taxonomy: Taxonomy) -> Iterator[str]:
    """Newick: the tree of best parents below one root without a name; lengths are differences of radii.

    Names are quoted captions; line ends and tabs in them become blanks, other control characters U+FFFD. Other parents
    are left out.
    """
    below: list[list[int]] = [[] for _ in range(len(taxonomy) + 1)]
    for item, above in enumerate(taxonomy.best.tolist()):
        below[above].append(item)
    top = len(taxonomy)
    todo: list[tuple[int, int]] = [(top, 0)]
    while todo:
        node, at = todo.pop()
        if at < len(below[node]):
            yield "(" if at == 0 else ","
            todo += [(node, at + 1), (below[node][at], 0)]
            continue
        yield ")" if below[node] else ""
        yield ";\n" if node == top else _newick(taxonomy, node)


FORMATS: dict[str, Callable[[Taxonomy], Iterator[str]]] = {"json": to_json, "graphml": to_graphml, "newick": to_newick}


def export(taxonomy: Taxonomy, path: Path | str, form: str = "json") -> None:
    """Write a taxonomy to a file, whole or not at all.

    Raises:
        InputError: an unknown format.
        UnavailableError: the file cannot be written.
    """
    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    with atomic_write(path) as handle:
        for piece in FORMATS[form](taxonomy):
            handle.write(piece.encode())


def _parents(taxonomy: Taxonomy, item: int) -> Iterator[tuple[int, float, float]]:
    for slot in np.flatnonzero(taxonomy.parent[item] >= 0):
        numbers = float(taxonomy.score[item, slot]), float(taxonomy.confidence[item, slot])
        yield int(taxonomy.parent[item, slot]), *numbers


def _dumped(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _unicode(text: str | None) -> str | None:
    """Text that UTF-8 can hold: lone surrogates become U+FFFD."""
    return None if text is None else re.sub("[\ud800-\udfff]", "\ufffd", text)


def _xml(text: str) -> str:
    return escape(NO_XML.sub("\ufffd", text), LINE_ENDS)


def _newick(taxonomy: Taxonomy, item: int) -> str:
    above = taxonomy.best[item]
    start = float(taxonomy.radius[above]) if above >= 0 else 0.0
    length = float(taxonomy.radius[item]) - start
    name = tame(taxonomy.name(item)).replace("'", "''")
    return f"'{name}':{length:.6g}" if math.isfinite(length) else f"'{name}'"
