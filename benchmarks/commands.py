"""What a ``hiergeo`` command costs in a process of its own: seconds by the clock and on the processor, and memory.

The peak is the high-water mark that the process reads of itself before it ends. What the system reports of a process
that has ended would include this one, from which it was started.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from hiergeo import cli
told = Path(sys.argv.pop(1))
try:
    cli.main()
finally:
    told.write_text(Path("/proc/self/status").read_text())
"""


@dataclass(frozen=True)
class Spent:
    """What a command took.

    Attributes:
        code: its exit code.
        seconds: by the clock.
        processor_seconds: on the processor.
        peak: bytes of the resident set at its highest; 0 where the process told nothing.
        printed: what it printed.
    """

    code: int
    seconds: float
    processor_seconds: float
    peak: int
    printed: str


def spend(
    words: Sequence[str], settings: Mapping[str, str] | None = None, limit: int = resource.RLIM_INFINITY
) -> Spent:
    """Run ``hiergeo`` with these arguments, variables of the environment and a limit on its address space in bytes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out:
        told, began = Path(folder) / "status", time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(told), *words],
            env={**os.environ, **(settings or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        _, status, used = os.wait4(child.pid, 0)
        seconds, child.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        out.seek(0)
        peak = re.search(r"VmHWM:\s*(\d+) kB", told.read_text() if told.exists() else "")
        return Spent(
            child.returncode,
            seconds,
            used.ru_utime + used.ru_stime,
            1024 * int(peak[1]) if peak else 0,
            out.read().decode(),
        )
