"""Results for people: tables for the terminal, and one self-contained page."""

from hiergeo.report.page import write_page
from hiergeo.report.study import write_study
from hiergeo.report.table import comparison_table, result_table

__all__ = ["comparison_table", "result_table", "write_page", "write_study"]
