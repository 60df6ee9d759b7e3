"""Audits: whether the geometry does the work that a claim of hierarchy says it does. `hiergeo.audit` makes one."""

from hiergeo.evaluation.auditing.assess import audit
from hiergeo.evaluation.auditing.record import Audit, AuditSettings

__all__ = [
    "AuditSettings",
]
