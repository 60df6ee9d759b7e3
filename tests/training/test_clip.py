"""Image-text models trained in a space: what a step computes, what the folder holds, what it is used as."""

import io
import json
import math
import re
import tarfile
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import Space, adapters, evaluate
from hiergeo._core.errors import InputError
from hiergeo.adapters.trained import LiftedClip
from hiergeo.datasets import scenes
from hiergeo.training.clip import objective
from hiergeo.training.clip.data import Pairs, Place, Prepared
from hiergeo.training.clip.plan import ClipPlan, PairData
from hiergeo.training.clip.run import ClipRun
from hiergeo.training.processes import accelerated
from tests.training.clip_common import SHORT, trained, weights

PRODUCT = "product:lorentz:-1?learnablex32,euclidean:x32"


@pytest.fixture(scope="module")
def lorentz(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "a"
    return folder, trained(folder)


def test_a_trained_folder_is_a_model_in_its_native_space(lorentz):
    folder, made = lorentz
    model = adapters.load(made.spec)
    space = model.native_space()
    assert space is not None
    assert space.geometry.value == pytest.approx(made.history[-1].curvature[0], rel=1e-6)
    assert space.geometry.value != -1
    assert not space.root.any()
    with pytest.warns(UserWarning, match="hyperbolic"):
        towers = adapters.load(f"open_clip:local-dir:{folder}").network
    factor = json.loads((folder / "hiergeo.json").read_text())["factors"][1]
    tokens = model.tokenizer(["an owl"])
    torch.testing.assert_close(model.encode_text(["an owl"]), factor * towers.encode_text(tokens), rtol=1e-5, atol=0)
    result = evaluate(made.spec, scenes.load("test", count=6))
    assert result.settings["geometry"].startswith("lorentz:-0.9")


def test_open_clip_towers_of_a_curved_space_are_noted(lorentz):
    spec = f"open_clip:local-dir:{lorentz[0]}"
    with pytest.warns(UserWarning, match=r"hyperbolic space.*\?space="):
        adapters.load(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = adapters.load(f"{spec}?space=lorentz:-0.5")
        unit = adapters.load(f"{spec}?space=lorentz:-0.5&norm=unit")
    assert named.name.endswith("?space=lorentz:-0.5")
    assert named.native_space().geometry.spec == "lorentz:-0.5"
    assert named.encode_text(["an eagle"]).norm() > 1.01
    assert unit.encode_text(["an eagle"]).norm() == pytest.approx(1, abs=1e-6)
    assert unit.fingerprint() != named.fingerprint()
    with pytest.raises(InputError, match="lorentz"):
        adapters.load(f"{spec}?space=lorentx:-1")


@pytest.mark.parametrize("damage", ["weights", "description", "no description"])
def test_a_damaged_folder_is_refused(damage, tmp_path):
    trained(tmp_path / "a", steps=1)
    path = tmp_path / "a" / ("open_clip_model.safetensors" if damage == "weights" else "hiergeo.json")
    content = path.read_bytes()
    path.write_bytes(content[:-20] + b"x" * 20) if damage != "no description" else path.unlink()
    with pytest.raises(InputError, match=path.name.replace(".", r"\.")):
        adapters.load(f"trained:{tmp_path / 'a'}")


@pytest.mark.parametrize("space", ["cosine", "euclidean", PRODUCT])
def test_spaces_and_losses(space, tmp_path):
    losses = {"siglip": 1.0} if space == "cosine" else {"siglip": 1.0, "entailment": 0.3}
    made = trained(tmp_path / "a", space=space, losses=losses, steps=2, precision="bf16")
    model = adapters.load(made.spec)
    native = model.native_space()
    if space == "cosine":
        assert native is None
        assert model.encode_text(["an eagle"]).norm() == pytest.approx(1, abs=1e-6)
    else:
        assert native.geometry.kind == Space(space).geometry.fixed().kind or space == PRODUCT
    line = json.loads((tmp_path / "a" / "log.jsonl").read_text().splitlines()[1])
    weighted = sum(weight * line[name] for name, weight in losses.items())
    assert line["total"] == pytest.approx(weighted, rel=1e-6)


def stepped(chunk, **changes):
    """The gradients of a first step, by name."""
    model = adapters.load("tiny", device="cpu").trainable()
    plan = ClipPlan(out="none", chunk=chunk, **(SHORT | changes))
    pairs = Pairs(plan.data, plan.seed)
    with accelerated(model.device, "no", plan.batch, None, "none", {}) as accelerator:
        run = ClipRun(model, plan, pairs, accelerator)
        run.network.double()
        run.network.visual = run.network.towers.visual.eval()  # statistics of batches are those of chunks
        run.network.train = lambda: run.network
        batch = next(pairs.batches(plan.batch, Place(0, 0)))
        pixels = [model.transform(pair.picture()).double() for pair, _ in batch.pairs]
        run.step(1, Prepared(pixels, [caption for _, caption in batch.pairs], batch.position, []))
    return {name: weight.grad for name, weight in run.module.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("losses", [{"contrastive": 1.0, "entailment": 0.2}, {"siglip": 1.0}])
def test_a_batch_in_chunks_has_the_gradient_of_the_whole(losses):
    whole, parts = stepped(None, losses=losses), stepped(3, losses=losses)
    assert whole.keys() == parts.keys()
    assert {"objective.log_scale", "network.log_factors", "objective.space.geometry.log_magnitude"} < whole.keys()
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-5, atol=1e-8 * largest, msg=name)


def test_training_reads_texts_without_their_padding_to_the_same_gradients():
    model = adapters.load("tiny", device="cpu").trainable()
    network = LiftedClip(model.network.double().requires_grad_(True), torch.zeros(2))
    seen: list[int] = []
    network.towers.transformer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    tokens, found = model.tokenizer(["", "an owl above a taxi", "two birds"]), []
    for read in (tokens, network.unpadded(tokens)):
        network.zero_grad()
        rows = network.encode_text(read)
        rows.square().sum().backward()
        gradients = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
        found.append([rows.detach(), *gradients])
    assert seen == [tokens.shape[1], int((tokens != 0).sum(1).max())]
    assert len(found[0]) > 20
    for whole, cut in zip(*found, strict=True):
        torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-6)  # rows are rounded to float32


@pytest.mark.slow
def test_low_rank_adapters_train_few_weights_and_are_merged(tmp_path):
    pytest.importorskip("peft")
    trained(tmp_path / "a", lora=2, steps=2)
    before = adapters.load("tiny").trainable().network.state_dict()
    after = weights(tmp_path / "a")
    assert after.keys() == before.keys()
    moved = {name for name in after if not torch.equal(after[name], before[name]) and "running" not in name}
    assert moved
    assert all("mlp" in name or name == "logit_scale" or "num_batches" in name for name in moved)


def test_bounds_are_held_and_told(tmp_path):
    trained(tmp_path / "a", curvature=(0.99999, 1.00001), temperature=0.01, learning_rate=0.1, steps=3)
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "held" in line]
    assert len(steps) == 3
    assert any("K" in line["held"] for line in steps)
    for line in steps:
        assert 0.99998 <= -line["K"][0] <= 1.00002
        assert line["temperature"] >= 0.01 - 1e-9
        assert max(line["factors"]) <= 1


