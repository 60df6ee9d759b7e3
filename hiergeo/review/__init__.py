"""Checking chains by hand: a page that shows one at a time, decisions that are kept at once, and what was accepted."""

from hiergeo.review.app import create_review
from hiergeo.review.decisions import Decision, Journal
from hiergeo.review.desk import Desk, open_desk
from hiergeo.review.export import Reviewed, export

__all__ = ["Decision", "Desk", "Journal", "Reviewed", "create_review", "export", "open_desk"]
