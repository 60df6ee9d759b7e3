"""What the quick tests reach, room by room: ``python -m tests.tools.coverage_by_room FILE``, or ``make coverage``."""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from coverage import Coverage

LEAST = 15
COUNTS = {
    "statements": "num_statements",
    "lines": "covered_lines",
    "branches": "num_branches",
    "taken": "covered_branches",
}


def main(file: str) -> None:
    """Print shares of lines and branches by room, and the modules of which least is reached."""
    modules = {Path(name): counted["summary"] for name, counted in _report(file)["files"].items()}
    rooms: dict[str, Counter[str]] = {}
    for path, counts in modules.items():
        room = path.parts[1] if len(path.parts) > 2 else "(loose modules)"
        for name in (room, "all"):
            rooms.setdefault(name, Counter()).update({kind: counts[key] for kind, key in COUNTS.items()})
    rooms["all"] = rooms.pop("all")
    print(f"{'room':18}{'statements':>12}{'lines':>8}{'branches':>10}{'taken':>8}")
    for room, counts in rooms.items():
        lines, taken = _share(counts["lines"], counts["statements"]), _share(counts["taken"], counts["branches"])
        print(f"{room:18}{counts['statements']:12}{lines:>8}{counts['branches']:10}{taken:>8}")
    print(f"\nthe {LEAST} modules of which least is reached, lines and branches together")
    for path, counts in sorted(modules.items(), key=lambda item: item[1]["percent_covered"])[:LEAST]:
        print(f"{counts['percent_covered']:7.1f} %  {counts['num_statements']:5} statements  {path}")


def _report(file: str) -> dict:
    measured = Coverage(data_file=file, branch=True)
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(path))
        return json.loads(path.read_text(encoding="utf-8"))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


if __name__ == "__main__":
    main(*sys.argv[1:])
