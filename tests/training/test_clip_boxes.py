"""Boxes of pictures in trainings: what is drawn, what belongs to what, and the objectives of HyCoCLIP and UNCHA."""

import json
import re

import numpy as np
import pytest
import torch

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.losses import Relation, compositional_entailment_loss, hycoclip_loss, uncha_loss
from hiergeo.training.clip.data import Pairs, Place
from hiergeo.training.clip.plan import ClipPlan, PairData
from hiergeo.training.clip.run import ClipRun
from hiergeo.training.processes import accelerated
from tests.training.clip_common import SHORT, grit, part, picture, table_of_boxes, trained


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return grit(tmp_path_factory.mktemp("grit") / "a.tar")


def boxed(source, boxes=1, **changes):
    return PairData(source=str(source), boxes=boxes, held_out=3, buffer=16, **changes)


def first_step(plan):
    """The run of a plan after its first step, what the step told, and the captions and phrases that it saw."""
    model = adapters.load("tiny", device="cpu").trainable()
    pairs = Pairs(plan.data, plan.seed, plan.boxed)
    with accelerated(model.device, "no", plan.batch, None, "none", {}) as accelerator:
        run = ClipRun(model, plan, pairs, accelerator)
        run.network.eval()
        run.network.train = lambda: run.network  # statistics of batches are those of chunks
        batches = run.batches(range(1, 2))
        batch = next(batches)
        losses, facts = run.step(1, batch)
        batches.close()
    return run, losses | facts, batch.captions


def plan_of(archive, losses, boxes, **changes):
    return ClipPlan(out="none", losses=losses, **(SHORT | {"data": boxed(archive, boxes)} | changes))


class Untrained:
    """The bundled model with the factors that a training begins with, embedding numbered pictures and their boxes."""

    def __init__(self):
        self.model = adapters.load("tiny", device="cpu").trainable()
        self.factor = self.model.config["embed_dim"] ** -0.5

    def images(self, pictures):
        with torch.no_grad():
            return self.factor * self.model.network.encode_image(self.model.pixels(pictures))

    def texts(self, captions):
        with torch.no_grad():
            return self.factor * self.model.network.encode_text(self.model.tokens(captions))


def numbers(captions):
    return [tuple(map(int, re.findall(r"\d+", caption))) for caption in captions]


@pytest.mark.parametrize(("name", "boxes"), [("hycoclip", 1), ("uncha", 2), ("compositional_entailment", 2)])
def test_a_step_sees_the_objective_of_its_pairs_and_their_own_boxes(archive, name, boxes):
    """The loss is the published function on embeddings of pictures and texts that were put together by their names."""
    losses = {name: 1.0} if name in ("hycoclip", "uncha") else {"contrastive": 1.0, name: 1.0}
    run, told, texts = first_step(plan_of(archive, losses, boxes, learning_rate=1e-12))
    wholes = [number for (number,) in numbers(texts[:8])]
    parts = numbers(texts[8:])
    assert len(parts) == 8 * boxes
    assert [number for _, number in parts] == [number for number in wholes for _ in range(boxes)]
    assert len(set(parts)) == len(parts)
    model = Untrained()
    of = torch.tensor([wholes.index(number) for _, number in parts])
    image, text = model.images([picture(number) for number in wholes]), model.texts(texts[:8])
    cut, phrases = model.images([part(number, box) for box, number in parts]), model.texts(texts[8:])
    space = run.objective.space
    if name == "hycoclip":
        wanted = hycoclip_loss(space, image, text, cut, phrases, 0.07)
    elif name == "uncha":
        wanted = uncha_loss(space, image, text, cut, phrases, of)
    else:
        across = Relation("a", text, image, 0.7), Relation("b", phrases, cut, 0.7)
        within = Relation("c", cut, image[of], 1.2), Relation("d", phrases, text[of], 1.2)
        wanted = compositional_entailment_loss(space, [*across, *within])
    assert told[name] == pytest.approx(float(wanted.total.detach()), rel=1e-4)
    assert sum(label.startswith(f"{name}: ") for label in told) == len(wanted.terms)
    assert told["total"] == pytest.approx(sum(told[each] for each in losses), rel=1e-6)


