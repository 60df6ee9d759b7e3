"""Results for people: tables for the terminal, text formats, and self-contained pages."""

from hiergeo.report.assets import design
from hiergeo.report.page import write_audit, write_leaderboard, write_page
from hiergeo.report.terminal import tables

__all__ = [
    "design",
    "write_audit",
    "write_page",
]
