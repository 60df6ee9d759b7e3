"""What decides which text entails or contradicts which, by name."""

from collections.abc import Callable

from hiergeo._core.plugins import Plugins
from hiergeo.construction.judging import Judge

JUDGES: Plugins[Callable[..., Judge]] = Plugins(
    "judge",
    "hiergeo.construction_judges",
    {
        "rules": "hiergeo.construction.judges.rules:RulesJudge",
        "transformers": "hiergeo.construction.judges.transformers:TransformersJudge",
    },
)
"""Name -> what makes a judge: called like the backends of `hiergeo.construction.backends.BACKENDS`."""

__all__ = ["JUDGES", "Judge"]
