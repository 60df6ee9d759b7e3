"""Conclusions of comparisons and studies: a headline and remarks, from answers and typed findings alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hiergeo._core.records import number, signed
from hiergeo.evaluation.answers import Answer, headline
from hiergeo.evaluation.findings.contrasts import Contrast
from hiergeo.evaluation.findings.overview import Caution, Findings
from hiergeo.evaluation.findings.verdicts import HeadsVerdict
from hiergeo.evaluation.metrics import find_metric

REFERENCE = "euclidean"
"""Geometry that others are compared with, where it takes part; otherwise the first one."""

ENOUGH_SEEDS = 5
"""Seeds from which on a study without decided differences may conclude that there is none."""

CORRECTION = "correction for multiple comparisons"


@dataclass(frozen=True)
class Conclusion:
    """What was found.

    Attributes:
        headline: one sentence of at most 25 words.
        remarks: further sentences.
    """

    headline: str
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.headline, *self.remarks))


def conclude_comparison(
    findings: Findings, answers: Mapping[str, Mapping[str, Answer]], setting: str = ""
) -> Conclusion:
    """The conclusion on frozen embeddings: the answers about order, length and curvature.

    Args:
        findings: of the comparison.
        answers: geometry -> question -> answer.
        setting: what the headline says first.
    """
    distinct = dict.fromkeys(
        answer.sentence
        if len(answers) == 1 or question != "curvature"
        else f"In {geometry}, {answer.sentence[0].lower()}{answer.sentence[1:]}"
        for question in ("order", "beyond_length", "curvature")
        for geometry, of_space in answers.items()
        if (answer := of_space.get(question)) is not None and answer.word != "inapplicable"
    )
    return Conclusion(_comparison_headline(answers, setting), (*distinct, *_charts(findings, "so they tie")))


def _comparison_headline(answers: Mapping[str, Mapping[str, Answer]], setting: str) -> str:
    """The headline of the first space; curvature speaks for all curved ones, where they agree."""
    first = dict(next(iter(answers.values())))
    curved = [each["curvature"] for each in answers.values() if "curvature" in each]
    asked = {each.word: each for each in curved if each.word != "inapplicable"}
    first.pop("curvature", None)
    if len(asked) == 1:
        (first["curvature"],) = asked.values()
    said = headline(first, setting)
    if len(asked) < 2:
        return said
    helping = [spec for spec, each in answers.items() if "curvature" in each and each["curvature"].word == "helps"]
    nowhere = "nowhere measurably" if "unclear" in asked else "nowhere"
    where = f"in {helping[0]} alone" if len(helping) == 1 else f"in {len(helping)} spaces"
    return f"{said[:-1]}; curvature helps {where if helping else nowhere}."


def conclude_study(findings: Findings, leakage: str | None) -> Conclusion:
    """The conclusion of a study. Only decided contrasts count as differences."""
    first, *more = _overall(findings)
    remarks = (
        *more,
        *_against_reference(findings),
        *(caution.message for caution in findings.cautions if caution.kind not in ("small sample", "leakage")),
        *_charts(findings, "so they are not compared with each other"),
        *_shared(findings),
        *([f"Trained on test data: {leakage.rstrip('.')}."] if leakage else []),
    )
    return Conclusion(f"{first[0].upper()}{first[1:]}.", remarks)


def study_cautions(
    findings: Findings, verdicts: Sequence[HeadsVerdict], seeds: int, leakage: str | None
) -> Iterator[Caution]:
    """Reasons to read a study with care that come from its training."""
    if findings.contrasts and not findings.decided and seeds < ENOUGH_SEEDS:
        message = f"Intervals over so few seeds are wide: repeat the study with {ENOUGH_SEEDS} seeds or more."
        yield Caution("few seeds", (), message)
    winners = {(each.winner, each.dim) for each in findings.decided}
    for each in verdicts:
        if (each.geometry, each.dim) in winners and each.flat:
            message = (
                f"{each.geometry} is effectively flat at dimension {each.dim}, so its lead is not one of curvature."
            )
            yield Caution("flat", (each.geometry,), message)
    for dim in findings.dims:
        rates = {each.geometry: each.learning_rate for each in verdicts if each.dim == dim}
        decided = [each for each in findings.decided if each.dim == dim]
        apart = {name for each in decided if rates[each.a] != rates[each.b] for name in (each.a, each.b)}
        if apart:
            named = ", ".join(f"{name} ({rate:g})" for name, rate in rates.items() if name in apart)
            message = (
                f"At dimension {dim} the tuning chose different learning rates, {named}: the differences between these "
                "may come from the rate and not from the geometry; repeat the study with a single rate to tell."
            )
            yield Caution("learning rates", tuple(name for name in rates if name in apart), message)
    if lost := [each for each in verdicts if each.collapse]:
        yield Caution("collapse", _specs(lost), f"Heads show signs of collapse in {_cells(lost)}.")
    if broken := [each for each in verdicts if any(head.problem for head in each.heads)]:
        message = f"Training failed for some seeds of {_cells(broken)}: see the verdicts."
        yield Caution("training", _specs(broken), message)
    if leakage:
        yield Caution("leakage", (), f"Trained on test data: {leakage.rstrip('.')}.")


def _specs(verdicts: Sequence[HeadsVerdict]) -> tuple[str, ...]:
    return tuple(each.geometry for each in verdicts)


def _cells(verdicts: Sequence[HeadsVerdict]) -> str:
    return ", ".join(f"{each.geometry} at dimension {each.dim}" for each in verdicts)


def _overall(findings: Findings) -> Iterator[str]:
    total = len(findings.contrasts)
    if not total:
        yield "nothing was compared: there are no two different spaces at one dimension"
        return
    if findings.decided:
        held = "survives" if len(findings.decided) == 1 else "survive"
        yield f"{len(findings.decided)} of {total} differences between geometries {held} {CORRECTION}"
        return
    seeds = len(findings.cube.seeds)
    which = f"none of {total} differences between geometries" if total > 1 else "the one difference between geometries"
    survives = f"{which} {'survives' if total > 1 else 'does not survive'} {CORRECTION}"
    yield f"with {seeds} seeds the study is inconclusive: {survives}" if seeds < ENOUGH_SEEDS else survives
    surest = max(findings.contrasts, key=_sureness)
    difference, low, high = (signed(value, 4) for value in (surest.difference, *surest.interval))
    yield (
        f"The clearest, {surest.a} minus {surest.b} in {_label(surest)} at dimension {surest.dim}, is "
        f"{difference} (95 % interval on its own {low} to {high})."
    )


def _against_reference(findings: Findings) -> Iterator[str]:
    """How every geometry stands against the reference, dimension by dimension."""
    for dim in findings.dims if findings.decided else ():
        named = findings.geometries(dim)
        reference = REFERENCE if REFERENCE in named else named[0]
        rivals: dict[str, list[Contrast]] = {}
        for each in findings.contrasts:
            if each.dim == dim and reference in (each.a, each.b):
                rivals.setdefault(each.b if each.a == reference else each.a, []).append(each)
        if rivals:
            standings = (_standing(rival, reference, contrasts) for rival, contrasts in rivals.items())
            yield f"Against {reference} at dimension {dim}: {'; '.join(standings)}."


def _standing(rival: str, reference: str, contrasts: Sequence[Contrast]) -> str:
    parts: list[str] = []
    for word, winner in (("better", rival), ("worse", reference)):
        won = [each for each in contrasts if each.winner == winner]
        if won:
            most = max(won, key=lambda each: abs(each.difference))
            of_all = "" if parts else f" of {len(contrasts)} metrics"
            named = f"{'most in ' if len(won) > 1 else ''}{_label(most)}, by {number(abs(most.difference), 4)}"
            parts.append(f"{word} in {len(won)}{of_all}, {named}")
    if not parts:
        return f"{rival} is no different in any of {len(contrasts)} metrics"
    return f"{rival} is {', and '.join(parts)}"


def _charts(findings: Findings, hence: str) -> Iterator[str]:
    for charts in findings.twins:
        yield f"{listing(charts)} are one space in {len(charts)} charts, {hence}."


def _shared(findings: Findings) -> Iterator[str]:
    if findings.shared:
        named = ", ".join(find_metric(metric).label for metric in sorted(findings.shared))
        yield f"{named} cannot differ under these losses, which do not depend on curvature."


def listing(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _label(contrast: Contrast) -> str:
    return find_metric(contrast.metric).label


def _sureness(contrast: Contrast) -> float:
    """The size of the difference in widths of its interval."""
    width = contrast.interval.high - contrast.interval.low
    return abs(contrast.difference) / width if width else 0.0
