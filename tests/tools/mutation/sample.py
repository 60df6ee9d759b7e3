"""A fixed sample of mutants of the package, the same number in every room."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_item import MutationSpec

ROOMS = {
    "evaluation": "evaluation",
    "experiment": "evaluation/experiment",
    "auditing": "evaluation/auditing",
    "metrics": "evaluation/metrics",
    "geometry": "geometry",
    "losses": "losses",
    "search": "search",
    "storage": "_core/storage",
    "serving": "search/serving",
    "construction": "construction",
    "cli": "cli",
}
"""Where each room is."""

APART = {*ROOMS.values(), "construction/language", "evaluation/benchmarks", "search/corpus", "search/taxonomy"}
"""Rooms inside others, which do not count as theirs."""

KINDS = {
    "comparison": [
        f"ReplaceComparisonOperator_{swap}"
        for swap in (
            "Lt_LtE",
            "LtE_Lt",
            "Gt_GtE",
            "GtE_Gt",
            "Lt_GtE",
            "Gt_LtE",
            "Eq_NotEq",
            "NotEq_Eq",
            "Is_IsNot",
            "IsNot_Is",
        )
    ],
    "arithmetic": [
        *(f"ReplaceBinaryOperator_{swap}" for swap in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul")),
        *("ReplaceBinaryOperator_Mod_Mul", "ReplaceBinaryOperator_Pow_Mul", "ReplaceUnaryOperator_Delete_USub"),
    ],
    "logic": [
        *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
        *("AddNot", "ReplaceUnaryOperator_Delete_Not", "ReplaceBinaryOperator_BitAnd_BitOr"),
    ],
    "number": ["NumberReplacer"],
    "control": ["ExceptionReplacer", "ZeroIterationForLoop", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak"],
}
"""Operators of Cosmic Ray that resemble a mistake of a programmer."""


EXPRESSIONS = ("term", "arith_expr", "power", "and_expr")
"""Where the grammar has operators; elsewhere a star, say, is one of a signature."""


@dataclass(frozen=True)
class Mutant:
    """One mutation and what identifies it while other code changes."""

    room: str
    spec: MutationSpec
    text: str
    """The line of source."""
    number: int
    """Among mutants of the same definition, operator and line."""

    @property
    def operator(self) -> str:
        return self.spec.operator_name.removeprefix("core/")

    @property
    def line(self) -> tuple[Path, int]:
        return self.spec.module_path, self.spec.start_pos[0]

    @property
    def key(self) -> str:
        """Names its place inside its room, so that a room may move."""
        place = f"hiergeo/{self.room}/{self.spec.module_path.relative_to(Path('hiergeo', ROOMS[self.room])).as_posix()}"
        definition = self.spec.definition_name or "<module>"
        return f"{place}:{definition}:{self.operator}:{self.number}: {self.text}"

    @property
    def priority(self) -> bytes:
        """Pseudo-random and a function of the key alone: a changed line changes no other choice."""
        return hashlib.sha256(self.key.encode()).digest()


def sample(root: Path, count: int) -> list[Mutant]:
    """``count`` mutants of the package below ``root``: rooms in equal shares, kinds in turn, at most one a line."""
    chosen: list[Mutant] = []
    for index, (room, folder) in enumerate(ROOMS.items()):
        share = count // len(ROOMS) + (index < count % len(ROOMS))
        apart = [root / "hiergeo" / other for other in APART if other.startswith(f"{folder}/")]
        paths = [p for p in sorted((root / "hiergeo" / folder).rglob("*.py")) if not any(map(p.is_relative_to, apart))]
        chosen += islice(_in_turn([mutant for path in paths for mutant in mutants(path, room, root)], root), share)
    return chosen


def _in_turn(all_of_room: list[Mutant], root: Path) -> Iterator[Mutant]:
    queues = [
        iter(sorted((mutant for mutant in all_of_room if mutant.operator in names), key=lambda mutant: mutant.priority))
        for names in KINDS.values()
    ]
    taken: set[tuple[Path, int]] = set()
    while queues:
        for queue in tuple(queues):
            mutant = next((m for m in queue if m.line not in taken and _compiles(m, root)), None)
            if mutant is None:
                queues.remove(queue)
            else:
                taken.add(mutant.line)
                yield mutant


def _compiles(mutant: Mutant, root: Path) -> bool:
    source = (root / mutant.spec.module_path).read_text(encoding="utf-8")
    operator = plugins.get_operator(mutant.spec.operator_name)()
    try:
        compile(mutate_code(source, operator, mutant.spec.occurrence), "mutant", "exec")
    except SyntaxError:
        return False
    return True


def mutants(path: Path, room: str, root: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    operators = [(f"core/{name}", plugins.get_operator(f"core/{name}")()) for kind in KINDS.values() for name in kind]
    occurrences: Counter[str] = Counter()
    numbers: Counter[tuple[str | None, str, str]] = Counter()
    for node in ast_nodes(get_ast(source)):
        for name, operator in operators:
            for start, end in operator.mutation_positions(node):
                definition = ASTQuery(node).get_definition_name()
                spec = MutationSpec(
                    module_path=path.relative_to(root),
                    operator_name=name,
                    occurrence=occurrences[name],
                    start_pos=start,
                    end_pos=end,
                    definition_name=definition,
                )
                text = lines[start[0] - 1].strip()
                if "BinaryOperator" not in name or node.parent.type in EXPRESSIONS:
                    yield Mutant(room, spec, text, numbers[definition, name, text])
                occurrences[name] += 1
                numbers[definition, name, text] += 1
