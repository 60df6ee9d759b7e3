"""ProLIP: a probabilistic image-text model whose embeddings are Gaussians; its rows are their means.

Both towers carry a token [UNC] beside the class token. Facts of the format are those of the public repository
naver-ai/prolip (Chun et al., ICLR 2025); no real checkpoint was at hand.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import extras, limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign, validated
from hiergeo.adapters import families, hub, weights
from hiergeo.adapters.gaussians import Gaussian
from hiergeo.adapters.model import ClipModel, NetworkModel, unit_rows
from hiergeo.adapters.native import STATISTICS, byte_pairs, square
from hiergeo.adapters.prolip_network import ProLip, TextPlan, VisionPlan
from hiergeo.datasets.pictures import ImageLike

if TYPE_CHECKING:
    from PIL.Image import Image

Side = Annotated[int, Field(ge=1, le=limits.WIDTH)]


class _Norm(Foreign):
    """Options of a LayerNorm."""

    eps: float


class _Tower(Foreign):
    """What both towers may set."""

    layers: Annotated[int, Field(ge=1, le=limits.LAYERS)] = 1
    width: Side = 1
    mlp_ratio: float = 1.0
    norm_kwargs: _Norm | None = None


class _Vision(_Tower):
    """The image tower."""

    head_width: Side = 1
    patch_size: Side = 1
    image_size: Side = 1
    no_ln_pre: bool = False


class _Text(_Tower):
    """The text tower."""

    heads: Side = 1
    context_length: Side = 1
    vocab_size: Annotated[int, Field(ge=1, le=1 << 24)] = 1
    hf_tokenizer_name: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None


class _Config(Foreign):
    """What a configuration must be before anything in it is used; defaults are those of `prolip_network`."""

    embed_dim: Side
    vision_cfg: _Vision
    text_cfg: _Text
    quick_gelu: bool = False


REQUIRED: tuple[tuple[str, str, object], ...] = (
    ("vision_cfg", "embed_unc", True),
    ("vision_cfg", "pool_type", "tok"),
    ("vision_cfg", "attentional_pool", False),
    ("vision_cfg", "ls_init_value", None),
    ("vision_cfg", "timm_model_name", None),
    ("text_cfg", "embed_unc", True),
    ("text_cfg", "embed_cls", True),
    ("text_cfg", "no_causal_mask", True),
    ("text_cfg", "proj_bias", True),
    ("text_cfg", "ls_init_value", None),
    ("text_cfg", "hf_model_name", None),
)
"""Settings that have one value in every published model; others are not built here. `embed_unc` has to be there."""

IGNORED = ("logit_scale", "logit_bias")

TOKENIZER = ("tokenizer.json", "spiece.model", "tokenizer_config.json")
"""Files by which a folder is known to hold a tokenizer."""


class _Joint(NetworkModel):
    """The same network with means and log variances side by side, (B, 2 dim)."""

    normalised = False

    def __init__(self, model: "ProLipModel") -> None:
        super().__init__(model.name, model.network, model.device, model.preprocessing, model.settings)
        self.model = model

    def embed_texts(self, texts: list[str]) -> Tensor:
        return torch.cat(self.network.encode_text(self.model.tokens(texts)), dim=-1)

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        return torch.cat(self.network.encode_image(self.model.pixels(pictures)), dim=-1)


@final
class ProLipModel(ClipModel):
    """A ProLIP: rows are the unit means of its Gaussians, which `encode_text_gaussian` gives whole."""

    def __init__(self, name: str, network: ProLip, device: torch.device, *, tokenizer: Any, **prepared: Any) -> None:
        words = getattr(tokenizer, "tokenizer", None)
        told = "byte pairs" if words is None else hub.tokenizer_digest(words)
        super().__init__(name, network, device, tokenizer=tokenizer, settings=f"{network.plan} {told}", **prepared)

    def rebuilt_network(self) -> ProLip:
        vision, text, dim = self.network.plan
        built = ProLip(vision, text, dim)
        built.start()
        return built

    def encode_text_gaussian(self, texts: Sequence[str], **options: Any) -> Gaussian:
        """The Gaussians of texts: unit means and log variances, (N, dim) each; arguments as for `encode_text`."""
        return self._split(_Joint(self).encode_text(texts, **options))

    def encode_image_gaussian(self, images: Sequence[ImageLike], **options: Any) -> Gaussian:
        """The Gaussians of images: unit means and log variances, (N, dim) each; arguments as for `encode_image`."""
        return self._split(_Joint(self).encode_image(images, **options))

    def _split(self, rows: Tensor) -> Gaussian:
        mean, log_variance = rows.chunk(2, dim=1)
        return Gaussian(unit_rows(mean, f"the means of {self.name}").to(rows.dtype), log_variance)

    def embed_texts(self, texts: list[str]) -> Tensor:
        mean: Tensor = self.network.encode_text(self.tokens(texts)).mean
        return mean

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        mean: Tensor = self.network.encode_image(self.pixels(pictures)).mean
        return mean


def load_prolip(rest: str, *, device: torch.device) -> ProLipModel:
    """The model of a folder, or of a name on the hub, with ``config.json`` and ``model.safetensors``.

    The tokenizer is the folder's own where it holds one, and otherwise the one that the configuration names (that of
    SigLIP, from the hub); OpenAI's where it names none.

    Raises:
        InputError: no such folder, another family (the right adapter is named), a configuration that does not fit or
            that no published model has, or weights that are missing, left over, misshapen or not finite.
        UnavailableError: a download failed, or transformers is not installed.
    """
    folder = hub.folder_of(rest, "prolip:/path/to/folder")
    config = _config(folder)
    file = folder / "model.safetensors"
    found = tensors.shapes(file)
    families.refuse_other_family(file, found, "prolip")
    vision, text = VisionPlan.of(config), TextPlan.of(config)
    with torch.device("meta"):
        network = _built(folder, vision, text, config["embed_dim"])
    expected = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    tensors.check_fit(file, expected, {name: shape for name, shape in found.items() if name not in IGNORED})
    state = {name: weight for name, weight in tensors.read(file).items() if name not in IGNORED}
    weights.check_kinds(file, state)
    weights.check_finite(file, state)
    network.load_state_dict(state, strict=True, assign=True)
    return ProLipModel(
        f"prolip:{rest}",
        network,
        device,
        tokenizer=_tokenizer(folder, config["text_cfg"], text.context),
        transform=square(vision.image, *STATISTICS["clip"], "crop"),
        preprocessing=f"crop to {vision.image}, bicubic, mean and std {STATISTICS['clip']}",
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no config.json: not a folder of ProLIP.")
    other = families.recognised_folder(folder)
    if other and not other.startswith("prolip:"):
        raise InputError(f"{folder} is of another family than prolip: loads: write {other}.")
    config = hub.foreign_json(path)
    hub.check_config(config, f"the configuration in {folder}")
    try:
        validated(_Config, config)
    except ValueError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    for part, name, value in REQUIRED:
        if config[part].get(name, None if name == "embed_unc" else value) != value:
            raise InputError(f"{path}: '{part}.{name}' is not {value}, as in the ProLIP models that are published.")
    return dict(config)


def _built(folder: Path, vision: VisionPlan, text: TextPlan, dim: int) -> ProLip:
    try:
        return ProLip(vision, text, dim)
    except Exception as error:  # torch checks what it builds in its own ways
        raise InputError(
            f"the configuration in {folder} describes no model that can be built ({reason(error)})."
        ) from error


def _tokenizer(folder: Path, config: dict[str, Any], context: int) -> Callable[[list[str]], Tensor]:
    name = config.get("hf_tokenizer_name")
    if any((folder / file).is_file() for file in TOKENIZER):
        name = str(folder)
    if not name:
        return byte_pairs(context)
    extras.require("transformers", "this model")
    from open_clip.tokenizer import HFTokenizer

    with hub.cached_if_unreachable(), hub.quiet_transformers():
        try:
            tokenizer = HFTokenizer(name, context_length=context, clean="canonicalize", trust_remote_code=False)
        except Exception as error:  # transformers, tokenizers and the hub each raise their own
            raise hub.not_obtained(f"the tokenizer '{name}'", "tokenizer.json in the model's folder", error) from error
    known, most = len(tokenizer.tokenizer), config.get("vocab_size", TextPlan.vocabulary)
    if known > most:
        raise InputError(
            f"the tokenizer of {folder} knows {known:,} tokens, and the model {most:,}: it is another one's."
        )
    texts: Callable[[list[str]], Tensor] = tokenizer
    return texts
