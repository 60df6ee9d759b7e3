"""The command line: one file a verb, errors of one sentence, exit codes 0 and 2, and 1 for a check that failed."""

import sys
import warnings
from typing import Any, NoReturn

INTERRUPTED = 130
"""What the command-line library exits with after Ctrl-C; 1 is a reader that closed the pipe, and needs no words."""


def main() -> None:
    """Run the ``hiergeo`` command and exit.

    0 on success, 1 where a check found something wrong, 2 when the user has to change something.
    """
    from hiergeo.cli._io import WrongResults
    from hiergeo.errors import HiergeoError

    warnings.showwarning = _show_warning
    try:
        from hiergeo.cli.app import app

        app()
    except HiergeoError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted.")
    except WrongResults:
        raise
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _fail("interrupted.")
        sys.exit(2 if stop.code else 0)


def _fail(sentence: str) -> NoReturn:
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"Warning: {message}", file=sys.stderr)
