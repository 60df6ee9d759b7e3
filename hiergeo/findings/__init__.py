"""Typed findings: the cube of numbers, contrasts between spaces, winners, verdicts and conclusions.

Comparisons and studies compute these once; pages, tables and plots render them.
"""

from hiergeo.findings.conclusions import (
    Conclusion,
    Standing,
    conclude_comparison,
    conclude_study,
    listing,
    order_beyond_length,
    standings,
    study_cautions,
)
from hiergeo.findings.contrasts import ALPHA, FLAT_BEND, BeforeAfter, Contrast, SpaceFacts, contrast_all, identity
from hiergeo.findings.cube import COLUMNS, Cube, Entry, Score
from hiergeo.findings.overview import Caution, Findings, flat_spaces, small_samples
from hiergeo.findings.verdicts import HeadFacts, HeadsVerdict, SpaceVerdict

__all__ = [
    "ALPHA",
    "COLUMNS",
    "FLAT_BEND",
    "BeforeAfter",
    "Caution",
    "Conclusion",
    "Contrast",
    "Cube",
    "Entry",
    "Findings",
    "HeadFacts",
    "HeadsVerdict",
    "Score",
    "SpaceFacts",
    "SpaceVerdict",
    "Standing",
    "conclude_comparison",
    "conclude_study",
    "contrast_all",
    "flat_spaces",
    "identity",
    "listing",
    "order_beyond_length",
    "small_samples",
    "standings",
    "study_cautions",
]
