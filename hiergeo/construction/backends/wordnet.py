"""Chains from word lists and WordNet: deterministic, without a model; the default. It refuses what it does not know."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import Backend, Proposal
from hiergeo.construction.language.contrasts import applied, contrasts
from hiergeo.construction.language.kinds import UNRELATED, unrelated
from hiergeo.construction.language.ladder import Ladder, key, ladders
from hiergeo.construction.language.phrases import parse
from hiergeo.construction.language.tagging import looks_english
from hiergeo.datasets.lexicon import RESOURCE

VERSION = 4  # raised whenever the same caption may get other texts
CANDIDATES = 4  # chains that are offered for a caption at most
NEGATIVES = 2  # contradicting texts that are offered for a tier
LONGEST = 600  # characters of a caption; longer ones are documents
SPREAD = 0.55  # words of a tier, as a share of the words of the next more specific one: HierarCaps has 6.3 of 11.7


@final
class WordNetBackend(Backend):
    """Texts by rules and the lexicon that comes with hiergeo."""

    name = "wordnet"

    def __init__(self, spec: str = "") -> None:
        if spec:
            raise InputError(f"backend wordnet takes no argument, got {spec!r}: write just 'wordnet'.")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Version of the rules and hash of the lexicon."""
        digest = hashlib.sha256(RESOURCE.read_bytes()).hexdigest()[:16]
        return {"backend": self.name, "version": VERSION, "lexicon": digest}

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        return [_generalise(caption, tiers) for caption in captions]

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        return [_contradict(tuple(chain)) for chain in chains]


def _generalise(caption: str, tiers: int) -> Proposal:
    if not caption.strip():
        return Proposal(reason="empty")
    if len(caption) > LONGEST:
        return Proposal(reason="too long", detail=f"{len(caption)} characters")
    if not looks_english(caption):
        return Proposal(reason="not English")
    analysis = parse(caption.lower() if caption.isupper() else caption)
    if analysis.main is None:
        return Proposal(reason="no noun")
    options = ladders(analysis)
    if not options:
        return Proposal(reason="no kind", detail=analysis.main.noun)
    chains = (chain for ladder in options for chain in _chains(ladder, tiers))
    candidates = tuple(islice(dict.fromkeys(chain[:-1] for chain in chains), CANDIDATES))
    return Proposal(candidates) if candidates else Proposal((), "too short", f"fewer than {tiers} texts")


def _chains(ladder: Ladder, tiers: int) -> Iterator[tuple[str, ...]]:
    """Chains of a caption, general to specific, the best first: a kind, the described noun, beginnings, the caption."""
    kinds = range(ladder.noun - 1, -1, -1)
    beginnings: list[tuple[int, ...]] = [(kind, name) for name in (ladder.described, ladder.noun) for kind in kinds]
    if tiers < 4:
        beginnings = [(ladder.noun,), *((kind,) for kind in kinds)]
    elif ladder.noun < ladder.described:
        beginnings.append((ladder.noun, ladder.described))
    for beginning in dict.fromkeys([*beginnings, (ladder.noun,)]):
        if chain := _chain(ladder.rungs, beginning, tiers):
            yield chain


def _chain(rungs: Sequence[str], beginning: tuple[int, ...], tiers: int) -> tuple[str, ...] | None:
    """Rungs that begin with some and end with the caption, each of about `SPREAD` of the next; None for too few."""
    words = [len(rung.split()) for rung in rungs]
    chain = [len(rungs) - 1]
    while len(beginning) + len(chain) < tiers and beginning[-1] + 1 < chain[0]:
        between = range(beginning[-1] + 1, chain[0])
        chain.insert(0, min(between, key=lambda rung: abs(words[rung] - SPREAD * words[chain[0]])))
    spare = [rung for rung in range(beginning[-1]) if rung not in beginning]
    lacking = tiers - len(beginning) - len(chain)
    chosen = sorted((*beginning, *chain, *(spare[-lacking:] if lacking else ())))
    texts = tuple(rungs[rung] for rung in chosen)
    return texts if len(texts) == tiers and _grows(texts) else None


def _grows(chain: Sequence[str]) -> bool:
    """Whether no text of a chain repeats another one or has fewer words than the one before it."""
    lengths = [len(text.split()) for text in chain]
    return len(set(map(key, chain))) == len(chain) and lengths == sorted(lengths)


def _contradict(chain: tuple[str, ...]) -> Proposal:
    options = [_unrelated(chain), *(_negatives(chain, tier) for tier in range(1, len(chain)))]
    for text, texts in zip(chain, options, strict=True):
        if not texts:
            return Proposal(reason="nothing to contradict", detail=text)
    turns = range(min(CANDIDATES, max(map(len, options))))
    candidates = dict.fromkeys(chosen for turn in turns if (chosen := _one_each(options, turn)))
    return Proposal(tuple(candidates)) if candidates else Proposal((), "nothing to contradict", chain[-1])


def _one_each(options: Sequence[Sequence[str]], turn: int) -> tuple[str, ...]:
    """A text for each tier that does not repeat the one before it; empty where there is none."""
    chosen: list[str] = []
    for texts in options:
        start = turn % len(texts)
        new = [text for text in (*texts[start:], *texts[:start]) if not chosen or key(text) != key(chosen[-1])]
        if not new:
            return ()
        chosen.append(new[0])
    return tuple(chosen)


def _unrelated(chain: tuple[str, ...]) -> list[str]:
    """Words for things that have nothing in common with what a chain is about, and that it does not name."""
    main = parse(chain[0]).main
    words = UNRELATED if main is None else unrelated(main.noun)
    return [word for word in _shuffled(words, chain) if all(word not in text.lower() for text in chain)][:CANDIDATES]


def _negatives(chain: tuple[str, ...], tier: int) -> list[str]:
    """Texts that contradict a tier, those first that differ from it in what it adds to the more general tier."""
    text = chain[tier]
    if len(text) > LONGEST:
        return []
    analysis = parse(text)
    general = {word.strip(".,;:!?") for word in chain[tier - 1].lower().split()}
    options = _shuffled(list(contrasts(analysis)), chain)
    options.sort(
        key=lambda contrast: (
            contrast.is_odd,
            all(token.lower in general for token in analysis.tokens[contrast.start : contrast.end]),
        )
    )
    changed = dict.fromkeys(applied(analysis, contrast) for contrast in options)
    return [other for other in changed if key(other) != key(text)][:NEGATIVES]


def _shuffled(items: Sequence[Any], chain: tuple[str, ...]) -> list[Any]:
    """Items in an order that depends on the chain alone."""
    seed = "\n".join(chain).encode()
    return sorted(items, key=lambda item: hashlib.sha256(seed + repr(item).encode()).digest())
