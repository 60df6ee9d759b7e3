"""HySAC: a CLIP with low-rank adapters, trained so that unsafe inputs lie farther from the origin than safe ones.

Source: Poppi et al., Hyperbolic Safety-Aware Vision-Language Models (CVPR 2025); facts of the format are those of its
public repository, and no released file was at hand.
"""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import extras
from hiergeo._core.errors import InputError
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub, weights
from hiergeo.adapters.huggingface import features
from hiergeo.adapters.model import ClipModel
from hiergeo.adapters.native import STATISTICS, VOCABULARY, Native, byte_pairs, square, stored_natively, within_reach
from hiergeo.geometry import Space

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS, BOUNDS = "hysac_model.pth", "hysac_bounds.json"
RANK, ALPHA = 16, 1
"""Of the low-rank adapters: a weight is W + ALPHA / RANK times the product of two factors of rank RANK."""

HEAD = 64
"""Width of an attention head in both towers."""

UNUSED = re.compile(r"logit_scale|pixel_(mean|std)|.*position_ids")
PEFT = re.compile(r"(visual|textual)\.base_model\.model\.|\.base_layer(?=\.)")
"""What low-rank adaptation adds to the names of weights."""

MARGIN = 0.8
"""What the published traversal subtracts from the bound of radii."""


class _Bound(Foreign):
    up_95: Annotated[float, Field(gt=0)]


class _Bounds(Foreign):
    """The 95th percentiles of the radii of safe texts (S) and images (V)."""

    S: _Bound
    V: _Bound


@final
class HySACModel(ClipModel):
    """HySAC with its native space, and the traversal that brings inputs back to where safe ones lie."""

    normalised = False

    def __init__(self, name: str, network: Any, device: torch.device, native: Native, bounds: _Bounds) -> None:
        assert native.space is not None
        side, mean_std = network.config.vision_config.image_size, STATISTICS["clip"]
        prepared: dict[str, Any] = {"tokenizer": byte_pairs(network.config.text_config.max_position_embeddings)}
        prepared |= {"transform": square(side, *mean_std, "crop"), "preprocessing": f"crop to {side}, {mean_std}"}
        settings = f"{native.space.geometry.spec} {[float(scale[0]) for scale in native.scales]}"
        super().__init__(name, network, device, settings=settings, **prepared)
        self._space, self._bounds, self._reach = native.space, bounds, native.reach.to(device)
        self._visual, self._textual = (scale.to(device) for scale in native.scales)

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows = features(self.network.get_text_features(input_ids=self.tokens(texts)))
        return within_reach(rows * self._textual, self._reach)

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        rows = features(self.network.get_image_features(pixel_values=self.pixels(pictures)))
        return within_reach(rows * self._visual, self._reach)

    def native_space(self) -> Space | None:
        """Lorentz(-c) of the learnt c around its origin."""
        return self._space

    def to_safe(self, rows: Tensor, kind: Literal["text", "image"], margin: float = MARGIN) -> Tensor:
        """Rows (N, D) of this model, those beyond the bound of safe ones moved towards the origin.

        With u the bound of the modality and c the negative curvature, rows of a radius beyond
        b = u + 1 + tanh((u - margin) / c) get space components of norm b on the hyperboloid, as the published code does
        it: their radius becomes asinh(sqrt(c) b) / sqrt(c), which is below b.
        """
        upper = (self._bounds.S if kind == "text" else self._bounds.V).up_95
        c = -float(self._space.geometry.value)  # type: ignore[arg-type]  # a Lorentz space
        bound = upper + 1 + math.tanh((upper - margin) / c)
        length = rows.norm(dim=-1, keepdim=True)
        moved = math.asinh(math.sqrt(c) * bound) / math.sqrt(c)
        return torch.where(length > bound, rows * (moved / length), rows)


def load_hysac(rest: str, *, device: torch.device) -> HySACModel:
    """The HySAC of a folder, or of a repository such as ``aimagelab/HySAC``: `WEIGHTS` and `BOUNDS`.

    Raises:
        InputError: bounds or weights that are missing, left over, misshapen or not finite.
        UnavailableError: transformers is not installed, or a download failed.
    """
    extras.require("transformers", "this model")
    home = hub.local_folder(rest)
    repository = f"{hub.HUB}{rest.removeprefix(hub.HUB)}"
    path, facts = (
        hub.file_of(f"{repository}/{name}", "hysac:/path/to/folder") if home is None else home / name
        for name in (WEIGHTS, BOUNDS)
    )
    bounds = hub.fitting(hub.foreign_json(facts), _Bounds, str(facts))
    stored = weights.state_in(path, tensors.read_checkpoint(path))
    state = {name: weight for name, weight in stored.items() if not UNUSED.fullmatch(name)}
    weights.check_usable(path, state)
    state = merged(path, {PEFT.sub("", name): weight for name, weight in state.items()})
    projection = torch.atleast_1d(state.get("visual_projection.weight", torch.empty(0)))
    native = stored_natively(path, state, len(projection))
    network = _clip(path, state)
    return HySACModel(f"hysac:{rest}", network, device, native, bounds)


def merged(path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with their low-rank adapters folded in. Raises InputError for factors that do not fit."""
    plain = {name: weight for name, weight in state.items() if ".lora_" not in name}
    for name in [name for name in state if ".lora_B." in name]:
        target = f"{name.partition('.lora_B.')[0]}.weight"
        try:
            left, right = state[name], state[name.replace(".lora_B.", ".lora_A.")]
            product = left.flatten(1).double() @ right.flatten(1).double() * (ALPHA / RANK)
            plain[target] = (plain[target].double() + product.view_as(plain[target])).to(plain[target].dtype)
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{path} does not fit: the adapter of '{target}' ({weights.said(error)}).") from error
    return plain


def _clip(path: Path, state: dict[str, Tensor]) -> Any:
    """The network of the sizes that its weights have; raises InputError where weights are missing or left over."""
    import transformers

    def tower(part: str) -> dict[str, int]:
        positions, width = state[f"{part}.embeddings.position_embedding.weight"].shape
        layers = {match[1] for name in state if (match := re.match(rf"{part}\.encoder\.layers\.(\d+)\.", name))}
        hidden = state[f"{part}.encoder.layers.0.mlp.fc1.weight"].shape[0]
        sizes = {"hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": len(layers)}
        return sizes | {"num_attention_heads": max(1, width // HEAD), "max_position_embeddings": positions}

    def build() -> Any:
        vision, text = tower("vision_model"), tower("text_model")
        patch = state["vision_model.embeddings.patch_embedding.weight"].shape[-1]
        vision |= {"patch_size": patch, "image_size": patch * round((vision["max_position_embeddings"] - 1) ** 0.5)}
        text |= {"vocab_size": VOCABULARY, "bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1}
        dim = state["visual_projection.weight"].shape[0]
        return transformers.CLIPModel(
            transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=dim)
        )

    state["logit_scale"] = torch.zeros(())  # which embeddings do not depend on
    network = weights.strictly(path, build, state)
    for part in (network.text_model.embeddings, network.vision_model.embeddings):
        count = part.position_embedding.num_embeddings
        part.register_buffer("position_ids", torch.arange(count).expand(1, -1), persistent=False)
    return network
