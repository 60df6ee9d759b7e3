"""How many examples a property is tried on where it says so itself."""

from hypothesis import settings

THOROUGH = 100
"""Examples of a property that does not say how many, in the profile thorough."""


def examples(count: int) -> settings:
    """So many examples in the profile thorough, half as many in others."""
    return settings(max_examples=count if settings.default.max_examples >= THOROUGH else count // 2)
