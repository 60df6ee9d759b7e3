"""Taxonomies of corpora: generalisations of every item of an index, their confidence, levels and exports."""

from hiergeo.search.taxonomy.exports import FORMATS, export
from hiergeo.search.taxonomy.growing import Taxonomy, TreeSettings, grow
from hiergeo.search.taxonomy.levels import Levels, cut

__all__ = ["TreeSettings", "cut", "export", "grow"]
