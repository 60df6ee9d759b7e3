"""The whole objectives of published image-text models: contrast and cones of pictures, captions and their parts.

A part is a box of a picture with the phrase that describes it; it is more general than its whole. Under
`torch.distributed` contrast sees the wholes and parts of all ranks (`hiergeo.losses.ranks`), cones their own.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import compute_dtype, readable
from hiergeo.geometry import Points, Space
from hiergeo.losses import ranks
from hiergeo.losses._checks import check_embeddings, check_equal_shapes, check_number
from hiergeo.losses.cones import (
    INTER_MODAL,
    INTRA_MODAL,
    CompositionalLoss,
    Relation,
    compositional_entailment_loss,
)
from hiergeo.losses.contrastive import contrastive_loss

ENTAIL_WEIGHT = 0.2
"""The weight of cones in the published recipes of HyCoCLIP and UNCHA, which do not schedule it."""

UNCHA_TEMPERATURES = (0.07, 0.05, 0.06)
"""The first temperatures of UNCHA: of wholes, of parts, and of parts among wholes."""

SLOPE = 0.1
"""The weight of the exterior angle that UNCHA adds to every excess over the aperture."""

CALIBRATION = 10.0
"""The weight of UNCHA's calibration."""


def hycoclip_loss(
    space: Space,
    image: Tensor,
    text: Tensor,
    box_image: Tensor,
    box_text: Tensor,
    temperature: float | Tensor = 0.07,
    entail_weight: float = ENTAIL_WEIGHT,
    *,
    gather: bool = True,
) -> CompositionalLoss:
    """HyCoCLIP's objective of pairs with one box each: contrast / 4 of four kinds, and cones of four relations / 2.

    Pictures among captions, captions among pictures, boxes among captions and phrases among pictures; text over image,
    phrase over box (`INTER_MODAL`), box over image and phrase over text (`INTRA_MODAL`).

    Args:
        space: where distances are taken and cones open; theirs is Lorentz around the origin with min_radius 0.1.
        image: (N, D).
        text: (N, D), the caption of each.
        box_image: (N, D), a box of each.
        box_text: (N, D), the phrase of each box.
        temperature: > 0, geodesic units; it may be learnt.
        entail_weight: >= 0, of the cones.
        gather: whether other ranks' rows are negatives too.

    Returns:
        The total, 0-dim, and its terms, not weighted: "contrastive", nats, and each relation, radians.

    Raises:
        InputError: shapes that differ, NaN or Inf, a temperature that is not positive, a negative weight.

    Source: Pal et al., HyCoCLIP (ICLR 2025), as their training code computes it.
    """
    check_equal_shapes(image=image, text=text, box_image=box_image, box_text=box_text)
    check_number("entail_weight", entail_weight)
    one: dict[str, Any] = {"sides": "rows", "gather": gather}
    boxes = contrastive_loss(space, box_image, text, temperature, **one)
    phrases = contrastive_loss(space, box_text, image, temperature, **one)
    contrast = contrastive_loss(space, image, text, temperature, gather=gather) / 2 + (boxes + phrases) / 4
    cones = compositional_entailment_loss(space, hycoclip_relations(image, text, box_image, box_text))
    return CompositionalLoss(contrast + entail_weight * cones.total, {"contrastive": contrast, **cones.terms})


def hycoclip_relations(
    image: Tensor, text: Tensor, box_image: Tensor, box_text: Tensor, whole: Tensor | None = None
) -> list[Relation]:
    """HyCoCLIP's four relations of pairs (N, D) and their boxes (M, D), for `compositional_entailment_loss`.

    Args:
        image: (N, D).
        text: (N, D).
        box_image: (M, D).
        box_text: (M, D).
        whole: (M,) int64, the pair each box is of; None where every pair has one box, M = N.
    """
    images, texts = (image, text) if whole is None else (image[whole], text[whole])
    return [
        Relation("text over image", text, image, INTER_MODAL),
        Relation("box text over box image", box_text, box_image, INTER_MODAL),
        Relation("box image over image", box_image, images, INTRA_MODAL),
        Relation("box text over text", box_text, texts, INTRA_MODAL),
    ]


