"""Typed findings: the cube of numbers, contrasts between spaces, winners, verdicts and conclusions.

Comparisons and studies compute these once; pages, tables and plots render them.
"""

from hiergeo.evaluation.findings.conclusions import (
    Conclusion,
    conclude_comparison,
    conclude_study,
    listing,
    order_beyond_length,
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
from hiergeo.evaluation.findings.controls import Control, Reached, strongest_control
from hiergeo.evaluation.findings.cube import COLUMNS, Cube, Entry, Score
from hiergeo.evaluation.findings.overview import Caution, Findings, flat_spaces, small_samples
from hiergeo.evaluation.findings.verdicts import HeadFacts, HeadsVerdict, SpaceVerdict, describe_spaces

__all__ = [
    "ALPHA",
    "COLUMNS",
    "FLAT_BEND",
    "BeforeAfter",
    "Caution",
    "Conclusion",
    "Contrast",
    "Control",
    "Cube",
    "Entry",
    "Findings",
    "HeadFacts",
    "HeadsVerdict",
    "Reached",
    "Score",
    "SpaceFacts",
    "SpaceVerdict",
    "conclude_comparison",
    "conclude_study",
    "contrast_all",
    "describe_spaces",
    "flat_spaces",
    "identity",
    "listing",
    "order_beyond_length",
    "small_samples",
    "strongest_control",
    "study_cautions",
]
