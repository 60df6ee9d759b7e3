"""The package uses the public interface of torch: private names change without notice.

Each exception has a fallback and is used when it is called, not when the package is imported.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "hiergeo"

ALLOWED = {
    "geometry/points.py": {"_version"},
    "pairwise/native.py": {"_C", "_dispatch_key_for_device", "_dispatch_has_kernel_for_dispatch_key"},
    "training/processes.py": {"_set_pg_timeout"},
}
"""The counter of writes to a tensor, whether the dispatcher has a kernel for a device, how long processes wait."""

SOURCES = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(trees: list[ast.Module]) -> set[str]:
    """Private names that the package itself defines: functions, classes, modules, variables and attributes."""
    names = {part for source in SOURCES for part in Path(source).with_suffix("").parts}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return {name for name in names if is_private(name)}


TREES = {source: ast.parse(text) for source, text in SOURCES.items()}
OWN = own_names(list(TREES.values()))
NOT_TORCH = {"_asdict", "_fields", "_replace", "_make", "_reset_state"}
"""Names of the standard library that are public, and one of accelerate."""


def from_torch(tree: ast.Module) -> set[str]:
    """Names that stand for torch, its modules or its objects in a module."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                (alias.asname or alias.name).partition(".")[0] for alias in node.names if alias.name[:5] == "torch"
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def private_names(tree: ast.Module) -> Iterator[str]:
    """Private names of torch that a module imports or reads from torch or from an object that is not its own."""
    torch = from_torch(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            yield from filter(is_private, [*(node.module or "").split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                yield from filter(is_private, parts if parts[0] == "torch" else ())
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in NOT_TORCH:
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            of_torch = isinstance(root, ast.Name) and root.id in torch
            if of_torch or node.attr not in OWN:
                yield node.attr


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_no_module_uses_private_names_of_torch(source: str) -> None:
    if "torch" in SOURCES[source] or source in ALLOWED:
        assert set(private_names(TREES[source])) == ALLOWED.get(source, set())
