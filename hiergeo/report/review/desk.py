"""What is reviewed: the chains of a folder, what a judge found, and the state of the decisions on each."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from threading import RLock
from typing import Any, final

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.locks import locked
from hiergeo.construction.drafts import Draft
from hiergeo.construction.shards import FOLDER, Work
from hiergeo.construction.stages import FILTER, refusals
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import image_file
from hiergeo.datasets.chains import Chain
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.report.review.decisions import ACCEPT, EDIT, FILE, REJECT, UNDO, Decision, Journal

UNDECIDED, EDITED = "undecided", "edited"

STATES = (UNDECIDED, EDITED, ACCEPT, REJECT)
"""Of a row: edited is undecided with texts of a reviewer's."""

REASONS = ("not general to specific", "negative does not contradict", "wrong for the image", "odd language", "other")
"""Reasons of rejections that the page offers."""

NAME = 64
"""Characters of the name of a reviewer."""

REASON = 500
"""Characters of a reason."""


class StaleError(InputError):
    """Error raised for a decision on texts that somebody has changed meanwhile."""


@final
@dataclass
class RowStatus:
    """The state of the decisions on a row.

    Attributes:
        chain: as it is now, edits included.
        version: of its texts.
        edited: whether they are a reviewer's.
        verdicts: reviewer -> their last decision on this version, in the order of those.
        editor: who edited it last; empty for nobody.
    """

    chain: Chain
    version: str
    edited: bool = False
    verdicts: dict[str, Decision] = field(default_factory=dict)
    editor: str = ""

    @property
    def last(self) -> Decision | None:
        """The last verdict, which counts."""
        return next(reversed(self.verdicts.values()), None)

    @property
    def state(self) -> str:
        """One of `STATES`."""
        last = self.last
        return last.kind if last is not None else EDITED if self.edited else UNDECIDED


