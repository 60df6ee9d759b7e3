"""The public kit for authors of geometries: a conformance suite to inherit, an oracle, and hypothesis strategies.

`hiergeo.testing.strategies` needs hypothesis, which the extra ``hiergeo[test]`` brings; the rest does not.
"""

from hiergeo.testing import oracle
from hiergeo.testing.conformance import GeometryConformance

__all__ = ["GeometryConformance", "oracle"]
