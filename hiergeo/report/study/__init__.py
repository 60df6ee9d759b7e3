"""The report of a study: one self-contained page."""

from hiergeo.report.study.page import write_study

__all__ = ["write_study"]
