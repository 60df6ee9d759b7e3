"""A training: one step, one look, and their state."""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.adapters.towers import adapt
from hiergeo.adapters.trained import COSINE, LiftedClip, Trainable
from hiergeo.evaluation.matching import match_pairs
from hiergeo.geometry import Space, parse
from hiergeo.training.chains import chunks
from hiergeo.training.clip.data import Pairs, Place, Prepared, decoded_ahead
from hiergeo.training.clip.objective import ClipObjective, PairBatch
from hiergeo.training.clip.plan import ClipPlan
from hiergeo.training.processes import mean_over_ranks
from hiergeo.training.resuming import ResumableRun
from hiergeo.training.trainer import Divergence, EvalRecord

STATISTICS = ("running_mean", "running_var")
"""How the names of the statistics of batches end, which move without gradients."""

PLACE = "place"
"""The name under which a checkpoint keeps how far the data was taken: pass and pair, as numbers."""


class ClipRun(ResumableRun):
    """A training of an image-text model, whose network is trained.

    Raises:
        InputError: a product of other dimensions than the model's.
    """

    def __init__(self, model: Trainable, plan: ClipPlan, pairs: Pairs, accelerator: Any) -> None:
        self.plan, self.pairs, self.accelerator, self.model = plan, pairs, accelerator, model
        dim, flat = model.embed_dim, plan.space == COSINE
        towers = model.network.requires_grad_(True)
        for name in ("logit_scale", "logit_bias"):  # those of the objective take their place
            if isinstance(getattr(towers, name, None), nn.Parameter):
                getattr(towers, name).requires_grad_(False)
        if plan.lora is not None:
            adapt(towers, dict(towers.named_parameters()), plan.lora)
        start = torch.zeros(2) if flat else torch.full((2,), -0.5 * math.log(dim))
        self.network = LiftedClip(towers, start).to(model.device)
        nn.utils.convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.network.log_factors.requires_grad_(not flat)
        geometry = None if flat else parse(plan.space)
        if geometry is not None:
            geometry.parts(dim)
        self.objective = ClipObjective(geometry, plan.min_radius, plan.losses, plan.temperature, dim).to(model.device)
        self.module = nn.ModuleDict({"network": self.network, "objective": self.objective})
        self._at = torch.zeros(2, dtype=torch.float64)
        trained = {name: weight for name, weight in self.module.named_parameters() if weight.requires_grad}
        moving = {name: buffer for name, buffer in self.network.named_buffers() if name.endswith(STATISTICS)}
        self.weights: Mapping[str, Any] = trained | moving | {PLACE: self._at}
        self._trained, self._moving = trained, moving
        decayed, others = ([w for w in trained.values() if (w.ndim > 1) is matrix] for matrix in (True, False))
        groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas)
        self.last, self.every, self.looks = plan.steps, plan.every, []

    @property
    def best(self) -> int:
        """The step of the last look: validation has no single loss."""
        return self.looks[-1].step

    def batches(self, left: range) -> Generator[Prepared, None, None]:
        """This process's share of the batches that are left, with the pictures of the next ones decoded ahead."""
        size = self.plan.batch // self.accelerator.num_processes
        mine = slice(size * self.accelerator.process_index, size * (self.accelerator.process_index + 1))
        position = Place(*map(int, self._at.tolist()))
        drawn = islice(self.pairs.batches(self.plan.batch, position), len(left))
        return decoded_ahead(drawn, mine, self.model.transform, self.plan.data.workers)

    def step(self, number: int, batch: Prepared) -> tuple[dict[str, float], dict[str, Any]]:
        """See `ResumableRun`."""
        self.network.train()
        for group in self.adam.param_groups:
            group["lr"] = self.plan.rate(number)
        self.adam.zero_grad(set_to_none=True)
        tokens = self.network.unpadded(self.model.tokenizer(batch.captions))
        terms = self._backward((torch.stack(batch.pixels), tokens), batch, number)
        self._share_gradients(number)
        self.adam.step()
        losses = mean_over_ranks(self.accelerator, terms)
        facts = {"held": self._clamp(), "learning_rate": self.plan.rate(number), **self._learnt()}
        self._at.copy_(torch.tensor(batch.position, dtype=torch.float64))
        names = ("total", *self.plan.losses)
        return {name: losses.pop(name) for name in names}, losses | facts

    @torch.no_grad()
    def look(self, step: int, training: dict[str, float]) -> None:
        """Measure the pictures that are held out, in float32, the same on every process.

        The record's radii are the means of captions and of pictures, its tau_d tells how often a caption is nearer to
        the root than its picture; validation holds R@1, the shares of pictures in the cone of their own caption and of
        any one, and u = sqrt|K| r of both modalities in each curved factor; the same of boxes where there are any.
        """
        self.network.eval()
        pairs, transform = self.pairs.held_out, self.model.transform
        texts = list(dict.fromkeys(pair.captions[-1] for pair in pairs))
        text = self._encoded(self.network.encode_text, self.model.tokenizer, [*texts, ""])
        image = self._encoded(
            self.network.encode_image, lambda part: torch.stack([transform(pair.picture()) for pair in part]), pairs
        )
        space = Space("euclidean", text[-1]) if self.plan.space == COSINE else self.objective.space
        images, captions = space.points(image), space.points(text[:-1])
        column = {caption: index for index, caption in enumerate(texts)}
        described = torch.tensor([column[pair.captions[-1]] for pair in pairs]).to(image.device)
        match = match_pairs(space, images, captions, torch.arange(len(pairs), device=image.device), described)
        own = captions.rows(described)
        validation = {
            "image_to_text_r1": float((match.image_to_text < 1).mean()),
            "text_to_image_r1": float((match.text_to_image < 1).mean()),
            "in_own_cone": float(wide(space.entails(own, images)).mean()),
            "in_any_cone": float(wide(space.count(captions, images)).mean() / len(images)),
            "temperature": float(self.objective.temperature),
        }
        seen = {"text": captions, "image": images}
        if self.plan.boxed:
            phrases = [pair.boxes[0].phrase for pair in pairs]
            cut = self._encoded(
                self.network.encode_image,
                lambda part: torch.stack([transform(pair.pictures()[1]) for pair in part]),
                pairs,
            )
            boxes = self._encoded(self.network.encode_text, self.model.tokenizer, phrases)
            seen |= {"box_text": space.points(boxes), "box_image": space.points(cut)}
            relations = {"text": ("box_text", own), "image": ("box_image", images)}
            relations["box_image"] = ("box_text", seen["box_image"])
            for name, (parent, child) in relations.items():
                validation[f"{name}_in_{parent}_cone"] = float(wide(space.entails(seen[parent], child)).mean())
        for name, points in seen.items():
            factors = zip(space.geometry.curvature_values(points.dim), points.radii, strict=False)
            curved = [(abs(k) ** 0.5 * radius).mean() for k, radius in factors if k]
            validation |= {f"u_{name}{index or ''}": float(u) for index, u in enumerate(curved)}
        radii = torch.stack((own.radius, images.radius), dim=1)
        self.looks.append(EvalRecord.of(step, training, validation, radii, space, image.shape[1]))

    def _backward(self, inputs: tuple[Tensor, Tensor], batch: Prepared, step: int) -> dict[str, Tensor]:
        """The losses, with the gradients of the whole batch on all weights, whatever `ClipPlan.chunk` is.

        Pairs are embedded without their graphs, the loss gives the gradients of the embeddings, and these are taken
        through the towers a chunk at a time (Gao et al., RepL4NLP 2021).
        """
        captions, boxes = batch.captions, batch.whole
        parts = chunks(torch.arange(len(captions)), self.plan.chunk or len(captions))
        whole = len(parts) == 1
        with torch.set_grad_enabled(whole):
            rows = torch.cat([self._embedded(inputs, part, step) for part in parts], dim=1)
        rows = rows if whole else rows.requires_grad_()
        pairs = len(captions) - len(boxes)
        labels = torch.tensor([hashed(caption) for caption in captions[:pairs]]).to(rows.device)
        of = torch.tensor(boxes, dtype=torch.int64).to(rows.device)
        (image, text), (box_image, box_text) = rows[:, :pairs], rows[:, pairs:]
        terms = self._terms(PairBatch(image, text, labels, box_image, box_text, of), step)
        terms["total"].backward()
        if not whole:
            assert rows.grad is not None
            for part, gradient in zip(parts, rows.grad.split([len(part) for part in parts], dim=1), strict=True):
                self._embedded(inputs, part, step).backward(gradient)
        return terms

    def _embedded(self, inputs: tuple[Tensor, Tensor], part: Tensor, step: int) -> Tensor:
        """Pictures and captions of a chunk, (2, n, D); what towers draw at random is the same each time."""
        pixels, tokens = (whole[part].to(self.model.device) for whole in inputs)
        torch.manual_seed(hash((self.plan.seed, step, self.accelerator.process_index, int(part[0]))) % (1 << 63))
        with self.accelerator.autocast():
            rows = torch.stack((self.network.encode_image(pixels), self.network.encode_text(tokens)))
        return self._located(rows)

    def _encoded(
        self, encode: Callable[[Tensor], Tensor], prepare: Callable[[Any], Tensor], items: list[Any]
    ) -> Tensor:
        """All items a chunk at a time, (n, D)."""
        size = self.plan.chunk or self.plan.batch
        parts = (items[start : start + size] for start in range(0, len(items), size))
        return self._located(torch.cat([encode(prepare(part).to(self.model.device)) for part in parts]))

    def _located(self, rows: Tensor) -> Tensor:
        return nn.functional.normalize(rows, dim=-1) if self.plan.space == COSINE else rows

    def _terms(self, batch: PairBatch, step: int) -> dict[str, Tensor]:
        """The losses; every process ends where one of them cannot go on: alone it would leave the others waiting."""
        rows, fits = torch.cat((batch.image, batch.text, batch.box_image, batch.box_text)).detach(), False
        with suppress(InputError):
            self.objective.space.points(rows)
            fits = bool(rows.isfinite().all())
        if mean_over_ranks(self.accelerator, {"fits": torch.tensor(fits).to(rows.device)})["fits"] < 1:
            raise Divergence("an embedding became NaN or infinite, or left the space", step, None)
        terms: dict[str, Tensor] = self.objective(batch)
        return terms

    def _share_gradients(self, step: int) -> None:
        """Average gradients and batch statistics over processes, and refuse gradients that are not finite."""
        gradients = [weight.grad for weight in self._trained.values() if weight.grad is not None]
        if self.accelerator.num_processes > 1:
            for own in (*gradients, *self._moving.values()):
                own.copy_(self.accelerator.reduce(own, "mean"))
        largest = nn.utils.get_total_norm(gradients, math.inf)
        if not largest.isfinite():
            raise Divergence("a gradient became NaN or infinite", step, None)

    @torch.no_grad()
    def _clamp(self) -> list[str]:
        held = self.objective.clamp(self.plan.curvature)
        factors = self.network.log_factors
        if factors.requires_grad:
            held += [f"factor of {name}s" for name, log in zip(("image", "text"), factors, strict=True) if log >= 0]
            factors.clamp_(max=0.0)
        return held

    def _learnt(self) -> dict[str, Any]:
        boxes = (-self.objective.log_box_scales.detach()).exp().tolist()
        of_boxes = {"temperatures of boxes": boxes} if "uncha" in self.plan.losses else {}
        return of_boxes | {
            "K": self.objective.space.geometry.curvature_values(self.model.embed_dim),
            "temperature": float(self.objective.temperature.detach()),
            "factors": self.network.log_factors.detach().exp().tolist(),
        }


def hashed(caption: str) -> int:
    """A signed number of 64 bits that tells captions apart."""
    return int.from_bytes(blake2b(caption.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
