"""The public kit for authors of plug-ins: a conformance suite of each kind to inherit, an oracle, and strategies.

`hiergeo.testing.strategies` needs hypothesis, which the extra ``hiergeo[test]`` brings; the rest does not.
"""

from hiergeo.testing import oracle
from hiergeo.testing.data import DatasetConformance
from hiergeo.testing.geometries import GeometryConformance
from hiergeo.testing.measures import LossConformance
from hiergeo.testing.models import AdapterConformance, TowerConformance

__all__ = [
    "AdapterConformance",
    "DatasetConformance",
    "GeometryConformance",
    "LossConformance",
    "TowerConformance",
    "oracle",
]
