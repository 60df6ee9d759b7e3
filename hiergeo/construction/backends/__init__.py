"""What writes the texts of chains: the interface of backends, and all by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from hiergeo._core.plugins import Plugins


@final
@dataclass(frozen=True)
class Proposal:
    """What a backend answers for one item.

    Attributes:
        candidates: answers, the best first; the first one that passes verification is taken. A candidate has one text
            for each text that was asked for, in order. Empty where there is none.
        reason: why there is none, a few words that are the same for every item refused for it, such as ``no noun``;
            empty where there are candidates.
        detail: what was found, such as the answer that could not be read.
    """

    candidates: tuple[tuple[str, ...], ...] = ()
    reason: str = ""
    detail: str = ""


@final
@dataclass(frozen=True)
class Gap:
    """A chain some of whose texts are missing.

    Attributes:
        positive: texts general to specific, None where one is missing; the last is there.
        negative: None where one is missing.
    """

    positive: tuple[str | None, ...]
    negative: tuple[str | None, ...]

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """The places of the missing texts, ``("positive", tier)`` general to specific, then ``("negative", tier)``."""
        sides = (("positive", self.positive), ("negative", self.negative))
        return tuple((side, tier) for side, texts in sides for tier, text in enumerate(texts) if text is None)


class Backend(ABC):
    """Interface of what writes texts: more general captions, contradicting captions, and what is missing in a chain.

    Answers depend on the arguments and on `identity` alone. A method gives one proposal an item, in order, also for
    items that it cannot do; it raises for what stops all of them, such as an endpoint that is down.
    """

    name: str
    """What plans call it."""

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

        Raises:
            UnavailableError: nothing can be answered now; work can go on later.
        """

    @abstractmethod
    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        """A contradicting text for each tier of each chain.

        The negative of tier i describes another thing of the kind that tier i - 1 names; that of tier 0 is unrelated.

        Args:
            chains: texts general to specific.

        Returns:
            For each chain candidates of as many texts as the chain has.

        Raises:
            UnavailableError: as `generalise`.
        """

    @abstractmethod
    def complete(self, gaps: Sequence[Gap]) -> list[Proposal]:
        """The missing texts of each chain.

        Returns:
            For each gap candidates of one text for each of `Gap.missing`, in that order.

        Raises:
            UnavailableError: as `generalise`.
        """

    def usage(self) -> dict[str, float]:
        """What the answers so far took: ``prompt_tokens``, ``completion_tokens``, ``requests``; may be empty.

        An answer that was kept counts like one that was asked for, so that the card of a build that was interrupted
        is that of one that was not.
        """
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
        "transformers": "hiergeo.construction.backends.language_model:transformers_backend",
        "openai": "hiergeo.construction.backends.language_model:openai_backend",
    },
)
"""Name -> what makes a backend: called with what follows the colon of the spec (empty without one) and the options of
the plan by keyword. One that has a parameter ``seed`` or ``answers`` gets the seed of the plan, unless the plan gives
another as an option, and the `hiergeo.construction.answer_store.AnswerStore` of the build."""
