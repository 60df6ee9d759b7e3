"""Conclusions of comparisons and studies: a headline and remarks, from typed findings alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hiergeo.evaluation.findings.contrasts import ALPHA, Contrast
from hiergeo.evaluation.findings.controls import Control
from hiergeo.evaluation.findings.exports import number, signed
from hiergeo.evaluation.findings.overview import NAMED, Caution, Findings
from hiergeo.evaluation.findings.verdicts import HeadsVerdict
from hiergeo.evaluation.metrics import Interval, find_metric, sign_test

REFERENCE = "euclidean"
"""Geometry that others are compared with, where it takes part; otherwise the first one."""

ENOUGH_SEEDS = 5
"""Seeds from which on a study without decided differences may conclude that there is none."""

WEAK = 0.4
"""tau_d below which the order of the tiers is called weak."""

ORDER = "tau_d"
"""The metric of the order of the tiers, which headlines put in words of their own."""

CORRECTION = "correction for multiple comparisons"


@dataclass(frozen=True)
class Conclusion:
    """What was found.

    Attributes:
        headline: one sentence, which begins with the strongest controls.
        remarks: further sentences.
        controls: the strongest control of each metric that has one; those that do better than every space come first.
    """

    headline: str
    remarks: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.headline, *self.remarks))


def conclude_comparison(findings: Findings) -> Conclusion:
    """The conclusion on frozen embeddings: what controls do better, if radii order tiers, who is best in what."""
    single = len(findings.spaces) == 1
    controls = _ordered(findings.controls(*findings.dims))
    order = () if any(each.metric == ORDER for each in controls) else _orders(findings)
    whom = "the model" if single else "every space"
    clauses = (*_controlled(controls, whom), *order, *(_against_control(controls) if single else _best(findings)))
    remarks = (*_without_length(findings), *_charts(findings, "so they tie"), *_alike(findings))
    return Conclusion(sentence(clauses), remarks, controls)


def conclude_study(findings: Findings, leakage: str | None) -> Conclusion:
    """The conclusion of a study. Only decided contrasts count as differences."""
    controls = _ordered(findings.controls(*findings.dims))
    overall, *more = _overall(findings)
    remarks = (
        *more,
        *_against_reference(findings),
        *(caution.message for caution in findings.cautions if caution.kind not in ("small sample", "leakage")),
        *_charts(findings, "so they are not compared with each other"),
        *_shared(findings),
        *([f"Trained on test data: {leakage.rstrip('.')}."] if leakage else []),
    )
    return Conclusion(sentence((*_controlled(controls, "every head"), overall)), remarks, controls)


def _alike(findings: Findings) -> Iterator[str]:
    """What to do where nothing was measured in which spaces can differ."""
    metrics = (find_metric(name) for dim in findings.dims for name in findings.metrics(dim))
    if len(findings.spaces) > 1 and not any(each.depends_on_curvature for each in metrics):
        yield (
            "Nothing measured here depends on the geometry: chains with contradicting ones can be compared by the "
            "protocol pairs, others by an audit."
        )


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


class Praise(str):
    """A clause in favour of the model or of one of its spaces."""

    __slots__ = ()


def sentence(clauses: Iterable[str]) -> str:
    """Clauses as one sentence, in which "but" comes where it turns to praise; empty without any."""
    given = list(filter(None, clauses))
    text = "".join(given[:1])
    for before, clause in pairwise(given):
        turns = isinstance(clause, Praise) and not isinstance(before, Praise)
        text += f", {'but' if turns else 'and'} {clause}"
    return text and f"{text[0].upper()}{text[1:]}."


def _ordered(controls: Iterable[Control]) -> tuple[Control, ...]:
    """Those that do better than every space first, and among equals the order of the tiers."""
    return tuple(sorted(controls, key=lambda each: (each.standing != "better", each.metric != ORDER)))


def _controlled(controls: Sequence[Control], whom: str) -> Iterator[str]:
    """What controls do better than every space, and how radii order the tiers beside their control."""
    ahead: dict[str, list[Control]] = {}
    for each in controls:
        if each.standing == "better":
            ahead.setdefault(each.noun, []).append(each)
    for noun, won in ahead.items():
        ordered = [each for each in won if each.metric == ORDER]
        others = [each for each in won if each.metric != ORDER]
        parts = [order_beside(each) for each in ordered]
        if others:
            subject, than = ("", "") if ordered else (f"{noun} ", f" than {whom}")
            parts.append(f"{subject}does better{than} in {_figures(others, len(controls))}")
        yield " and ".join(parts)
    yield from (order_beside(each) for each in controls if each.metric == ORDER and each.standing != "better")


def order_beside(control: Control) -> str:
    """Whether radii or a control order the tiers better, as a clause."""
    if control.standing == "better":
        return f"{control.noun} orders these captions better than the model ({control.figures})"
    than = f"than {control.noun} ({control.figures})"
    if control.standing == "level":
        return f"radii order these captions no better {than}"
    return Praise(f"radii order these captions better {than}")


def _against_control(controls: Sequence[Control]) -> Iterator[str]:
    """In what a single space does better than its controls."""
    by_noun: dict[str, list[Control]] = {}
    for each in controls:
        if each.standing == "worse" and each.metric != ORDER:
            by_noun.setdefault(each.noun, []).append(each)
    for noun, beaten in by_noun.items():
        yield Praise(f"the model does better than {noun} in {_figures(beaten, len(controls))}")


def _figures(controls: Sequence[Control], count: int) -> str:
    """Metrics with both values while they are few, otherwise how many there are, and the clearest."""
    if len(controls) <= NAMED:
        return listing([f"{find_metric(each.metric).label} ({each.figures})" for each in controls])
    clearest = max(controls, key=lambda each: abs(each.lead))
    return f"{len(controls)} of {count} metrics, most in {find_metric(clearest.metric).label}, {clearest.figures}"


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


def _orders(findings: Findings) -> Iterator[str]:
    geometries: dict[str, list[str]] = {}
    for space in findings.spaces:
        score = findings.score("tau_d", space.geometry, space.dim)
        if score is not None and score.interval is not None:
            geometries.setdefault(order_of_tiers(score.value, score.interval), []).append(space.geometry)
    for order, names in geometries.items():
        yield order if len(geometries) == 1 else type(order)(f"{order} in {listing(names)}")


def order_of_tiers(tau_d: float, interval: Interval) -> str:
    """Whether radii order the tiers, by tau_d and its 95 % interval."""
    low, high = interval
    if low <= 0 <= high:
        return "radii do not order the tiers"
    if high < 0:
        return "radii order the tiers backwards"
    return Praise(f"radii order the tiers{' weakly' if tau_d < WEAK else ''}")


def order_beyond_length(tau_d: float, interval: Interval, p_value: float) -> str:
    """Whether radii order tiers of equally many words, in a sentence.

    Args:
        tau_d: `tau_d_equal_length`.
        interval: its 95 % interval.
        p_value: of the exact sign test over chains.
    """
    right, low, high = (f"{50 * (1 + value):.1f}" for value in (tau_d, *interval))
    found = f"Of equal-length pairs, {right} % ({low} to {high} %) are in the right order (chance 50 %)"
    if p_value > ALPHA:
        return f"{found}, no better than chance: the length of captions may explain the order of the tiers."
    if tau_d > 0:
        return f"{found}: the order is not one of length alone."
    return f"{found}: worse than chance, so at equal length radii order the tiers backwards."


def _without_length(findings: Findings) -> Iterator[str]:
    """The sentence on tiers of equal length, for every space that orders them in a way of its own."""
    found: dict[str, None] = {}
    name = "tau_d_equal_length"
    for entry in findings.cube.entries:
        if name in entry.rows:
            p_value = sign_test(entry.rows[name]).p_value
            found[order_beyond_length(entry.metrics[name], entry.interval(name), p_value)] = None
    if len(found) == 1:
        yield next(iter(found))


def _best(findings: Findings) -> Iterator[str]:
    if len(findings.spaces) == 1:
        return
    (dim,) = findings.dims
    by_leaders: dict[tuple[str, ...], list[str]] = {}
    beaten = {control.metric for control in findings.controls(dim) if control.standing == "better"}
    for metric in findings.metrics(dim):
        known = find_metric(metric)
        if (
            metric not in beaten
            and known.depends_on_curvature
            and known.higher_is_better is not None
            and not known.control
        ):
            by_leaders.setdefault(findings.leaders(metric, dim), []).append(known.label)
    count = sum(map(len, by_leaders.values()))
    undecided = by_leaders.pop((), [])
    for leaders, metrics in by_leaders.items():
        verb = "is" if len(metrics) == 1 else "are"
        yield Praise(f"{_named(metrics, count, 'all')} {verb} best in {listing(leaders)}")
    if undecided:
        yield f"no geometry is better in {_named(undecided, count, 'any of the other' if beaten else 'any of the')}"


def _named(metrics: Sequence[str], count: int, all_of: str) -> str:
    """The metrics by name while that reads well, then by how many of `count` they are."""
    if len(metrics) <= NAMED:
        return listing(metrics)
    return f"{all_of} {count} metrics" if len(metrics) == count else f"{len(metrics)} of {count} metrics"


def listing(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _label(contrast: Contrast) -> str:
    return find_metric(contrast.metric).label


def _sureness(contrast: Contrast) -> float:
    """The size of the difference in widths of its interval."""
    width = contrast.interval.high - contrast.interval.low
    return abs(contrast.difference) / width if width else 0.0
