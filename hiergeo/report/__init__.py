"""Results for people: tables for the terminal, text formats, and self-contained pages."""

from hiergeo.report.assets import design
from hiergeo.report.audits import audit_tables, write_audit
from hiergeo.report.formats import FORMATS, as_csv, as_json, as_latex, as_markdown, check_format, formatted
from hiergeo.report.leaderboard import write_leaderboard
from hiergeo.report.length import length_table
from hiergeo.report.page import write_page, write_study
from hiergeo.report.tables import comparison_table, comparison_tables, result_table, study_tables

__all__ = [
    "FORMATS",
    "as_csv",
    "as_json",
    "as_latex",
    "as_markdown",
    "audit_tables",
    "check_format",
    "comparison_table",
    "comparison_tables",
    "design",
    "formatted",
    "length_table",
    "result_table",
    "study_tables",
    "write_audit",
    "write_leaderboard",
    "write_page",
    "write_study",
]
