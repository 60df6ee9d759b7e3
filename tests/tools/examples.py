"""How many examples a property is tried on where it says so itself."""

from hypothesis import Phase, settings

THOROUGH = 100
"""Examples of a property that does not say how many, in the profile thorough."""


def examples(count: int) -> settings:
    """So many examples in the profile thorough and those for mutants, which do not shrink; half as many in others."""
    profile = settings.default
    whole = profile.max_examples >= THOROUGH or Phase.shrink not in profile.phases
    return settings(max_examples=count if whole else count // 2)
