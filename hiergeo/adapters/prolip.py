"""ProLIP: a probabilistic image-text model whose embeddings are Gaussians; its rows are their means.

Both towers carry a token [UNC] beside the class token. Facts of the format are those of the public repository
naver-ai/prolip (Chun et al., ICLR 2025); no real checkpoint was at hand.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import extras, limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub, weights
from hiergeo.adapters.gaussians import Gaussian
from hiergeo.adapters.model import ClipModel, unit_rows
from hiergeo.adapters.native import STATISTICS, byte_pairs, square
from hiergeo.adapters.prolip_network import ProLip, TextPlan, VisionPlan
from hiergeo.datasets.pictures import ImageLike

if TYPE_CHECKING:
    from PIL.Image import Image

Side = Annotated[int, Field(ge=1, le=limits.WIDTH)]


class _Norm(Foreign):
    """Options of a LayerNorm."""

    eps: float = 1e-5


class _Tower(Foreign):
    """What both towers may set; what has one value in every published model is not built otherwise here."""

    embed_unc: Literal[True]
    layers: Annotated[int, Field(ge=1, le=limits.LAYERS)] = 12
    width: Side = 768
    mlp_ratio: float = 4.0
    norm_kwargs: _Norm | None = None
    ls_init_value: None = None


class _Vision(_Tower):
    """The image tower."""

    head_width: Side = 64
    patch_size: Side = 16
    image_size: Side = 224
    no_ln_pre: bool = False
    pool_type: Literal["tok"] = "tok"
    attentional_pool: Literal[False] = False
    timm_model_name: None = None


class _Text(_Tower):
    """The text tower."""

    heads: Side = 12
    context_length: Side = 64
    vocab_size: Annotated[int, Field(ge=1, le=1 << 24)] = 32100
    hf_tokenizer_name: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    embed_cls: Literal[True] = True
    no_causal_mask: Literal[True] = True
    proj_bias: Literal[True] = True
    hf_model_name: None = None


class _ProLipConfig(Foreign):
    """A configuration, with the defaults of its authors' code."""

    embed_dim: Side
    vision_cfg: _Vision
    text_cfg: _Text
    quick_gelu: bool = False

    def plans(self) -> tuple[VisionPlan, TextPlan]:
        """How the two towers are built."""
        vision, text = self.vision_cfg, self.text_cfg
        return (
            VisionPlan(
                heads=max(1, vision.width // vision.head_width),
                patch=vision.patch_size,
                image=vision.image_size,
                ln_pre=not vision.no_ln_pre,
                **self._shared(vision),
            ),
            TextPlan(heads=text.heads, context=text.context_length, vocabulary=text.vocab_size, **self._shared(text)),
        )

    def _shared(self, tower: _Tower) -> dict[str, Any]:
        return {
            "width": tower.width,
            "layers": tower.layers,
            "mlp_ratio": tower.mlp_ratio,
            "eps": (tower.norm_kwargs or _Norm()).eps,
            "quick_gelu": self.quick_gelu,
        }


IGNORED = ("logit_scale", "logit_bias")

TOKENIZER = ("tokenizer.json", "spiece.model", "tokenizer_config.json")
"""Files by which a folder is known to hold a tokenizer."""


@final
class ProLipModel(ClipModel):
    """A ProLIP: rows are the unit means of its Gaussians, which `encode_text_gaussian` gives whole."""

    def __init__(self, name: str, network: ProLip, device: torch.device, *, tokenizer: Any, **prepared: Any) -> None:
        words = getattr(tokenizer, "tokenizer", None)
        told = "byte pairs" if words is None else hub.tokenizer_digest(words)
        super().__init__(name, network, device, tokenizer=tokenizer, settings=f"{network.plan} {told}", **prepared)
        self._rows: Callable[[Gaussian], Tensor] = attrgetter("mean")

    def rebuilt_network(self) -> ProLip:
        vision, text, dim = self.network.plan
        built = ProLip(vision, text, dim)
        built.start()
        return built

    def encode_text_gaussian(self, texts: Sequence[str], **options: Any) -> Gaussian:
        """The Gaussians of texts: unit means and log variances, (N, dim) each; arguments as for `encode_text`."""
        return self._split(self._joint().encode_text(texts, **options))

    def encode_image_gaussian(self, images: Sequence[ImageLike], **options: Any) -> Gaussian:
        """The Gaussians of images: unit means and log variances, (N, dim) each; arguments as for `encode_image`."""
        return self._split(self._joint().encode_image(images, **options))

    def _joint(self) -> "ProLipModel":
        """The same model, whose rows are means and log variances side by side, (B, 2 dim), as they are."""
        joint = self.bare_copy()
        joint._rows, joint.normalised = partial(torch.cat, dim=-1), False
        return joint

    def _split(self, rows: Tensor) -> Gaussian:
        mean, log_variance = rows.chunk(2, dim=1)
        return Gaussian(unit_rows(mean, f"the means of {self.name}").to(rows.dtype), log_variance)

    def embed_texts(self, texts: list[str]) -> Tensor:
        return self._rows(self.network.encode_text(self.tokens(texts)))

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        return self._rows(self.network.encode_image(self.pixels(pictures)))


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
    file = folder / "model.safetensors"
    shapes = tensors.shapes(file)
    weights.refuse_other_family(file, shapes, "prolip")
    config = hub.configuration(folder, _ProLipConfig, hub.foreign_json(folder / "config.json"))
    vision, text = config.plans()
    try:
        with torch.device("meta"):
            network = ProLip(vision, text, config.embed_dim)
    except Exception as error:  # torch checks what it builds in its own ways
        raise InputError(
            f"the configuration in {folder} describes no model that can be built ({reason(error)})."
        ) from error
    expected = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    tensors.check_fit(file, expected, {name: shape for name, shape in shapes.items() if name not in IGNORED})
    state = {name: weight for name, weight in tensors.read(file).items() if name not in IGNORED}
    weights.check_kinds(file, state)
    weights.check_finite(file, state)
    network.load_state_dict(state, strict=True, assign=True)
    return ProLipModel(
        f"prolip:{rest}",
        network,
        device,
        tokenizer=_tokenizer(folder, config.text_cfg),
        transform=square(vision.image, *STATISTICS["clip"], "crop"),
        preprocessing=f"crop to {vision.image}, bicubic, mean and std {STATISTICS['clip']}",
    )


def _tokenizer(folder: Path, config: _Text) -> Callable[[list[str]], Tensor]:
    name = config.hf_tokenizer_name
    if any((folder / file).is_file() for file in TOKENIZER):
        name = str(folder)
    if not name:
        return byte_pairs(config.context_length)
    extras.require("transformers", "this model")
    from open_clip.tokenizer import HFTokenizer

    with hub.cached_if_unreachable(), hub.quiet_transformers():
        try:
            tokenizer = HFTokenizer(
                name, context_length=config.context_length, clean="canonicalize", trust_remote_code=False
            )
        except Exception as error:  # transformers, tokenizers and the hub each raise their own
            raise hub.not_obtained(f"the tokenizer '{name}'", "tokenizer.json in the model's folder", error) from error
    known, most = len(tokenizer.tokenizer), config.vocab_size
    if known > most:
        raise InputError(
            f"the tokenizer of {folder} knows {known:,} tokens, and the model {most:,}: it is another one's."
        )
    texts: Callable[[list[str]], Tensor] = tokenizer
    return texts
