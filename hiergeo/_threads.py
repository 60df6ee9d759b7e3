"""Threads in forked children: a child has the locks of its parent's thread pool, but not the threads."""

import os

import torch


def compute_alone_in_children() -> None:
    """Let torch compute on one thread in children that are forked from now on, as its own data loaders do.

    Otherwise the first large operation of a child waits for ever, where its parent had used several threads.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_alone)


def _alone() -> None:
    torch.set_num_threads(1)
