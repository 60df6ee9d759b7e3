"""Exchange with other tools: files of embeddings, models of mteb, results for CLIP_benchmark, cards, heads on hubs."""

from hiergeo.datasets.vectors import EmbeddingSpace, read_vectors, write_vectors
from hiergeo.report.interop.audit_card import read_card, write_audit_card
from hiergeo.report.interop.cards import head_card, write_card
from hiergeo.report.interop.clip_benchmark import to_clip_benchmark
from hiergeo.report.interop.heads import push_to_hub
from hiergeo.report.interop.mteb import to_mteb

__all__ = [
    "EmbeddingSpace",
    "push_to_hub",
    "read_vectors",
    "to_clip_benchmark",
    "to_mteb",
    "write_audit_card",
    "write_card",
    "write_vectors",
]
