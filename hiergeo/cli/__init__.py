"""The command line: one file a verb, errors of one sentence, exit codes 0 and 2."""

import sys
import warnings
from typing import Any


def main() -> None:
    """Run the ``hiergeo`` command and exit: 0 on success, 2 when the user has to change something."""
    from hiergeo.cli.app import app
    from hiergeo.errors import HiergeoError

    warnings.showwarning = _show_warning
    try:
        app()
    except HiergeoError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        sys.exit(2 if stop.code else 0)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"Warning: {message}", file=sys.stderr)
