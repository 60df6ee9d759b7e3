"""What writes the texts of chains: the interface of backends, and all by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from hiergeo._core.plugins import Plugins


@final
@dataclass(frozen=True)
class Proposal:
    """The answer to one item.

    Attributes:
        candidates: answers, the best first, of which the first one that passes the judge is taken; empty without one.
        reason: why there is none, a few words that are the same for every item refused for it, such as ``no noun``.
        detail: such as the answer that could not be read.
    """

    candidates: tuple[tuple[str, ...], ...] = ()
    reason: str = ""
    detail: str = ""


class Backend(ABC):
    """Interface of what writes texts: more general captions, and contradicting ones.

    Answers depend on the arguments and on `identity` alone. A method gives one proposal an item, in order, also for
    items that it cannot do; it raises UnavailableError for what stops all of them, such as an endpoint that is down.
    `name` is what plans call it.
    """

    name: str

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What answers depend on, as JSON values: model, prompts, sampling; no secrets. Goes into keys and cards."""

    @abstractmethod
    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        """Ever more general texts for each caption.

        Args:
            captions: the most specific texts.
            tiers: texts of a chain, the caption included; at least 2.

        Returns:
            For each caption candidates of `tiers` - 1 texts, general to specific.
        """

    @abstractmethod
    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        """A contradicting text for each tier of each chain.

        The negative of tier i describes another thing of the kind that tier i - 1 names; that of tier 0 is unrelated.

        Args:
            chains: texts general to specific.

        Returns:
            For each chain candidates of as many texts as the chain has.
        """

    def usage(self) -> dict[str, float]:
        """What the answers so far took, those out of the store included, so that interrupted builds have the same card:
        ``prompt_tokens``, ``completion_tokens``, ``requests``; may be empty."""
        return {}

    def instructions(self, tiers: int) -> dict[str, str]:
        """What a language model is told for chains of that many texts, by stage, for the card; empty without one."""
        return {}

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds: models, connections."""


BACKENDS: Plugins[Callable[..., Backend]] = Plugins(
    "construction backend",
    "hiergeo.construction_backends",
    {
        "wordnet": "hiergeo.construction.backends.wordnet:WordNetBackend",
        "openai": "hiergeo.construction.backends.language_model:openai_backend",
    },
)
"""Name -> what makes a backend: called with what follows the colon of the spec (empty without one) and the options of
the plan by keyword. One that has a parameter ``seed`` or ``answers`` gets the seed of the plan, unless the plan gives
another as an option, and the `hiergeo.construction.answer_store.AnswerStore` of the build."""
