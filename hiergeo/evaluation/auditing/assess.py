"""Model x dataset x space -> one audit."""

import math
from dataclasses import replace

import numpy as np
import torch

from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import begin
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Compute, Embedded, embed
from hiergeo.evaluation.answers import ALPHA, makes_ladders_worse
from hiergeo.evaluation.auditing.attribution import CONTROLS, attribute
from hiergeo.evaluation.auditing.gains import PAIRS, gains
from hiergeo.evaluation.auditing.operating import Occupancy, occupancy, operating_point
from hiergeo.evaluation.auditing.questions import at_equal_length, questions
from hiergeo.evaluation.auditing.record import PRIMARY, Audit, AuditSettings, Numbers
from hiergeo.evaluation.auditing.subject import Subject, subject_of
from hiergeo.evaluation.length import NO_EQUAL_TIERS
from hiergeo.evaluation.measuring import as_space, check_readable, described, measured, ready
from hiergeo.evaluation.metrics import Interval, holm, tau_d
from hiergeo.evaluation.metrics.length import chain_lengths
from hiergeo.evaluation.metrics.order import is_of_all_tiers
from hiergeo.evaluation.metrics.registry import Metric, correlation, declare, reciprocal, share
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Statistic, mean_of
from hiergeo.evaluation.twins import TWINS, Twins, twins_of
from hiergeo.geometry import Geometry, PairLaw, Space

declare(
    reciprocal(PRIMARY, "parent MRR"),
    reciprocal(PAIRS, "parent MRR of distinct pairs", unit="pairs"),
    reciprocal("native", "parent MRR", unit="none"),
    reciprocal("angle_only", "by angles alone", unit="none"),
    reciprocal("radius_only", "by radii alone", depends_on_curvature=False, unit="none"),
    reciprocal("flat", "with K = 0", depends_on_curvature=False, unit="none"),
    correlation("depth", "radial depth", None, depends_on_curvature=False, unit="none"),
    Metric("cone_gain", "cone gain", None, unit="none", bounds=(-1.0, 1.0)),
    Metric("u_median", "u, median", None, unit="none", bounds=(0.0, math.inf)),
    share("u_share_above_1", "u above 1", None, unit="none"),
)


@torch_defaults()
def audit(
    model: Model | Embedded | str,
    data: Hierarchy | str | None = None,
    space: Space | Geometry | str | None = None,
    settings: AuditSettings | None = None,
    *,
    compute: Compute | None = None,
    twins: int | Twins = TWINS,
    progress: bool = False,
) -> Audit:
    """Audit the hierarchy of a model: does the geometry do the work?

    Args:
        model: an adapter, the spec that loads one, or embeddings of a hierarchy, which are measured where they are.
        data: a hierarchy, or the name of one (its test split); None for embeddings, which bring theirs.
        space: a space, a geometry, or its spec; None is the model's own space (`Model.native_space`), and Euclidean
            space where there is none. A space without a root of its own gets the model's.
        settings: the defaults of `AuditSettings` when None.
        compute: device, dtype and batch size of the embedding.
        twins: untrained copies that the model is compared with; 0 leaves out whether training adds to the order.
            Embeddings are compared with none unless they are given as `Twins`.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: unknown names, data without two branches, embeddings that are not finite or do not fit.
        UnavailableError: data or weights that are not there.

    Source of the questions: Kim, Kim and Jang, arXiv 2607.05268 (2026).
    """
    settings = AuditSettings() if settings is None else settings
    if isinstance(model, Embedded):
        own = model.hierarchy
        if data not in (None, own, own.name):
            raise InputError(f"these embeddings are of {own!r}, not of {data!r}: leave the data out.")
        chosen = as_space("euclidean" if space is None else space)
        return assess(model, chosen, settings, twins if isinstance(twins, Twins) else None, progress=progress)
    if data is None:
        raise InputError("an audit of a model needs data: a hierarchy, or the name of one such as 'hierarcaps'.")
    compute = compute or Compute(AUTO)
    compute = compute._replace(device=resolve_device(compute.device))
    hierarchy = measured(model, data)
    loaded, chosen = ready(model, space, compute.device)
    check_readable(loaded, chosen.geometry)
    check_distances(chosen)
    copies = twins if isinstance(twins, Twins) else twins_of(loaded, twins, progress=progress)
    embedded = embed(loaded, hierarchy, negatives=True, compute=compute, progress=progress)
    return assess(embedded, chosen, settings, copies, progress=progress)


def check_distances(space: Space) -> None:
    """Raise InputError for a law without distances, by which an audit ranks parents."""
    if "distance" not in space.geometry.measures:
        raise InputError(f"an audit ranks parents by distance, and {space.geometry.spec} defines none: compare does.")


