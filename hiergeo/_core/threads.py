"""Threads in forked children: a child has the locks of its parent's thread pool, but not the threads."""

import os
import sys


def compute_alone_in_children() -> None:
    """Let torch compute on one thread in children that are forked from now on, as its own data loaders do.

    Otherwise the first large operation of a child waits for ever, where its parent had used several threads.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_alone)


def _alone() -> None:
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_threads is not None:  # torch is imported when something of hiergeo is used
        set_threads(1)
