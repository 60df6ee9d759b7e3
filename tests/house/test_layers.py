"""Who may import whom, and that importing hiergeo brings nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import hiergeo

PACKAGE = Path(hiergeo.__file__).parent
FLOORS: tuple[tuple[str, set[str]], ...] = (
    ("_core", set()),
    ("errors", {"_core"}),
    ("pairwise", {"_core"}),
    ("geometry", {"pairwise"}),
    ("losses", {"geometry"}),
    ("datasets", {"geometry"}),
    ("adapters", {"datasets"}),
    ("evaluation", {"losses", "adapters"}),
    ("training", {"evaluation"}),
    ("search", {"evaluation"}),
    ("construction", {"search"}),
    ("report", {"training", "construction"}),
    ("testing", {"report"}),
    ("cli", {"testing"}),
    ("__main__", {"cli"}),
)
"""From the ground up every room and the rooms that it stands on, whose own floors it may import too."""

ALLOWED: dict[str, set[str]] = {}
for room, beneath in FLOORS:
    ALLOWED[room] = beneath.union(*(ALLOWED[below] for below in beneath))

INSIDES_OF_PAIRWISE = {
    f"hiergeo.pairwise{inside}" for inside in ("", ".checks", ".laws", ".rows", ".weighing", ".widening")
}
"""What others may see: public functions, laws, the row-wise one, refusals, rankings, embeddings in a wider dtype."""

HEAVY = (
    "PIL",
    "accelerate",
    "faiss",
    "fastapi",
    "ftfy",
    "geoopt",
    "huggingface_hub",
    "jinja2",
    "matplotlib",
    "mteb",
    "open_clip",
    "openai",
    "pandas",
    "peft",
    "prometheus_client",
    "pyarrow",
    "pymilvus",
    "ray",
    "regex",
    "rich",
    "safetensors",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "starlette",
    "timm",
    "tokenizers",
    "torchvision",
    "transformers",
    "typer",
    "uvicorn",
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, at_module_level: bool = False) -> Iterator[str]:
    """Dotted names of the modules that a file imports; `from hiergeo import x` is hiergeo.x where that is a module."""
    tree = ast.parse(path.read_text())
    for node in module_level(tree) if at_module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if is_module(whole) else str(node.module)


def module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.If | ast.Try) and not guarded:
            yield from (child for child in ast.walk(node) if isinstance(child, ast.stmt))
        else:
            yield node


def is_module(dotted: str) -> bool:
    target = PACKAGE.parent.joinpath(*dotted.split("."))
    files = (target.with_suffix(".py"), target.with_suffix(".pyi"), target / "__init__.py")
    return dotted.startswith("hiergeo") and any(file.exists() for file in files)


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_layers(path: Path) -> None:
    own = part(path)
    if own == "__init__":
        return
    for module in imports(path):
        if module.startswith("hiergeo."):
            other = module.split(".")[1]
            assert other == own or other in ALLOWED[own], f"{own} must not import {module}"
        assert module != "hiergeo" or own == "cli", f"{own} must name the module it imports from"


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for type checkers included; a package is its `__init__`."""
    names = {".".join(path.with_suffix("").relative_to(PACKAGE.parent).parts): path for path in modules()}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph = {name: {found for found in imports(path) if found in names} - {name} for name, path in names.items()}
    for name in names:  # an import of a submodule runs the packages around it, which is no circle of its own
        graph[name] -= {other for other in graph[name] if name.startswith(f"{other}.")}
    assert list(TopologicalSorter(graph).static_order())


def test_geometry_and_pairwise_know_nothing_of_each_others_insides() -> None:
    for path in modules():
        if part(path) != "pairwise":
            inside = {module for module in imports(path) if module.startswith("hiergeo.pairwise")}
            assert inside <= INSIDES_OF_PAIRWISE, f"{path.name} reaches into pairwise: {inside - INSIDES_OF_PAIRWISE}"


def test_the_charts_know_nothing_of_spaces() -> None:
    inside = {module for module in imports(PACKAGE / "geometry" / "charts.py") if module.startswith("hiergeo.geometry")}
    assert inside == {"hiergeo.geometry.base"}


@pytest.mark.slow
def test_native_code_has_one_door() -> None:
    assert {path.name for path in modules() if "hiergeo.pairwise.native" in imports(path)} == {"resolver.py"}


@pytest.mark.slow
def test_nothing_heavy_at_module_level() -> None:
    """But in the rooms that are about it, which others import where they use them."""
    allowed = {
        "cli": {"rich", "typer"},
        "prolip": {"open_clip"},
        "recipe": {"open_clip", "typer"},
        "report": {"rich"},
        "serving": {"fastapi", "starlette", "uvicorn"},
    }
    for path in modules():
        found = {m.split(".")[0] for m in imports(path, at_module_level=True)} & set(HEAVY)
        about = set().union(*(allowed.get(name, set()) for name in (path.stem, path.parent.name)))
        assert found <= about, f"{path.relative_to(PACKAGE)} imports {found}"


ROOMS_OF_INDEXES = ("hiergeo.construction", "hiergeo.search")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        pytest.param("hiergeo.testing", HEAVY, marks=pytest.mark.slow),
        pytest.param("hiergeo.report", ROOMS_OF_INDEXES, marks=pytest.mark.slow),
        ("hiergeo", ("torch", "numpy", *HEAVY)),
        ("hiergeo.cli", HEAVY),
        ("hiergeo.cli.app", ("torch", "numpy")),
    ],
)
def test_import_is_light(module: str, absent: tuple[str, ...]) -> None:
    """The overview, the version and the completion of the command line wait for no torch, a table for no index."""
    code = f"import sys, {module}; print(*(name for name in {absent!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


MOST_NAMES = 180


def test_every_name_that_is_offered_exists_and_they_are_few() -> None:
    offered = {}
    for path in PACKAGE.rglob("*.py"):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                room = ".".join(path.with_suffix("").relative_to(PACKAGE.parent).parts).removesuffix(".__init__")
                offered[room] = ast.literal_eval(statement.value)
    assert not [
        (room, name) for room, names in offered.items() for name in names if not hasattr(import_module(room), name)
    ]
    assert all(len(names) == len(set(names)) for names in offered.values())
    assert sum(map(len, offered.values())) <= MOST_NAMES
