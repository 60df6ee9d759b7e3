"""Checking chains by hand: a page that shows one at a time, decisions that are kept at once, and what was accepted."""

from hiergeo.report.review.decisions import Decision, Journal
from hiergeo.report.review.desk import Desk, open_desk
from hiergeo.report.review.export import Reviewed, export
from hiergeo.report.review.review_app import create_review

__all__ = ["Decision", "Desk", "Journal", "Reviewed", "create_review", "export", "open_desk"]
