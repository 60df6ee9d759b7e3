"""Taxonomies of corpora: generalisations of every item of an index, their confidence, exports and judgement."""

from hiergeo.taxonomy.exports import FORMATS, export
from hiergeo.taxonomy.growing import Taxonomy, TreeSettings, grow
from hiergeo.taxonomy.judging import Judgement, Truth, judge, known_truth, wordnet_truth

__all__ = [
    "FORMATS",
    "Judgement",
    "Taxonomy",
    "TreeSettings",
    "Truth",
    "export",
    "grow",
    "judge",
    "known_truth",
    "wordnet_truth",
]
