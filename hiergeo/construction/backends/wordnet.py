"""Chains by rules and WordNet: deterministic, without a model; the default.

More general texts are beginnings of the caption, its noun phrase and everyday kinds of what it names. Contradicting
texts differ from the tier in one thing that excludes it (another animal, another colour, another place), where possible
in what the tier adds to the more general one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo.construction.backends import Backend, Gap, Proposal
from hiergeo.construction.language import edits, things
from hiergeo.construction.language.entailment import relation
from hiergeo.construction.language.ladder import Ladder, ladders
from hiergeo.construction.language.phrases import looks_english, parse
from hiergeo.datasets.lexicon import RESOURCE

VERSION = 2
"""Raised whenever the same caption may get other texts."""

CANDIDATES = 4
"""Chains that are offered for a caption at most."""

NEGATIVES = 2
"""Contradicting texts that are looked for, for each tier."""

TRIED = 200
"""Edits of a text that are tried, which bounds the work for texts that repeat themselves."""

LONGEST = 600
"""Characters of a caption; longer ones are documents."""

SPREAD = 0.55
"""Words of a tier, as a share of the words of the next more specific one: HierarCaps has 6.3 of 11.7."""

LATE = frozenset({"denial", "being"})
"""Kinds of edits that are made where no other is possible."""


@final
class WordNetBackend(Backend):
    """Texts by rules and the lexicon that comes with hiergeo."""

    name = "wordnet"

    def __init__(self, spec: str = "") -> None:
        if spec:
            raise InputError(f"backend wordnet takes no argument, got {spec!r}: write just 'wordnet'.")

    @property
    def identity(self) -> dict[str, Any]:
        """Version of the rules and hash of the lexicon."""
        return {"backend": self.name, "version": VERSION, "lexicon": _lexicon_hash()}

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        """See `Backend.generalise`. Reasons: ``empty``, ``too long``, ``not English``, ``no noun``, ``too short``."""
        return [_generalise(caption, tiers) for caption in captions]

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        """See `Backend.contradict`. Reasons: ``empty``, ``nothing to contradict``."""
        return [_contradict(tuple(chain)) for chain in chains]

    def complete(self, gaps: Sequence[Gap]) -> list[Proposal]:
        """See `Backend.complete`. Reasons: those of the other two."""
        return [_complete(gap) for gap in gaps]


@lru_cache(maxsize=1)
def _lexicon_hash() -> str:
    return hashlib.sha256(RESOURCE.read_bytes()).hexdigest()[:16]


def _refusal(caption: str) -> Proposal | None:
    """Why nothing can be made of a text; None where something may."""
    if not caption.strip():
        return Proposal(reason="empty")
    if len(caption) > LONGEST:
        return Proposal(reason="too long", detail=f"{len(caption)} characters")
    if not looks_english(caption):
        return Proposal(reason="not English")
    return None


def _generalise(caption: str, tiers: int) -> Proposal:
    if refused := _refusal(caption):
        return refused
    found = ladders(parse(caption.lower() if caption.isupper() else caption))
    if not found:
        return Proposal(reason="no noun")
    chains = sorted(dict.fromkeys(islice(_chains(caption, found, tiers), CANDIDATES)), key=_lacks_unrelated)
    return (
        Proposal(tuple(chains)) if chains else Proposal((), "too short", f"fewer than {tiers} texts can be made of it")
    )


def _chains(caption: str, found: list[Ladder], tiers: int) -> Iterator[tuple[str, ...]]:
    """More general texts of a caption, general to specific, the best chain first: by thing, then by kind."""
    for ladder in found:
        few = _distinct([*ladder.cuts, *ladder.names])
        for general in _beginnings(ladder, tiers):
            for rungs in (few, _distinct([*few, *ladder.plain])):
                if chain := _between(general, rungs, caption, tiers - 1, ladder):
                    yield chain
                    break


def _beginnings(ladder: Ladder, tiers: int) -> Iterator[tuple[str, ...]]:
    """Texts of one phrase that a chain may begin with, general to specific; the best first."""
    names = _distinct(ladder.names)
    bare = names[-1:]
    described = names[-2:-1] or bare
    if tiers < 4:
        yield bare
        yield from ((kind,) for kind in ladder.kinds)
        return
    yield from ((kind, *described) for kind in ladder.kinds)
    yield from ((kind, *bare) for kind in ladder.kinds)
    if described != bare:
        yield (*bare, *described)
    yield bare


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _between(
    general: tuple[str, ...], rungs: Sequence[str], caption: str, wanted: int, ladder: Ladder
) -> tuple[str, ...] | None:
    """`wanted` texts below the caption, each entailed by the next: some that are given, and rungs of about `SPREAD`."""
    chain, below = [caption], general[-1]
    least = len(below.split())
    for _ in range(wanted - len(general)):
        above, most = chain[-1], len(chain[-1].split())
        fitting = [
            rung
            for rung in rungs
            if least <= len(rung.split()) < most
            and _key(rung) not in {_key(below), _key(above)}
            and relation(above, rung) == "entailment"
            and relation(rung, below) == "entailment"
            and (least < len(rung.split()) or relation(below, rung) != "entailment")
        ]
        if not fitting:
            break
        chain.append(min(fitting, key=lambda rung: (abs(len(rung.split()) - SPREAD * most), len(rung.split()))))
    missing = wanted + 1 - len(general) - len(chain)
    full = [*(_more_kinds(general, ladder, missing) if missing > 0 else general), *reversed(chain)]
    lengths = [len(text.split()) for text in full]
    good = (
        len(full) == wanted + 1
        and len(set(map(_key, full))) == len(full)
        and all(relation(low, high) == "entailment" for high, low in pairwise(full))
        and lengths == sorted(lengths)
    )
    return tuple(full[:-1]) if good else None


def _more_kinds(general: tuple[str, ...], ladder: Ladder, missing: int) -> Sequence[str]:
    """The beginning of a chain with so many texts more: further kinds above, the noun with fewer modifiers between.

    Nothing where there are not so many.
    """
    pool = [*reversed(ladder.kinds), *reversed(_distinct(ladder.names))]
    others = [text for text in pool if text not in general]
    if len(others) < missing or not set(general) <= set(pool):
        return ()
    return sorted({*general, *others[-missing:]}, key=pool.index)


def _key(text: str) -> str:
    """What two texts that say the same have in common."""
    words = [word.strip(".,;:!?\"'") for word in text.lower().split()]
    return " ".join(word for word in words if word not in {"a", "an", "the", ""})


def _contradict(chain: tuple[str, ...]) -> Proposal:
    if not all(text.strip() for text in chain):
        return Proposal(reason="empty")
    options = [_unrelated(chain), *(_negatives(chain, tier) for tier in range(1, len(chain)))]
    for text, texts in zip(chain, options, strict=True):
        if not texts:
            return Proposal(reason="nothing to contradict", detail=text)
    count = min(CANDIDATES, max(map(len, options)))
    candidates = [chosen for turn in range(count) if (chosen := _one_each(options, turn)) is not None]
    if not candidates:
        return Proposal(reason="nothing to contradict", detail=chain[-1])
    return Proposal(tuple(dict.fromkeys(candidates)))


def _one_each(options: Sequence[Sequence[str]], turn: int) -> tuple[str, ...] | None:
    """A text for each tier that does not repeat the one before it; None where there is none."""
    chosen: list[str] = []
    for texts in options:
        start = turn % len(texts)
        new = [text for text in (*texts[start:], *texts[:start]) if not chosen or _key(text) != _key(chosen[-1])]
        if not new:
            return None
        chosen.append(new[0])
    return tuple(chosen)


def _unrelated(chain: tuple[str, ...]) -> list[str]:
    """Texts about something else than a chain is about."""
    words = _shuffled(things.UNRELATED, chain, "unrelated")
    return [
        word
        for word in words
        if all(word not in text.lower() for text in chain) and relation(chain[0], word) == "contradiction"
    ][:CANDIDATES]


def _lacks_unrelated(chain: tuple[str, ...]) -> bool:
    """Whether nothing is known to be about something else than the most general text."""
    return all(relation(chain[0], word) != "contradiction" for word in things.UNRELATED)


def _negatives(chain: tuple[str, ...], tier: int) -> list[str]:
    """Texts that contradict a tier and, if possible, are entailed to be what the tier above it names."""
    text, above = chain[tier], chain[tier - 1]
    if len(text) > LONGEST:
        return []
    analysis = parse(text)
    words_above = {word.strip(".,;:!?") for word in above.lower().split()}
    options = _in_turn(_shuffled(list(edits.edits(analysis)), chain, f"tier {tier}"))
    new = [not all(token.lower in words_above for token in analysis.tokens[edit.start : edit.end]) for edit in options]
    kept: list[str] = []
    other: list[str] = []
    ordered = [edit for fits in (True, False) for edit, is_new in zip(options, new, strict=True) if is_new is fits]
    for edit in ordered[:TRIED]:
        changed = edits.applied(analysis, edit)
        if _key(changed) != _key(text) and relation(text, changed) == "contradiction":
            (kept if relation(changed, above) == "entailment" else other).append(changed)
        if len(kept) >= NEGATIVES:
            break
    return list(dict.fromkeys([*kept, *other]))[:NEGATIVES]


def _in_turn(options: list[edits.Edit]) -> list[edits.Edit]:
    """Edits so that each place of the text has a turn before any has two; those of `LATE` kinds at the end."""
    seen: dict[int, int] = {}
    turns = []
    for edit in options:
        turn = seen.get(edit.start, 0)
        seen[edit.start] = turn + 1
        turns.append((edit.kind in LATE, turn))
    return [edit for _, edit in sorted(zip(turns, options, strict=True), key=lambda pair: pair[0])]


def _shuffled(items: Sequence[Any], chain: tuple[str, ...], salt: str) -> list[Any]:
    """Items in an order that depends on the chain alone."""
    seed = "\n".join((salt, *chain)).encode()

    def place(pair: tuple[int, Any]) -> bytes:
        return hashlib.sha256(seed + repr((pair[0], pair[1])).encode()).digest()

    return [item for _, item in sorted(enumerate(items), key=place)]


def _complete(gap: Gap) -> Proposal:
    """Missing tiers from the next more specific one, then missing negatives of the whole chain."""
    if refused := _refusal(gap.positive[-1] or ""):
        return refused
    fillings = _filled(gap.positive) if None in gap.positive else [tuple(str(text) for text in gap.positive)]
    if not fillings:
        return Proposal(reason="too short", detail="no text fits between its neighbours")
    answers: dict[tuple[str, ...], None] = {}
    for chain in fillings:
        for offer in _contradict(chain).candidates if None in gap.negative else [gap.negative]:
            negative = [str(own or new) for own, new in zip(gap.negative, offer, strict=True)]
            if all(_key(before) != _key(text) for before, text in pairwise(negative)):
                sides = {"positive": chain, "negative": negative}
                answers[tuple(sides[side][tier] for side, tier in gap.missing)] = None
    if not answers:
        return Proposal(reason="nothing to contradict", detail=fillings[0][-1])
    return Proposal(tuple(answers)[:CANDIDATES])


def _filled(texts: tuple[str | None, ...]) -> list[tuple[str, ...]]:
    """Chains in which what is there stays and what is missing comes from the ladders of the caption."""
    chains: dict[tuple[str, ...], None] = {}
    for ladder in ladders(parse(texts[-1] or "")):
        pool = _distinct([*reversed(ladder.kinds), *reversed(ladder.names), *reversed(ladder.cuts)])
        chain: list[str] = []
        for tier, text in enumerate(texts):
            if text is not None:
                chain.append(text)
                continue
            after = next(each for each in texts[tier + 1 :] if each is not None)
            fitting = [
                rung
                for rung in pool
                if _key(rung) not in {_key(each) for each in (*chain, after)}
                and relation(after, rung) == "entailment"
                and relation(rung, after) != "entailment"
                and (not chain or relation(rung, chain[-1]) == "entailment")
            ]
            later = sum(each is None for each in texts[tier + 1 : texts.index(after, tier)])
            if len(fitting) <= later:
                break
            share = SPREAD ** (later + 1) * len(after.split()) if tier else 0.0
            chain.append(min(fitting[: len(fitting) - later], key=lambda rung: abs(len(rung.split()) - share)))
        if len(chain) == len(texts):
            chains[tuple(chain)] = None
    return list(chains)
