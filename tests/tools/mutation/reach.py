"""Which tests reach a mutant, by the line contexts of coverage."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coverage import CoverageData

from tests.tools.mutation.sample import Mutant

BUDGET = 45.0
"""Seconds of processor time that the tests of one mutant may take."""

FILES = 8
"""Test files that one mutant meets: collecting more takes longer than running them."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The tests of a measured run: ``pytest --cov --cov-context=test --times FILE``."""

    root: Path
    data: CoverageData
    seconds: dict[str, float]

    @classmethod
    def read(cls, root: Path, coverage: Path, times: Path) -> "Reach":
        data = CoverageData(str(coverage))
        data.read()
        return cls(root, data, json.loads(times.read_text(encoding="utf-8")))

    def knows(self, tests: set[str]) -> bool:
        """Whether all of these tests are still there."""
        return tests <= self.seconds.keys()

    def tests(self, mutant: Mutant) -> list[str]:
        """Tests that run the mutated lines: in `FILES` files of its name, its room and with most of them.

        A line that runs at import alone belongs to every test that runs anything of its file.
        """
        contexts = self._contexts(mutant.spec.module_path)
        lines = range(mutant.spec.start_pos[0], mutant.spec.end_pos[0] + 1)
        reached = set[str]().union(*(contexts.get(line, ()) for line in lines))
        if not reached:
            earlier = [line for line in contexts if line < lines.start and contexts[line]]
            inside = mutant.spec.definition_name and earlier
            reached = contexts[max(earlier)] if inside else set[str]().union(*contexts.values())
        module = mutant.spec.module_path.stem.strip("_")
        known = reached & self.seconds.keys()
        in_file = Counter(test.partition("::")[0] for test in known)
        files = sorted(in_file, key=lambda file: (module not in file, mutant.room not in file, -in_file[file], file))[
            :FILES
        ]
        order = sorted(
            (test for test in known if test.partition("::")[0] in files),
            key=lambda test: (module not in test.partition("::")[0], self.seconds[test]),
        )
        spent, chosen = 0.0, []
        for test in order:
            spent += self.seconds[test] + 0.01
            if spent > BUDGET:
                break
            chosen.append(test)
        return chosen

    @cache  # noqa: B019 (one object a run)
    def _contexts(self, module: Path) -> dict[int, set[str]]:
        found = self.data.contexts_by_lineno(str(self.root / module))
        return {line: {name.rpartition("|")[0] for name in names if "|" in name} for line, names in found.items()}