@final
class Desk:
    """Chains that are reviewed.

    Args:
        folder: of a build.
        split: of the chains.
        images: the folder of their images; None is that of the build.

    Attributes:
        rows: the chains as they were built.
        scores: for each row, what the judge said: (entailment of adjacent tiers, contradiction of negatives); empty
            where that is not known.
        refused: for each row, how much was refused before these texts (`refusals`); 0 where that is not known.
        journal: of decisions.

    Raises:
        InputError: as `hiergeo.datasets.chains.read_split` and `Journal`.
        UnavailableError: as `hiergeo.datasets.chains.read_split`.
    """

    def __init__(self, folder: Path, split: str = "test", images: Path | None = None) -> None:
        self.folder, self.split = folder, split
        self._images = folder if images is None else images
        self.rows = _rows(folder, split)
        known = _drafts(folder, self.rows)
        self.scores: list[Scores] = [
            ((), ()) if each is None else (each.entailment, each.contradiction) for each in known
        ]
        self.refused = [0 if each is None else refusals(each) for each in known]
        identity = sha256("".join(version_of(row) for row in self.rows).encode()).hexdigest()[:16]
        self.journal = Journal(folder / FILE, split, len(self.rows), identity)
        self._lock = RLock()
        self._numbers: dict[int, list[int]] = {row: [] for row in range(len(self.rows))}
        self._undone: set[int] = set()
        for number, each in enumerate(self.journal.entries):
            self._check(number, each)
            self._note(number, each)
        self._standing = {row: self._folded(row) for row in self._numbers}

    def standing(self, row: int) -> RowStatus:
        """The state of the decisions on a row. Raises InputError if there is no such row."""
        if not 0 <= row < len(self.rows):
            raise InputError(f"there is no row {row}: there are {len(self.rows):,}, the first is 0.")
        with self._lock:
            return self._standing[row]

    def standings(self) -> list[RowStatus]:
        """Those of all rows, in order."""
        with self._lock:
            return list(self._standing.values())

    def decide(self, row: int, version: str, reviewer: str, kind: str, reason: str = "") -> RowStatus:
        """Accept or reject a row.

        Args:
            row: its place.
            version: of the texts that the reviewer saw.
            reviewer: a name.
            kind: ``accept`` or ``reject``.
            reason: of a rejection.

        Raises:
            StaleError: the texts are others now.
            InputError: no such row, or a name or reason that cannot be kept.
            UnavailableError: the decision cannot be written.
        """
        if kind not in (ACCEPT, REJECT):
            raise InputError(f"a verdict is {ACCEPT} or {REJECT}, not '{kind}'.")
        words = _named("reason", reason, REASON) if reason else ""
        return self._kept(Decision(kind, row, version, _named("name", reviewer, NAME), words if kind == REJECT else ""))

    def edit(
        self, row: int, version: str, reviewer: str, positive: Sequence[str], negative: Sequence[str] | None
    ) -> tuple[RowStatus, list[str]]:
        """Change the texts of a row; verdicts on its former texts do not count any more.

        Returns:
            Its new state, and warnings about the texts.

        Raises:
            StaleError: the texts are others now.
            InputError: as `decide`, or texts that cannot be a chain: empty, equal, or of another number.
            UnavailableError: the edit cannot be written.
        """
        before = self.standing(row).chain
        texts, against = _tidy(positive), None if negative is None else _tidy(negative)
        warnings = check_texts(before, texts, against)
        decision = Decision(EDIT, row, version, _named("name", reviewer, NAME), "", texts, against)
        return self._kept(decision), warnings

    def undo(self, reviewer: str) -> Decision | None:
        """Take back the last decision of a reviewer that is not taken back yet; None if there is none.

        Raises:
            UnavailableError: that cannot be written.
        """
        with self._lock:
            for number in reversed(range(len(self.journal.entries))):
                last = self.journal.entries[number]
                if last.reviewer == reviewer and last.kind != UNDO and number not in self._undone:
                    self._write(Decision(UNDO, last.row, last.version, reviewer, undoes=number))
                    return last
            return None

    def picture(self, row: int) -> Path | None:
        """The file of the image of a row, if it is below the folder of images."""
        image = self.standing(row).chain.image
        path = image_file(image, self._images) if image else None
        return path if path is not None and path.is_file() else None

    def doubts(self) -> list[int]:
        """The place of each row when the doubtful ones come first.

        Those are the rows of the lowest score that the judge gave anything of them, 1 if it gave none; where that is
        equal those of which the judge refused more before, then in their own order.
        """
        lowest = [
            min((each for side in both for each in side if each is not None), default=1.0) for both in self.scores
        ]
        order = sorted(range(len(lowest)), key=lambda row: (lowest[row], -self.refused[row]))
        return [rank for _, rank in sorted(zip(order, range(len(order)), strict=True))]

    def counts(self) -> dict[str, int]:
        """Rows by state."""
        counts = Counter(each.state for each in self.standings())
        return {state: counts[state] for state in STATES}

    def check_current(self) -> None:
        """Raise InputError or UnavailableError unless the folder still holds the chains that are reviewed."""
        if _rows(self.folder, self.split) != self.rows:
            raise InputError(
                f"the {self.split} split of {self.folder} was replaced since this review was begun: restore it, or "
                f"move {FILE} away and review the new one."
            )

    def _kept(self, decision: Decision) -> RowStatus:
        with self._lock:
            now = self.standing(decision.row)
            if decision.version != now.version:
                who = f" by {now.editor}" if now.editor else ""
                raise StaleError(f"the texts of row {decision.row} were changed{who} meanwhile: look at them again.")
            return self._write(decision)

    def _write(self, decision: Decision) -> RowStatus:
        self._note(self.journal.append(decision), decision)
        self._standing[decision.row] = self._folded(decision.row)
        return self._standing[decision.row]

    def _note(self, number: int, decision: Decision) -> None:
        self._numbers[decision.row].append(number)
        if decision.undoes is not None:
            self._undone.add(decision.undoes)

    def _folded(self, row: int) -> RowStatus:
        standing = RowStatus(self.rows[row], version_of(self.rows[row]))
        for number in self._numbers[row]:
            each = self.journal.entries[number]
            if each.kind == UNDO or number in self._undone:
                continue
            if each.kind == EDIT:
                chain = Chain(standing.chain.row, each.positive or (), each.negative, standing.chain.image)
                standing = RowStatus(chain, version_of(chain), True, editor=each.reviewer)
            elif each.version == standing.version:
                standing.verdicts.pop(each.reviewer, None)
                standing.verdicts[each.reviewer] = each
        return standing

    def _check(self, number: int, decision: Decision) -> None:
        """Raise InputError for a decision that cannot be on these chains."""
        where = f"{self.journal.path}, line {number + 2}"
        if decision.row >= len(self.rows):
            raise InputError(f"{where} is on row {decision.row}, which is not there: remove the line.")
        if decision.kind == EDIT:
            try:
                check_texts(self.rows[decision.row], decision.positive or (), decision.negative)
            except InputError as error:
                raise InputError(f"{where} cannot be used: {error}") from error


