"""Which worker of how many this process is: said on the command line, or by Slurm, torchrun or Kubernetes."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hiergeo._core.errors import InputError
from hiergeo._core.limits import COUNT

AUTO = "auto"

VARIABLES = (
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("RANK", "WORLD_SIZE"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)
"""Environment variables of the number of a worker, from 0, and of how many there are: of Slurm, torchrun and Kubernetes
(which sets the first alone; the second must be set in the specification of the job)."""


@dataclass(frozen=True)
class Share:
    """Every n-th input.

    Attributes:
        number: of the worker, from 0.
        total: how many workers there are.
    """

    number: int = 0
    total: int = 1

    def of(self, inputs: int) -> range:
        """The numbers of its inputs among so many."""
        return range(self.number, inputs, self.total)

    def __str__(self) -> str:
        return f"{self.number}-of-{self.total}"

    @classmethod
    def parse(cls, text: str | None, environment: Mapping[str, str] = os.environ) -> "Share":
        """A share as the command line writes it.

        Args:
            text: ``I/N``, where I counts from 0 or from 1 (N/N is 0/N); ``auto`` for the variables of a launcher;
                ``auto/N`` where it says the number alone. None is the only worker.
            environment: the variables.

        Raises:
            InputError: it is not a share, or no launcher says which one.
        """
        if text is None:
            return cls()
        if text == AUTO or text.startswith(f"{AUTO}/"):
            return cls._of_launcher(text.partition("/")[2], environment)
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not found:
            raise InputError(f"a worker is written I/N, such as 0/8, or {AUTO}, not '{text}'.")
        return cls._checked(int(found[1]), int(found[2]), text)

    @classmethod
    def _of_launcher(cls, total: str, environment: Mapping[str, str]) -> "Share":
        for number, count in VARIABLES:
            if number in environment and (total or count in environment):
                text = f"{environment[number]}/{total or environment[count]}"
                return cls.parse(text)
        names = ", ".join("/".join(pair) for pair in VARIABLES)
        raise InputError(f"--worker {AUTO} finds none of {names}: start it by a launcher, or write I/N.")

    @classmethod
    def _checked(cls, number: int, total: int, text: str) -> "Share":
        if not 1 <= total <= COUNT or number > total:
            raise InputError(f"worker '{text}' cannot be: of N workers I is from 0 to N - 1, or from 1 to N.")
        return cls(number % total, total)
