"""Ports for processes that have to be told theirs before they start."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that the system gives to nobody else within the block, and that a server can listen at.

    The socket that holds it is bound and does not listen, and may share its address (SO_REUSEADDR), as servers do;
    connections are refused until one of them listens.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        yield holder.getsockname()[1]
