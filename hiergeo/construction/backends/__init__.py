"""What writes the texts of chains, by name."""

from collections.abc import Callable

from hiergeo._core.plugins import Plugins
from hiergeo.construction.backends.base import Backend, Gap, Proposal

BACKENDS: Plugins[Callable[..., Backend]] = Plugins(
    "construction backend",
    "hiergeo.construction_backends",
    {
        "wordnet": "hiergeo.construction.backends.wordnet:WordNetBackend",
        "transformers": "hiergeo.construction.backends.language_model:transformers_backend",
        "openai": "hiergeo.construction.backends.language_model:openai_backend",
    },
)
"""Name -> what makes a backend: called with what follows the colon of the spec (empty without one) and the options of
the plan by keyword. One that has a parameter ``seed`` or ``answers`` gets the seed of the plan, unless the plan gives
another as an option, and the `hiergeo.construction.answers.Answers` of the build."""

__all__ = ["BACKENDS", "Backend", "Gap", "Proposal"]
