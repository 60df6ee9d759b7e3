"""The public kit for authors of plug-ins: a conformance suite of each kind, an oracle, and planted worlds."""

from hiergeo.testing import oracle, planted
from hiergeo.testing.benchmark_suite import BenchmarkConformance
from hiergeo.testing.construction_suites import BackendConformance, JudgeConformance
from hiergeo.testing.dataset_suite import DatasetConformance
from hiergeo.testing.geometry_suite import GeometryConformance
from hiergeo.testing.loss_suite import LossConformance
from hiergeo.testing.model_suites import AdapterConformance, TowerConformance
from hiergeo.testing.protocol_suites import MetricConformance, ProtocolConformance

__all__ = [
    "AdapterConformance",
    "BackendConformance",
    "BenchmarkConformance",
    "DatasetConformance",
    "GeometryConformance",
    "JudgeConformance",
    "LossConformance",
    "MetricConformance",
    "ProtocolConformance",
    "TowerConformance",
    "oracle",
    "planted",
]
