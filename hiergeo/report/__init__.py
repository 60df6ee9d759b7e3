"""Results for people: tables for the terminal, text formats, and self-contained pages."""

from hiergeo.report.assets import design
from hiergeo.report.audits import length_records, write_audit
from hiergeo.report.leaderboard import write_leaderboard
from hiergeo.report.page import write_page
from hiergeo.report.terminal import tables

__all__ = [
    "design",
    "write_audit",
    "write_page",
]