@pytest.mark.parametrize(("name", "boxes"), [("hycoclip", 1), ("uncha", 3)])
def test_chunks_have_the_gradient_of_the_whole_batch_with_its_boxes(archive, name, boxes):
    """A chunk of 5 holds pairs and boxes together."""

    def gradients(chunk):
        run, _, _ = first_step(plan_of(archive, {name: 1.0}, boxes, chunk=chunk))
        return {label: each.grad for label, each in run.module.named_parameters() if each.grad is not None}

    whole, parts = gradients(None), gradients(5)
    assert whole.keys() == parts.keys()
    assert ("objective.log_box_scales" in whole) is (name == "uncha")
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    for label, gradient in whole.items():
        torch.testing.assert_close(parts[label], gradient, rtol=1e-3, atol=1e-5 * largest, msg=label)


def test_boxes_of_a_table_are_those_cut_out_of_its_pictures(tmp_path, archive):
    table = Pairs(boxed(table_of_boxes(tmp_path), 3), 0, boxed=True)
    seen = 0
    for pair, caption in table.epoch(0):
        (number,) = numbers([caption])[0]
        whole, *parts = pair.pictures()
        assert np.array_equal(whole, picture(number))
        for box, made in zip(pair.boxes, parts, strict=True):
            which, of = numbers([box.phrase])[0]
            assert of == number
            assert np.array_equal(made, part(number, which))
            seen += 1
    assert seen == 3 * (60 - len(table.held_out))
    for pair, caption in Pairs(boxed(archive, 3), 0, boxed=True).epoch(0):
        (number,) = numbers([caption])[0]
        assert {box.phrase for box in pair.boxes} == {f"part {box} of {number}" for box in range(3)}
        for box, made in zip(pair.boxes, pair.pictures()[1:], strict=True):
            assert np.array_equal(made, part(number, numbers([box.phrase])[0][0]))


def test_boxes_are_drawn_anew_in_each_pass_and_the_same_from_any_place(archive):
    """In the middle of a pass through an archive, 57 pairs at 5 a batch."""
    pairs = Pairs(boxed(archive, 2), 0, boxed=True)
    drawn = [{pair.key: frozenset(box.phrase for box in pair.boxes) for pair, _ in pairs.epoch(e)} for e in (0, 1)]
    assert drawn[0].keys() == drawn[1].keys()
    assert all(len(boxes) == 2 for each in drawn for boxes in each.values())
    assert drawn[0] != drawn[1]
    stream = pairs.batches(5, Place(0, 0))
    batches = [next(stream) for _ in range(16)]
    for start in (0, 4, 10, 12):
        again = Pairs(boxed(archive, 2), 0, boxed=True).batches(5, batches[start].position)
        for batch in batches[start + 1 :]:
            assert next(again) == batch


def test_pictures_without_boxes_are_left_out_and_a_table_without_any_is_refused(tmp_path):
    table = table_of_boxes(tmp_path)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["boxes"] = row["boxes"] if number % 2 else []
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = Pairs(boxed(table), 0, boxed=True)
    known = [*pairs.held_out, *(pair for pair, _ in pairs.epoch(0))]
    assert sorted(numbers(pair.captions[0] for pair in known)) == [(number,) for number in range(1, 60, 2)]
    assert len(list(Pairs(boxed(table), 0).epoch(0))) == 57
    for row in rows:
        row["boxes"] = [{"phrase": "in pixels", "box": [3, 4, 20, 22]}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"boxes.*row 0.*box"):
        Pairs(boxed(table), 0, boxed=True)


def test_a_training_with_boxes_looks_at_them(tmp_path, archive):
    losses = {"uncha": 1.0}
    data = {"source": str(archive), "held_out": 3, "boxes": 2, "buffer": 16}
    made = trained(tmp_path / "a", losses=losses, data=data, steps=2)
    validation = made.history[-1].validation
    named = {f"{child}_in_{parent}_cone" for child, parent in CONES}
    assert named | {"u_box_image", "u_box_text"} < validation.keys()
    assert all(0 <= validation[name] <= 1 for name in named)
    line = json.loads((tmp_path / "a" / "log.jsonl").read_text().splitlines()[1])
    assert line["temperatures of boxes"] == pytest.approx([0.05, 0.06], rel=0.01)
    assert line["temperatures of boxes"] != pytest.approx([0.05, 0.06], rel=1e-7)
    assert adapters.load(made.spec).encode_text(["an eagle"]).isfinite().all()


CONES = ("text", "box_text"), ("image", "box_image"), ("box_image", "box_text")
