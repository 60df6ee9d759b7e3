"""What a suite found, in one sentence: what controls do better than every row, then which row leads."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hiergeo._core.text import caption
from hiergeo.evaluation.findings import Conclusion, Control, Reached, listing, strongest_control
from hiergeo.evaluation.findings.conclusions import Praise, sentence
from hiergeo.evaluation.findings.overview import NAMED

if TYPE_CHECKING:
    from hiergeo.training.suite.board import Board
    from hiergeo.training.suite.leaderboard import Leaderboard


def conclude_suite(table: "Leaderboard") -> Conclusion:
    """The strongest control of each benchmark in its first metric, and who leads where none is ahead of every row."""
    boards = [board for board in table.boards if board.measured and board.task is not None]
    if not boards:
        return Conclusion("Nothing has been measured yet.")
    found = {board.name: control for board in boards if (control := control_of(board)) is not None}
    ahead = {name: control for name, control in found.items() if control.standing == "better"}
    clauses = (*_ahead(ahead, len(boards)), *_leader([board for board in boards if board.name not in ahead]))
    others = (control for name, control in found.items() if name not in ahead)
    return Conclusion(sentence(clauses), controls=(*ahead.values(), *others))


def control_of(board: "Board") -> Control | None:
    """The strongest control of the first metric of a benchmark, beside its rows; None without one."""
    assert board.task is not None
    metric = board.task.primary
    reached = []
    for row, cell in board.measured.items():
        value, interval = board.value(row, metric), board.interval(row, metric)
        if value is not None and interval is not None:
            known = {name: each for name, each in cell.baselines.get(metric, {}).items() if each is not None}
            reached.append(Reached(str(row), value, interval, known))
    return strongest_control(metric, reached)


def _ahead(ahead: dict[str, Control], count: int) -> Iterator[str]:
    by_noun: dict[str, list[str]] = {}
    for name, control in ahead.items():
        by_noun.setdefault(control.noun, []).append(f"{caption(name)} ({control.figures})")
    for noun, on in by_noun.items():
        where = listing(on) if len(on) <= NAMED else f"{len(on)} of {count} benchmarks"
        yield f"{noun} does better than every row on {where}"


def _leader(boards: "list[Board]") -> Iterator[str]:
    if not boards:
        return
    led = Counter(
        row for board in boards for row in board.measured if board.task and board.is_best(row, board.task.primary)
    )
    of = f"{len(boards)} benchmarks" if len(boards) > 1 else f"the benchmark {caption(boards[0].name)}"
    if not led:
        yield f"no row is ahead of every other one on {'any of ' if len(boards) > 1 else ''}{of}"
        return
    row, count = led.most_common(1)[0]
    on = f"{count} of {of}" if len(boards) > 1 else of
    yield Praise(f"{caption(str(row))} is ahead of every other row on {on}")
