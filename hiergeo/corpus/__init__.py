"""Embedding a billion texts or images: any number of workers, resumable, straight into an index."""

from hiergeo.corpus.conduct import Options, embed
from hiergeo.corpus.report import Estimate, Summary

__all__ = ["Estimate", "Options", "Summary", "embed"]
