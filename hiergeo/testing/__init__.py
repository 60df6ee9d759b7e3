"""The public kit for authors of plug-ins: a conformance suite of each kind, an oracle, and planted worlds."""

from hiergeo.testing import oracle, planted
from hiergeo.testing.dataset_suite import DatasetConformance
from hiergeo.testing.geometry_suite import GeometryConformance
from hiergeo.testing.law_suite import LawConformance
from hiergeo.testing.loss_suite import LossConformance
from hiergeo.testing.model_suite import AdapterConformance
from hiergeo.testing.protocol_suite import ProtocolConformance

__all__ = [
    "AdapterConformance",
    "DatasetConformance",
    "GeometryConformance",
    "LawConformance",
    "LossConformance",
    "ProtocolConformance",
    "oracle",
    "planted",
]
