"""x"""
FAMILIES = ()
