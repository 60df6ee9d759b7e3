"""Audits: whether the geometry does the work that a claim of hierarchy says it does. `hiergeo.audit` makes one."""

from hiergeo.auditing.assess import AuditSettings, audit
from hiergeo.auditing.attribution import PRIMARY
from hiergeo.auditing.confounds import LengthFacts, LengthSettings, length_controls
from hiergeo.auditing.depth import Depth, radial_depth
from hiergeo.auditing.record import Audit, Controlled
from hiergeo.auditing.verdicts import AuditVerdict, Finding

__all__ = [
    "PRIMARY",
    "Audit",
    "AuditSettings",
    "AuditVerdict",
    "Controlled",
    "Depth",
    "Finding",
    "LengthFacts",
    "LengthSettings",
    "audit",
    "length_controls",
    "radial_depth",
]
