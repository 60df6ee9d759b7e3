"""Exchange with other tools: results in the shape of CLIP_benchmark, model cards, and heads on the Hugging Face hub."""

from hiergeo.report.interop.audit_card import read_card, write_audit_card
from hiergeo.report.interop.cards import head_card, write_card
from hiergeo.report.interop.clip_benchmark import to_clip_benchmark
from hiergeo.report.interop.heads import push_to_hub

__all__ = [
    "push_to_hub",
    "to_clip_benchmark",
    "write_audit_card",
    "write_card",
]
