"""Typed findings: the cube of numbers, contrasts between spaces, winners, verdicts and conclusions.

Comparisons and studies compute these once; pages, tables and plots render them.
"""

from hiergeo.evaluation.findings.conclusions import (
    Conclusion,
    conclude_comparison,
    conclude_study,
    listing,
    study_cautions,
)
from hiergeo.evaluation.findings.contrasts import (
    ALPHA,
    FLAT_BEND,
    BeforeAfter,
    Contrast,
    SpaceFacts,
    contrast_all,
    identity,
)
from hiergeo.evaluation.findings.cube import COLUMNS, Cube, Entry, Score
from hiergeo.evaluation.findings.overview import Caution, Findings, flat_spaces, small_samples
from hiergeo.evaluation.findings.verdicts import HeadFacts, HeadsVerdict

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
    "conclude_comparison",
    "conclude_study",
    "contrast_all",
    "flat_spaces",
    "identity",
    "listing",
    "small_samples",
    "study_cautions",
]
