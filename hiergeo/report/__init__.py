"""Results for people: tables for the terminal, and self-contained pages."""

from hiergeo.report.page import write_page
from hiergeo.report.plain import FORMATS, as_csv, as_markdown, check_format
from hiergeo.report.study import write_study
from hiergeo.report.study_table import study_tables
from hiergeo.report.table import comparison_table, comparison_tables, result_table

__all__ = [
    "FORMATS",
    "as_csv",
    "as_markdown",
    "check_format",
    "comparison_table",
    "comparison_tables",
    "result_table",
    "study_tables",
    "write_page",
    "write_study",
]
