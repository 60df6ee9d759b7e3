"""The objectives of HyCoCLIP and UNCHA against their own code in float64, and against a plain writing of their sums."""

import importlib
import math
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hiergeo import Lorentz, Space
from hiergeo._core.errors import InputError
from hiergeo.losses import contrastive_loss, hycoclip_loss, uncha_loss
from hiergeo.losses.published import uncertainty
from hiergeo.testing import oracle
from tests.losses.losses_common import EVERY, normal

DIM, PAIRS = 6, 5
CURVATURE, TEMPERATURE = 0.7, 0.11
WHOLE = torch.tensor([0, 0, 1, 3, 3, 3, 4])
ORIGINALS = os.environ.get("HIERGEO_ORIGINALS")
"""A folder with clones of PalAvik/hycoclip and jeeit17/UNCHA, whose licence keeps them out of this repository."""


def tangent(rows: int, seed: int, spread: float = 0.6) -> Tensor:
    return spread * normal(rows, DIM, seed=seed)


def points() -> tuple[Tensor, ...]:
    return tangent(PAIRS, 0, 0.9), tangent(PAIRS, 1), tangent(len(WHOLE), 2), tangent(len(WHOLE), 3, 0.4)


def lorentz() -> Space:
    return Space(Lorentz(-CURVATURE), torch.zeros(DIM, dtype=torch.float64))


# the code of the authors


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of a clone, without the packages that its losses do not use."""
    if ORIGINALS is None:
        pytest.skip("HIERGEO_ORIGINALS names no folder with the code of the authors")

    def load(package: str) -> ModuleType:
        for name in ("loguru", "timm", "hydra", "omegaconf"):
            if importlib.util.find_spec(name) is None:
                monkeypatch.setitem(sys.modules, name, SimpleNamespace(logger=None))
        folder = next(path.parent for path in Path(str(ORIGINALS)).rglob(f"{package}/models.py"))
        monkeypatch.syspath_prepend(str(folder.parent))
        return importlib.import_module(f"{package}.models")

    return load


def model_of(kind: Any, **numbers: float) -> Any:
    """The authors' model without its towers: encoders hand through points of the hyperboloid, in the order of calls."""
    made = kind.__new__(kind)
    torch.nn.Module.__init__(made)
    logs = {"curv": CURVATURE, "visual_alpha": 1.0, "textual_alpha": 1.0, **numbers}
    for name, value in logs.items():
        setattr(made, name, torch.nn.Parameter(torch.tensor(value, dtype=torch.float64).log()))
    made._curv_minmax, made._rank, made.entail_weight = {"min": -9.0, "max": 9.0}, 0, 0.2
    return made


def on_hyperboloid(module: ModuleType, rows: Tensor) -> Tensor:
    return module.L.exp_map0(rows, torch.tensor(CURVATURE, dtype=torch.float64))


def test_hycoclip_is_that_of_its_authors(original: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = original("hycoclip")
    monkeypatch.setattr(module.dist, "gather_across_processes", lambda rows: [rows])
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.enable_grad())
    model = model_of(module.HyCoCLIP, logit_scale=1 / TEMPERATURE)
    monkeypatch.setattr(module.HyCoCLIP, "device", torch.device("cpu"))
    rows = [tangent(PAIRS, seed).requires_grad_() for seed in range(4)]
    model.encode_image = model.encode_text = lambda x, project: on_hyperboloid(module, x)
    image, text, box, phrase = rows
    theirs = model.forward(image, box, text, phrase)
    wanted = torch.autograd.grad(theirs["loss"], rows)
    ours = hycoclip_loss(lorentz(), image, text, box, phrase, TEMPERATURE)
    torch.testing.assert_close(ours.total, theirs["loss"].detach(), rtol=1e-6, atol=0, check_dtype=False)
    torch.testing.assert_close(
        ours.terms["contrastive"], theirs["logging"]["contrastive_loss"].detach(), rtol=1e-6, atol=0
    )
    for mine, other in zip(torch.autograd.grad(ours.total, rows), wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_uncha_is_that_of_its_authors(original: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = original("uncha")
    monkeypatch.setattr(module.dist, "gather_across_processes", lambda rows: [rows])
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.enable_grad())
    temperatures = (0.11, 0.08, 0.14)
    scales = ("global_logit_scale", "local_logit_scale", "global_local_logit_scale")
    model = model_of(module.UNCHA, **{name: 1 / t for name, t in zip(scales, temperatures, strict=True)})
    monkeypatch.setattr(module.UNCHA, "device", torch.device("cpu"))
    width = 512  # theirs is written for it
    image, text, box, phrase = (torch.nn.functional.pad(rows, (0, width - DIM)).requires_grad_() for rows in points())
    most = 3
    valid = torch.zeros(PAIRS, most, 5)
    places = [(pair, list(WHOLE[:at]).count(pair)) for at, pair in enumerate(WHOLE)]
    for pair, place in places:
        valid[pair, place, 4] = 1.0
    boxes = torch.zeros(PAIRS, most, 1, 1, width, dtype=torch.float64)
    for at, (pair, place) in enumerate(places):
        boxes[pair, place, 0, 0] = box[at]
    model.encode_image = lambda x, project: on_hyperboloid(module, x.flatten(1).double())
    model.encode_text = lambda x, project: on_hyperboloid(module, torch.stack(list(x)))
    phrases = [phrase[pair == WHOLE] for pair in range(PAIRS)]
    real = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *a, **o: real(*a, **{"dtype": torch.float64, **o}))
    theirs = model.forward(image, boxes, text, phrases, valid, None, 0, lambda tokens: tokens)
    wanted = torch.autograd.grad(theirs["loss"], [image, text, box, phrase])
    space = Space(Lorentz(-CURVATURE), real(width, dtype=torch.float64))
    ours = uncha_loss(space, image, text, box, phrase, WHOLE, temperatures)
    torch.testing.assert_close(ours.total, theirs["loss"].detach(), rtol=1e-5, atol=0, check_dtype=False)
    mine = torch.autograd.grad(ours.total, [image, text, box, phrase])
    for name, own, other in zip(("image", "text", "box", "phrase"), mine, wanted, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5, msg=name)


