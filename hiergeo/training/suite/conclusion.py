"""What a suite found, in one sentence: which row leads."""

from collections import Counter
from typing import TYPE_CHECKING

from hiergeo._core.text import caption
from hiergeo.evaluation.findings import Conclusion

if TYPE_CHECKING:
    from hiergeo.training.suite.leaderboard import Leaderboard


def conclude_suite(table: "Leaderboard") -> Conclusion:
    """Which row is ahead of every other one in the first metric of most benchmarks."""
    boards = [board for board in table.boards if board.measured and board.task is not None]
    if not boards:
        return Conclusion("Nothing has been measured yet.")
    led = Counter(
        row for board in boards for row in board.measured if board.task and board.is_best(row, board.task.primary)
    )
    several = len(boards) > 1
    of = f"{len(boards)} benchmarks" if several else f"the benchmark {caption(boards[0].name)}"
    if not led:
        return Conclusion(f"No row is ahead of every other one on {'any of ' if several else ''}{of}.")
    row, count = led.most_common(1)[0]
    return Conclusion(f"{caption(str(row))} is ahead of every other row on {f'{count} of ' if several else ''}{of}.")