@contextmanager
def open_desk(folder: Path | str, split: str = "test", images: Path | None = None) -> Iterator[Desk]:
    """The chains of a folder for review; nobody else can review or export them within the block.

    Raises:
        HeldError: somebody else does.
        InputError: as `Desk`.
        UnavailableError: as `Desk`, or the folder cannot be written.
    """
    path = path_of(folder)
    chains.located(str(path))
    if not path.is_dir():
        raise InputError(f"{path} is a file: name the folder of a build.")
    with locked(path / FILE):
        yield Desk(path, split, images)


def version_of(chain: Chain) -> str:
    """16 hexadecimal digits that stand for the texts and the image of a chain."""
    texts = "\0".join((*chain.positive, "\1", *(chain.negative or ()), "\1", chain.image))
    return sha256(texts.encode()).hexdigest()[:16]


def check_texts(before: Chain, positive: Sequence[str], negative: Sequence[str] | None) -> list[str]:
    """What is doubtful about texts that are to replace those of a chain.

    Raises:
        InputError: another number of texts, a text that a file cannot hold, or texts that repeat each other.
    """
    sides = {"positive": (before.positive, positive), "negative": (before.negative, negative)}
    for name, (old, new) in sides.items():
        if (old is None) != (new is None) or (old is not None and new is not None and len(old) != len(new)):
            raise InputError(f"the {name} texts must be as many as before.")
        for tier, text in enumerate(new or ()):
            flaw = chains.writable(text) or ("is too long" if len(text) > limits.CAPTION_CHARACTERS else "")
            if flaw:
                raise InputError(f"the {name} text of tier {tier} {flaw}.")
    for name, texts in (("positive", positive), ("negative", negative or ())):
        for tier, (text, following) in enumerate(pairwise(texts)):
            if text.casefold() == following.casefold():
                raise InputError(f"the {name} text of tier {tier + 1} repeats that of tier {tier}.")
    for tier, (text, against) in enumerate(zip(positive, negative or (), strict=False)):
        if text.casefold() == against.casefold():
            raise InputError(f"the negative text of tier {tier} is its positive text.")
    return [
        f"the {name} text of tier {tier + 1} has fewer words than that of tier {tier}"
        for name, texts in (("positive", positive), ("negative", negative or ()))
        for tier, (text, following) in enumerate(pairwise(texts))
        if word_count(following) < word_count(text)
    ]


def _named(what: str, text: str, most: int) -> str:
    words = " ".join(text.split())
    if not words or len(words) > most or not words.isprintable():
        raise InputError(f"a {what} must have 1 to {most} printable characters.")
    return words


def _rows(folder: Path, split: str) -> list[Chain]:
    """The rows, whose texts are each one line, as files hold them."""
    return [
        Chain(row.row, _tidy(row.positive), None if row.negative is None else _tidy(row.negative), row.image)
        for row in chains.read_split(folder, split)
    ]


def _tidy(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(" ".join(text.split()) for text in texts)


Scores = tuple[tuple[float | None, ...], tuple[float | None, ...]]


def _drafts(folder: Path, rows: Sequence[Chain]) -> list[Draft | None]:
    """What the build has stored of each row; None for rows that it does not know."""
    known: Mapping[int, Draft] = {}
    stored = folder / FOLDER / FILTER
    if stored.is_dir():
        work, wanted = Work(folder), {row.row for row in rows}
        shards = sorted(int(path.stem) for path in stored.glob("[0-9]*.json") if path.stem.isdigit())
        known = {
            draft.row: draft for shard in shards for draft in work.read(FILTER, shard).drafts if draft.row in wanted
        }
    return [known.get(row.row) for row in rows]


def described(desk: Desk, row: int) -> dict[str, Any]:
    """A row as JSON values."""
    standing = desk.standing(row)
    entailment, contradiction = desk.scores[row]
    return {
        "row": row,
        "number": standing.chain.row,
        "version": standing.version,
        "state": standing.state,
        "editor": standing.editor,
        "image": standing.chain.image,
        "picture": desk.picture(row) is not None,
        "positive": standing.chain.positive,
        "negative": standing.chain.negative,
        "built": {"positive": desk.rows[row].positive, "negative": desk.rows[row].negative},
        "entailment": entailment,
        "contradiction": contradiction,
        "verdicts": [
            {"reviewer": each.reviewer, "kind": each.kind, "reason": each.reason} for each in standing.verdicts.values()
        ],
    }