# sums written out


def distances(x: Tensor, y: Tensor, k: float = -CURVATURE) -> Tensor:
    return torch.stack([oracle.distance(_ray(a.expand_as(y)), _ray(y), k) for a in x])


def _ray(v: Tensor) -> Any:
    from hiergeo import Polar

    return Polar(v, torch.linalg.vector_norm(v, dim=-1))


def test_hycoclip_written_out() -> None:
    image, text, box, phrase = (tangent(PAIRS, seed) for seed in range(4))
    own = torch.arange(PAIRS)
    contrast = sum(
        cross_entropy(-distances(x, y) / TEMPERATURE, own)
        for x, y in ((image, text), (text, image), (box, text), (phrase, image))
    )
    found = hycoclip_loss(lorentz(), image, text, box, phrase, TEMPERATURE, entail_weight=0.5)
    torch.testing.assert_close(found.terms["contrastive"], contrast / 4, rtol=1e-6, atol=0)
    cones = sum(value for name, value in found.terms.items() if name != "contrastive") / 2
    torch.testing.assert_close(found.total, contrast / 4 + 0.5 * cones, rtol=1e-6, atol=0)


def test_uncha_among_wholes_counts_a_whole_once_for_each_of_its_parts() -> None:
    image, text, box, phrase = points()
    found = uncha_loss(lorentz(), image, text, box, phrase, WHOLE, (0.1, 0.2, 0.3))
    halves = []
    for parts, wholes in ((box, text), (phrase, image)):
        length = torch.sinh(CURVATURE**0.5 * parts.norm(dim=1)) / CURVATURE**0.5
        u = torch.log1p(torch.exp(-length))
        logits = -torch.exp(-u / 2).unsqueeze(1) * distances(parts, wholes[WHOLE]) / 0.3
        halves.append(cross_entropy(logits, torch.arange(len(WHOLE))))
    torch.testing.assert_close(found.terms["global local"], sum(halves) / 2, rtol=1e-6, atol=0)


@pytest.mark.parametrize("geometry", EVERY, ids=lambda geometry: geometry.spec)
def test_every_space_gives_finite_gradients(geometry: Any) -> None:
    rows = [(0.3 * each).requires_grad_() for each in points()]
    space = Space(geometry, torch.zeros(DIM, dtype=torch.float64))
    image, text, part_image, part_text = rows
    uncha_loss(space, image, text, part_image, part_text, WHOLE).total.backward()
    assert all(bool(row.grad.isfinite().all()) and bool(row.grad.any()) for row in rows)


def test_uncertainty_is_half_of_the_logarithm_at_most_and_falls_with_the_radius() -> None:
    rows = torch.linspace(0, 4, 9, dtype=torch.float64).unsqueeze(1) * torch.eye(1, DIM, dtype=torch.float64)
    rows = rows.detach().requires_grad_()
    found = uncertainty(lorentz(), rows)
    assert float(found[0].detach()) == pytest.approx(math.log(2))
    assert bool((found.detach().diff() < 0).all())
    found.sum().backward()
    assert bool(rows.grad.isfinite().all())


def test_contrast_of_rows_alone() -> None:
    x, y = tangent(4, 0), tangent(7, 1)
    labels = torch.tensor([0, 1, 2, 3]), torch.tensor([3, 2, 1, 0, 8, 9, 8])
    found = contrastive_loss(lorentz(), x, y, TEMPERATURE, labels, sides="rows")
    wanted = cross_entropy(-distances(x, y) / TEMPERATURE, torch.tensor([3, 2, 1, 0]))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    each = contrastive_loss(lorentz(), x, y, TEMPERATURE, labels, sides="rows", reduction="none")
    torch.testing.assert_close(each.mean(), wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("whole", [WHOLE[:-1], WHOLE.float(), WHOLE + 1, WHOLE - 1])
def test_parts_of_no_whole_are_refused(whole: Tensor) -> None:
    image, text, part_image, part_text = points()
    with pytest.raises(InputError, match="whole must"):
        uncha_loss(lorentz(), image, text, part_image, part_text, whole)
