"""Every number comes through `Space`: what stands above it builds no pairs, and stores none but by exception."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import hiergeo
from hiergeo.evaluation import View, embed
from hiergeo.evaluation.protocols import protocol_named
from hiergeo.pairwise.resolver import resolve

PACKAGE = Path(hiergeo.__file__).parent
ENGINE = {"geometry", "pairwise"}

STORED = {"pairwise_distance", "pairwise_margin", "pairwise_exterior_angle", "cdist"}
"""Calls that return a number for every pair."""

STORES = {
    "losses": "the contrastive loss is a cross-entropy over all pairs of a batch",
    "training/free.py": "the distances of all nodes of a graph are what is asked for",
    "testing": "the conformance suite compares the operators with one another",
    "evaluation/auditing/operating.py": "blocks of 256 children, with the captions of radii around theirs",
    "evaluation/classifying/methods.py": "blocks of items with all labels, whose softmax is the result",
    "report/interop/mteb.py": "the scores of all pairs of two sets are what mteb asks for",
    "search/background.py": "all pairs of at most 1,024 items, whose distribution is the result",
    "search/taxonomy/levels.py": "all pairs of at most 4,096 items, of which a linkage is made",
    "search/taxonomy/linking.py": "bounded blocks: children with the items of radii around theirs, and random pairs",
}
"""Where a matrix of pairs is the result itself, or a block of it."""

SYSTEM = ("cli/info.py",)
"""What says which kernels run."""

RANKED = ("evaluation/metrics/ranking.py",)
"""What weighs a ranking by the kernels: scores of pairs, which have no space any more."""


def sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place.partition("/")[0] not in ENGINE:
            yield path, place


def called(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def test_nothing_above_the_engine_stores_pairs() -> None:
    found = {place for path, place in sources() if STORED & set(called(path))}
    unexplained = {place for place in found if not any(place.startswith(where) for where in STORES)}
    assert not unexplained


@pytest.mark.slow
def test_nothing_above_the_engine_calls_its_operators() -> None:
    for path, place in sources():
        text = path.read_text()
        if place not in (*SYSTEM, "__init__.py", *RANKED) and not place.startswith("testing/"):
            assert "ops.hiergeo" not in text, place
            imported = {
                alias.name
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
                if f"{node.module}.{alias.name}".startswith("hiergeo.pairwise")
            }
            assert not imported, f"{place} imports {imported}"


class Largest(TorchDispatchMode):
    """The size of the largest tensor that any operator returns outside a search, whose reference works in tiles."""

    largest = 0
    searching = False

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor) and not self.searching:
                self.largest = max(self.largest, each.numel())
        return result


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "product:lorentz:-1x32,euclidean:x32"])
@pytest.mark.parametrize(("protocol", "operators"), [("re", ["nearest_ladder"]), ("traversal", ["smallest"] * 2)])
def test_a_protocol_is_one_call_for_each_search(
    monkeypatch: pytest.MonkeyPatch, spec: str, protocol: str, operators: list[str]
) -> None:
    """Its baseline by length is one for each number of words that captions have.

    The largest tensor is an array of embeddings, not of pairs: there are more captions than dimensions."""
    model, data = hiergeo.adapters.load("tiny"), hiergeo.datasets.load("scenes", count=200)
    embedded = embed(model, data)
    space = hiergeo.Space(spec).rooted(embedded.root)
    calls: list[str] = []
    backend, seen = resolve(torch.device("cpu")), Largest()

    def counted(name: str) -> Callable[..., object]:
        search = getattr(backend, name)

        def call(*operands: object) -> object:
            calls.append(name)
            seen.searching = True
            result = search(*operands)
            seen.searching = False
            return result

        return call

    for name in ("nearest_ladder", "smallest"):
        monkeypatch.setattr(backend, name, counted(name))
    with torch.no_grad(), seen:
        protocol_named(protocol).run(View(embedded, space), 10, False)
    lengths = {len(text.split()) for text in embedded.texts}
    assert calls == [*operators, *["smallest"] * len(lengths)]
    assert embedded.image is not None
    images, (texts, dim) = len(embedded.image), embedded.text.shape
    assert texts > dim
    assert seen.largest <= max(images * 10, texts) * dim < images * 10 * texts