def test_a_log_of_tensorboard_holds_the_numbers_of_every_line(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(tmp_path / "a", log="tensorboard")
    read = accumulators.EventAccumulator(str(tmp_path / "a" / "log")).Reload()
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    steps, looks = ([line for line in lines if key in line] for key in ("total", "look"))

    def scalars(name):
        return {each.step: pytest.approx(each.value, rel=1e-6) for each in read.Scalars(name)}

    assert scalars("total") == {line["step"]: line["total"] for line in steps}
    assert scalars("K/0") == {line["step"]: line["K"][0] for line in steps}
    name = "validation/image_to_text_r1"
    assert scalars(name) == {line["look"]: line["validation"]["image_to_text_r1"] for line in looks}


def test_what_is_not_finite_ends_with_the_last_look(tmp_path, monkeypatch):
    calls = iter([1.0, 1.0, math.nan])
    real = objective.LOSSES["contrastive"]
    monkeypatch.setitem(objective.LOSSES, "contrastive", lambda o, b: real(o, b) * next(calls))
    made = trained(tmp_path / "a", losses={"contrastive": 1.0})
    assert "step 3" in made.diverged
    assert made.history[-1].step == 2
    assert adapters.load(made.spec).encode_text(["an eagle"]).isfinite().all()


@pytest.fixture
def table(tmp_path):
    for place in range(60):
        pixels = np.random.default_rng(place).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
    rows = "".join(f"picture number {place},{place}.png\n" for place in range(60))
    (tmp_path / "pairs.csv").write_text(f"caption,image\n{rows}")
    return tmp_path / "pairs.csv"


def test_a_table_of_pictures_is_trained_on(table):
    made = trained(table.parent / "a", data={"source": str(table), "held_out": 3}, steps=2, every=2)
    assert made.config["data"]["source"] == str(table)
    data = {"source": str(table), "held_out": 3, "boxes": 2, "box_column": "none", "workers": 1}
    again = trained(table.parent / "a", data=data, steps=2, every=2)  # what it does not use makes it no other training
    assert again.config == made.config


def test_an_archive_of_pairs_is_trained_on_and_equal_captions_match_each_others_pictures(table, monkeypatch):
    with tarfile.open(table.parent / "pairs.tar", "w") as archive:
        for place in range(60):
            archive.add(table.parent / f"{place}.png", f"{place}.png")
            caption = io.BytesIO(b"one more picture")
            header = tarfile.TarInfo(f"{place}.txt")
            header.size = len(caption.getvalue())
            archive.addfile(header, caption)
    data = {"source": str(table.parent / "pairs.tar"), "held_out": 3, "buffer": 16}
    labels = []
    real = objective.LOSSES["contrastive"]
    monkeypatch.setitem(objective.LOSSES, "contrastive", lambda o, b: labels.append(b.labels) or real(o, b))
    made = trained(table.parent / "a", data=data, steps=2, every=2)
    assert made.history[-1].validation["image_to_text_r1"] == 1  # one caption describes them all
    assert [len(each.unique()) for each in labels] == [1, 1]
    trained(table.parent / "b", data={"source": str(table), "held_out": 3}, steps=1)
    assert len(labels[-1].unique()) == 8


def test_the_order_is_that_of_the_seed_from_any_place_and_leaves_out_what_is_held_out(table):
    data = PairData(source=str(table), held_out=3, buffer=10)
    pairs = Pairs(data, 0)
    whole = [caption for _, caption in pairs.epoch(0)]
    held = {pair.captions[0] for pair in pairs.held_out}
    assert len(whole) + len(held) == 60
    assert not held & set(whole)
    assert whole == [caption for _, caption in Pairs(data, 0).epoch(0)]
    assert whole != [caption for _, caption in pairs.epoch(1)]
    assert whole != [caption for _, caption in Pairs(data, 1).epoch(0)]
    stream, batches = pairs.batches(8, Place(0, 0)), []
    for _ in range(12):
        batches.append(next(stream))
    again = Pairs(data, 0).batches(8, batches[6].position)
    for batch in batches[7:]:
        assert next(again) == batch
    first = [caption for batch in batches[: len(whole) // 8] for _, caption in batch.pairs]
    assert first == whole[: len(first)]


PLANS = {
    "unknown key": ("stepz = 3", r"stepz.*did you mean 'steps'"),
    "unknown loss": ("[losses]\ncontrastiv = 1", "unknown loss 'contrastiv'.*contrastive"),
    "no contrast": ("[losses]\nentailment = 1", "contrastive.*siglip"),
    "both": ("[losses]\ncontrastive = 1\nsiglip = 1", "exactly one"),
    "entailment of cosines": ("space = 'cosine'", "entailment.*cosine"),
    "boxes of scenes": ("[losses]\nhycoclip = 1", "hycoclip.*boxes.*scenes"),
    "two boxes": ("[losses]\nhycoclip = 1\n[data]\nsource = 'a.tar'\nboxes = 2", "boxes must be 1"),
    "boxes of cosines": ("space = 'cosine'\n[losses]\nuncha = 1\n[data]\nsource = 'a.tar'", "uncha.*cosine"),
    "space": ("space = 'lorentz:1'", "negative"),
    "bounds": ("space = 'lorentz:-30?learnable'", "must begin within"),
    "type": ("steps = 'many'", "steps"),
    "range": ("batch = 1", "batch"),
    "data": ("[data]\nsource = 'scenes'\nrow = 3", "row.*rows"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_that_cannot_be_used_gets_one_sentence_before_any_work(name, tmp_path, run):
    text, said = PLANS[name]
    plan = tmp_path / "plan.toml"
    plan.write_text(f"out = '{tmp_path / 'a'}'\n{text}\n")
    code, out, err = run("train", "clip", plan)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(said, err), err
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_an_architecture_begins_with_the_random_weights_of_a_seed(tmp_path):
    plan = {"model": "open_clip:hiergeo-tiny", "fresh": True, "steps": 1, "every": 1, "learning_rate": 1e-9}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trained(tmp_path / name, seed=seed, **plan)
    a, b, c = (weights(tmp_path / name)["text_projection"] for name in "abc")
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)
    with pytest.raises(InputError, match=r"unknown open_clip architecture 'hiergeo-tine'.*hiergeo-tiny"):
        trained(tmp_path / "d", **(plan | {"model": "open_clip:hiergeo-tine"}))


def test_a_folder_can_be_moved_and_one_of_others_is_left_alone(tmp_path):
    spec = trained(tmp_path / "a", steps=1).spec
    before = adapters.load(spec).encode_text(["an eagle"])
    (tmp_path / "a").rename(tmp_path / "b")
    torch.testing.assert_close(adapters.load(f"trained:{tmp_path / 'b'}").encode_text(["an eagle"]), before)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"README\.md exists"):
        trained(tmp_path / "mine", steps=1)
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"


def test_a_product_of_other_dimensions_is_refused_before_any_step(tmp_path):
    with pytest.raises(InputError, match="64"):
        trained(tmp_path / "a", space="product:lorentz:-1x32,euclidean:x16")
    assert not (tmp_path / "a" / "log.jsonl").exists()


def test_the_command_line_trains_and_names_the_model(tmp_path, run):
    plan, out = tmp_path / "plan.toml", tmp_path / "a"
    plan.write_text("steps = 2\nbatch = 8\nevery = 2\n[data]\nrows = 40\nheld_out = 8\n")
    code, printed, _ = run("train", "clip", plan, "--out", out, "--json", tmp_path / "a.json")
    assert code == 0
    assert f"trained:{out}" in printed
    assert json.loads((tmp_path / "a.json").read_text())["history"][-1]["step"] == 2
    assert run("train", "card", out, "--audit", "A verdict.")[0] == 0
    assert run("train", "clip", plan, "--out", out)[0] == 0  # takes no step, and the card stays
    assert "A verdict." in (out / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("space", ["cosine", "lorentz:-1?learnable"])
def test_training_from_scratch_learns_retrieval(space, tmp_path):
    """48 scenes that were never seen: chance is 1 in 48."""
    losses = {"contrastive": 1.0} if space == "cosine" else {"contrastive": 1.0, "entailment": 0.2}
    data = {"rows": 3000, "held_out": 48}
    options = {"learning_rate": 1.5e-3, "warmup": 15, "weight_decay": 0.05, "data": data, "losses": losses}
    made = trained(tmp_path / "a", space=space, fresh=True, steps=240, batch=64, every=240, **options)
    before, after = (look.validation for look in (made.history[0], made.history[-1]))
    assert before["image_to_text_r1"] < 0.1
    assert after["image_to_text_r1"] > 0.25
    assert after["text_to_image_r1"] > 0.25
