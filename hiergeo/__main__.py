"""``python -m hiergeo``: the command line, for launchers that start modules, such as torchrun."""

from hiergeo.cli import main

main()
