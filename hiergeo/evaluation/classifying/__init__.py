"""Classification into trees of labels, with a promised error for the level at which an item stops."""

from hiergeo.datasets.labels.label_tree import LabelTree
from hiergeo.datasets.labels.tree_files import load_tree
from hiergeo.evaluation.classifying.classifier import Classifier, classify
from hiergeo.evaluation.classifying.placing import Classified
from hiergeo.evaluation.classifying.promise import Promise

__all__ = ["Classified", "Classifier", "LabelTree", "Promise", "load_tree"]
