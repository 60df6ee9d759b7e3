"""Audits: whether the geometry does the work that a claim of hierarchy says it does. `hiergeo.audit` makes one."""
