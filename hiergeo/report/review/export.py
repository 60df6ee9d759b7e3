"""The result of a review: the accepted chains as files, counts, and how far reviewers agree."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import retire, size_of, together
from hiergeo.construction.card import JSON as CARD
from hiergeo.construction.card import update_card
from hiergeo.construction.claiming import REVIEWED, SUMMARY
from hiergeo.datasets import chains
from hiergeo.evaluation.findings.exports import plain
from hiergeo.report.review.decisions import ACCEPT, REJECT, UNDO
from hiergeo.report.review.desk import Desk, RowStatus

PLAIN, EXPANDED, _ = REVIEWED


@final
@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree on the rows of which both accepted or rejected the same texts.

    Attributes:
        reviewers: their names.
        rows: how many rows these are.
        agreed: share of them that both decided alike; NaN without any.
        kappa: Cohen's kappa, in [-1, 1]; NaN where both only accepted, or only rejected, or without rows.
    """

    reviewers: tuple[str, str]
    rows: int
    agreed: float
    kappa: float


@final
@dataclass(frozen=True)
class Reviewed:
    """What was exported.

    Attributes:
        folder: of the files.
        rows: that were to be reviewed.
        accepted: rows that were accepted and written.
        edited: those of them whose texts a reviewer changed.
        rejected: rows by reason.
        undecided: rows without a verdict.
        disputed: rows on which two reviewers' last verdicts differ; the last one counts.
        reviewers: name -> accepted, rejected and edited rows.
        agreement: of each two of them.
    """

    folder: Path
    rows: int
    accepted: int
    edited: int
    rejected: dict[str, int]
    undecided: int
    disputed: int
    reviewers: dict[str, dict[str, int]] = field(default_factory=dict)
    agreement: tuple[Agreement, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """Counts, and Cohen's kappa of each two reviewers who have one."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "edited": self.edited,
            "rejected": sum(self.rejected.values()),
            "undecided": self.undecided,
            "disputed": self.disputed,
            **{f"kappa/{'/'.join(each.reviewers)}": each.kappa for each in self.agreement if each.kappa == each.kappa},
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON values, `metrics` first."""
        return {
            "metrics": self.metrics,
            "rejected": self.rejected,
            "reviewers": self.reviewers,
            "agreement": plain(self.agreement),
        }

    def to_json(self) -> str:
        """The result as a JSON object whose first key is ``metrics``."""
        return json.dumps(self.as_dict(), indent=2)


def export(desk: Desk) -> Reviewed:
    """Write the accepted chains of a review and its result into its folder; a card there is updated.

    The files are ``reviewed.csv``, ``reviewed_expanded.csv`` with the negatives where all chains have some, and
    ``reviewed.json``. They are the same whenever the decisions are.

    Raises:
        InputError: no row is accepted, the chains in the folder have changed, or the card is damaged.
        UnavailableError: they are not there any more, or the folder cannot be written.
    """
    desk.check_current()
    reviewed = summary(desk)
    kept = [each.chain for each in desk.standings() if each.state == ACCEPT]
    if not kept:
        raise InputError(f"no row of {desk.folder} is accepted yet: there is nothing to export.")
    contradicted = all(each.negative is not None for each in kept)
    with together(desk.folder, PLAIN, EXPANDED, SUMMARY) as scratch:
        chains.write_test(scratch / PLAIN, kept)
        if contradicted:
            chains.write_train(scratch / EXPANDED, kept)
        documents.write(scratch / SUMMARY, reviewed.as_dict())
    if not contradicted:
        retire(desk.folder / EXPANDED)
    if size_of(desk.folder / CARD) is not None:
        update_card(desk.folder)
    return reviewed


def summary(desk: Desk) -> Reviewed:
    """The result of a review so far."""
    standings = desk.standings()
    accepted = [each for each in standings if each.state == ACCEPT]
    rejected = Counter(
        each.last.reason or "no reason" for each in standings if each.last is not None and each.state == REJECT
    )
    return Reviewed(
        desk.folder,
        len(standings),
        len(accepted),
        sum(each.edited for each in accepted),
        dict(sorted(rejected.items())),
        len(standings) - len(accepted) - sum(rejected.values()),
        sum(len({verdict.kind for verdict in each.verdicts.values()}) > 1 for each in standings),
        _reviewers(desk, standings),
        tuple(_agreements(standings)),
    )


def _reviewers(desk: Desk, standings: Sequence[RowStatus]) -> dict[str, dict[str, int]]:
    names = sorted({each.reviewer for each in desk.journal.entries if each.kind != UNDO})
    verdicts = Counter((name, verdict.kind) for each in standings for name, verdict in each.verdicts.items())
    editors = Counter(each.editor for each in standings)
    return {
        name: {"accepted": verdicts[name, ACCEPT], "rejected": verdicts[name, REJECT], "edited": editors[name]}
        for name in names
    }


def _agreements(standings: Sequence[RowStatus]) -> Iterator[Agreement]:
    names = sorted({name for each in standings for name in each.verdicts})
    for one, other in combinations(names, 2):
        pairs = [
            (each.verdicts[one].kind == ACCEPT, each.verdicts[other].kind == ACCEPT)
            for each in standings
            if one in each.verdicts and other in each.verdicts
        ]
        yield Agreement((one, other), len(pairs), *cohen_kappa(pairs))


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    """Share of equal answers of two people to yes-or-no questions, and Cohen's kappa.

    Kappa is (observed - expected) / (1 - expected) agreement, expected from how often each says yes.

    Returns:
        Both NaN without pairs; kappa is NaN where agreement is certain by chance.

    Source: Cohen, A Coefficient of Agreement for Nominal Scales (Educational and Psychological Measurement 20, 1960).
    """
    if not pairs:
        return float("nan"), float("nan")
    count = len(pairs)
    observed = sum(one == other for one, other in pairs) / count
    yes, also = sum(one for one, _ in pairs), sum(other for _, other in pairs)
    expected = yes * also + (count - yes) * (count - also)
    if expected == count * count:
        return observed, float("nan")
    share = expected / (count * count)
    return observed, (observed - share) / (1 - share)
