"""Trees of labels, from files of many formats."""

from hiergeo.datasets.labels.label_tree import Entry, LabelTree
from hiergeo.datasets.labels.tree_files import TreeLike, load_tree