def uncha_loss(
    space: Space,
    image: Tensor,
    text: Tensor,
    part_image: Tensor,
    part_text: Tensor,
    whole: Tensor,
    temperatures: tuple[float | Tensor, float | Tensor, float | Tensor] = UNCHA_TEMPERATURES,
    entail_weight: float = ENTAIL_WEIGHT,
    *,
    gather: bool = True,
) -> CompositionalLoss:
    """UNCHA's objective of pairs with any number of parts: contrast of three kinds, cones, and calibrated uncertainty.

    With u the `uncertainty` of a part, contrast is that of wholes, of parts, and of parts among wholes by the logits
    -exp(-u / 2) d / temperature, u without gradient. The excess of a relation is e = max(0, Xi - a psi) + Xi / 10, and
    the cones are mean(e) / 2 of text over image and of part text over part image, mean(e) / 4 of part over whole in
    either modality. Calibration of a modality is 10 (mean(e / (2 exp u) + u / 2) + H), e of part over whole without
    gradient and H the entropy of the softmax of u over this rank's parts. Distances of parts and wholes are stored.

    Args:
        space: as for `hycoclip_loss`.
        image: (N, D).
        text: (N, D), the caption of each.
        part_image: (M, D).
        part_text: (M, D), the phrase of each part.
        whole: (M,) int64, the pair each part is of, a row of `image`.
        temperatures: > 0, of wholes, of parts, and of parts among wholes; they may be learnt.
        entail_weight: >= 0, of cones and calibration.
        gather: whether other ranks' rows are negatives too.

    Returns:
        The total, 0-dim, and its terms, not weighted.

    Raises:
        InputError: shapes or numbers that do not fit, NaN or Inf.

    Source: Kim, Jang et al., UNCHA (CVPR 2026), as their training code computes it.
    """
    check_equal_shapes(image=image, text=text)
    check_equal_shapes(part_image=part_image, part_text=part_text)
    check_number("entail_weight", entail_weight)
    check_embeddings(image=image, text=text, part_image=part_image, part_text=part_text)
    _check_wholes(whole, len(part_image), len(image))
    of_wholes, of_parts, of_both = temperatures
    terms = {
        "global": contrastive_loss(space, image, text, of_wholes, gather=gather),
        "local": contrastive_loss(space, part_image, part_text, of_parts, gather=gather),
        "global local": (
            _among_wholes(space, part_image, text, whole, of_both, gather)
            + _among_wholes(space, part_text, image, whole, of_both, gather)
        )
        / 2,
    }
    contrast = torch.stack(list(terms.values())).sum()
    images, texts, parts, phrases = (space.points(embeddings) for embeddings in (image, text, part_image, part_text))
    by_image, by_text = (
        _excess(space, *pair, INTRA_MODAL) for pair in ((parts, images.rows(whole)), (phrases, texts.rows(whole)))
    )
    terms |= {
        "text over image": _excess(space, texts, images, INTER_MODAL).mean() / 2,
        "part text over part image": _excess(space, phrases, parts, INTER_MODAL).mean() / 2,
        "part image over image": by_image.mean() / 4,
        "part text over text": by_text.mean() / 4,
        "calibration of images": _calibration(uncertainty(space, parts), by_image),
        "calibration of texts": _calibration(uncertainty(space, phrases), by_text),
    }
    rest = torch.stack(list(terms.values())[3:]).sum()
    return CompositionalLoss((contrast + entail_weight * rest).to(compute_dtype(image.dtype)), terms)


def uncertainty(space: Space, x: Tensor | Points) -> Tensor:
    """log(1 + exp(-|x|)) of points (..., N), (..., N) in (0, log 2]: |x| is the length of their coordinates.

    That is sinh(s r) / s, r or sin(s r) / s with s = sqrt(|K|), over the factors of a product the root of the sum of
    squares. The time coordinate of hyperbolic space does not count.

    Source: Kim, Jang et al., UNCHA (CVPR 2026).
    """
    points = space.points(x)
    factors = zip(space.geometry.parts(points.dim), points.radii, strict=True)
    squares = [_sine(factor.curvature, radius).square() for (factor, _), radius in factors]
    total = torch.stack(squares).sum(0)
    length = torch.where(total > 0, total.clamp_min(torch.finfo(total.dtype).tiny).sqrt(), 0.0)
    return softplus(-length)


def _sine(curvature: float | Tensor, radius: Tensor) -> Tensor:
    k = torch.as_tensor(curvature, dtype=radius.dtype, device=radius.device)
    if readable(k) and float(k.detach()) == 0:
        return radius
    s = k.abs().sqrt()
    return torch.where(k < 0, torch.sinh(s * radius), torch.sin(s * radius)) / s


def _excess(space: Space, parent: Points, child: Points, aperture_scale: float) -> Tensor:
    return space.energy(parent, child, None, aperture_scale) + SLOPE * space.exterior_angle(parent, child)


def _calibration(uncertain: Tensor, excess: Tensor) -> Tensor:
    scaled = excess.detach() / uncertain.exp() / 2 + uncertain / 2
    logs = uncertain.log_softmax(0)
    return CALIBRATION * (scaled.mean() - (logs.exp() * logs).sum())


def _among_wholes(
    space: Space, parts: Tensor, wholes: Tensor, of: Tensor, temperature: float | Tensor, gather: bool
) -> Tensor:
    """The mean cross-entropy of finding the whole of each part, once for every part it has, at its own temperature."""
    check_number("temperature", temperature, positive=True)
    counts, total = torch.bincount(of, minlength=len(wholes)), len(parts)
    ranked = ranks.gathers(gather)
    if ranked:
        per_rank = ranks.counts_of(wholes)
        wholes, counts, of = (
            ranks.gathered(wholes, per_rank),
            ranks.gathered(counts, per_rank),
            of + ranks.before(per_rank),
        )
        total = sum(ranks.counts_of(parts))
    scale = (-uncertainty(space, parts).detach() / 2).exp() / temperature
    logits = -scale.unsqueeze(1) * space.pairwise_distance(parts, wholes)
    own = logits.gather(1, of.unsqueeze(1)).squeeze(1)
    share = ((logits + counts.to(logits.dtype).log()).logsumexp(1) - own).sum() / total
    return ranks.whole(share) if ranked else share


def _check_wholes(whole: Tensor, parts: int, wholes: int) -> None:
    if whole.shape != (parts,) or whole.dtype != torch.int64:
        raise InputError(f"whole must be {parts} integers (int64), not {whole.dtype} of shape {tuple(whole.shape)}.")
    if readable(whole) and not bool(((whole >= 0) & (whole < wholes)).all()):
        raise InputError(f"whole must hold rows of image, 0 to {wholes - 1}.")