@torch.no_grad()
def assess(
    embedded: Embedded, space: Space, settings: AuditSettings, twins: Twins | None = None, *, progress: bool = False
) -> Audit:
    """Audit embeddings where they are; arguments as for `audit`, `twins` as for `answers_of`."""
    check_distances(space)
    subject = subject_of(embedded, space)
    gathered = Numbers()
    point = operating_point(subject)
    gathered.numbers |= point.numbers
    if point.median is not None:
        gathered.intervals["u_median"] = point.median
    cones = None
    if "margin" in space.geometry.measures:
        cones = occupancy(subject, progress=progress)
        _add_cones(gathered, subject, cones)
    captions = [row.positive for row in embedded.hierarchy.rows]
    gathered.numbers["length_tau_d"] = tau_d(chain_lengths(captions))
    gathered.numbers["length_tau_d_characters"] = tau_d(chain_lengths(captions, "characters"))
    begin("order at equal length", enabled=progress)
    equal = at_equal_length(subject, settings.seed)
    if equal is not None:
        gathered.add("right_equal_length", equal.words.as_share)
        gathered.numbers |= {"right_equal_length_pairs": equal.words.items, "right_equal_length_p": equal.words.p_value}
    begin("ranks of parents with and without curvature", enabled=progress)
    ranked = gains(subject, seed=settings.seed)
    copy, bare = None if twins is None else twins.embedded(embedded.hierarchy), None
    if copy is not None:
        begin("ranks of parents of an untrained copy", enabled=progress)
        bare = gains(subject_of(copy, space), seed=settings.seed)
    begin("metrics without angles, radii and curvature", enabled=progress)
    attribution = _add_table(gathered, attribute(subject, settings.steps, progress=progress))
    attribution |= _add_table(gathered, ranked.statistics)
    numbers, intervals = gathered.numbers, gathered.intervals
    absent = {}
    for name in ("native", *CONTROLS):
        metric = f"{PRIMARY}_{name}" if f"{PRIMARY}_{name}" in numbers else PRIMARY
        if name == "native" or metric != PRIMARY or not isinstance(space.geometry, PairLaw):
            numbers[name], intervals[name] = numbers[metric], intervals[metric]  # a flat space is its own control
        else:
            absent[name] = "there is no curvature" if name == "flat" else "radii are no lengths of embeddings"
    numbers |= {f"captions_tier{tier}": float(len(column.unique())) for tier, column in enumerate(embedded.chains.T)}
    begin("questions", enabled=progress)
    answers = questions(subject, cones=cones, ranked=ranked, bare=bare, equal=equal, twins=twins, seed=settings.seed)
    lost = [name for name in ("precision_minus_flat", "recall_minus_flat") if name in numbers]
    if any(intervals[name].high < 0 and numbers[f"{name}_p"] <= ALPHA for name in lost):
        sentence = makes_ladders_worse(answers["curvature"].sentence)
        answers["curvature"] = replace(answers["curvature"], sentence=sentence)
    order = answers["order"]
    level = order.word == "inapplicable"  # all radii are equal
    numbers |= {"depth": 0.0 if level else order.value, "depth_p": 1.0 if level else order.p_value}
    numbers["depth_effective"] = order.effective
    intervals["depth"] = Interval(0.0, 0.0) if level else Interval(order.low, order.high)
    if is_of_all_tiers(numbers["depth"], numbers["tau_d"]):
        intervals["tau_d"] = intervals["depth"]
    about = described(embedded, subject.space)
    about |= {"steps": settings.steps, "seed": settings.seed}
    left_out = absent | {
        name: why
        for measured, names, why in (
            (embedded.image, ("precision", "recall"), embedded.why_no_images),
            (embedded.contradicting, ("auroc", "average_precision"), "no contradicting captions were embedded"),
            (equal, ("right_equal_length",), NO_EQUAL_TIERS),
        )
        if measured is None
        for name in names
    }
    return Audit(numbers, intervals, answers, about, attribution, point.quantiles, left_out)


def _add_table(gathered: Numbers, measured: dict[str, dict[str, Statistic]]) -> dict[str, tuple[str, ...]]:
    """Add metrics, the same under controls, and the differences: ``M``, ``M_C``, ``M_minus_C`` and ``M_minus_C_p``.

    The last is the p-value of the difference, after Holm's correction over all differences of the table. `measured` is
    name -> metric -> statistic; the first name is what the controls are compared with. Returns metric -> controls.
    """
    native, *controls = measured
    attribution, p_values = {}, {}
    for metric, own in measured[native].items():
        gathered.add(metric, own)
        others = {control: measured[control][metric] for control in controls if metric in measured[control]}
        for control, other in others.items():
            gathered.add(f"{metric}_{control}", other)
            compared = own.minus(other)
            gathered.add(f"{metric}_minus_{control}", compared)
            p_values[f"{metric}_minus_{control}_p"] = compared.p_value
        attribution[metric] = tuple(others)
    if p_values:
        gathered.numbers |= zip(p_values, holm(list(p_values.values())).tolist(), strict=True)
    return attribution


def _add_cones(gathered: Numbers, subject: Subject, cones: Occupancy) -> None:
    matched = ~np.isnan(cones.true).all(axis=1)
    if not matched.any():
        raise InputError(
            "no caption can be matched to any child: all are children of the same parents. "
            "Give chains of at least two branches."
        )
    sharing = Sharing(subject.embedded.chains.cpu().numpy()[matched])
    true, random, inactive = (np.nanmean(values[matched], axis=1) for values in (*cones, cones.true * cones.matched))
    measured = {
        "cone_true": true,
        "cone_random": random,
        "cone_gain": true - random,
        "cone_inactive": inactive,
        "cone_misaligned": 1 - true,
    }
    for name, values in measured.items():
        gathered.add(name, mean_of(values, sharing, signed=name == "cone_gain"))
