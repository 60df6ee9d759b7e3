"""Taxonomies of corpora: generalisations of every item of an index, their confidence, levels, exports and judgement."""

from hiergeo.search.taxonomy.exports import FORMATS, export
from hiergeo.search.taxonomy.growing import Taxonomy, TreeSettings, grow
from hiergeo.search.taxonomy.judging import Judgement, Truth, judge, truth_of_synsets, wordnet_truth
from hiergeo.search.taxonomy.levels import Levels, cut

__all__ = ["TreeSettings", "cut", "export", "grow"]
