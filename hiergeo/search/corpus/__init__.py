"""Embedding a billion texts or images: any number of workers, resumable, straight into an index."""

from hiergeo.search.corpus.embedding_run import Options, embed
from hiergeo.search.corpus.report import Summary

__all__ = [
    "Options",
    "embed",
]
