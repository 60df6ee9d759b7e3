"""ProLIP: a probabilistic image-text model whose embeddings are Gaussians; its rows are their means.

Both towers carry a token [UNC] beside the class token. Facts of the format are those of the public repository
naver-ai/prolip (Chun et al., ICLR 2025); no released file was at hand.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import torch
from open_clip.transformer import QuickGELU, TextTransformer, VisionTransformer
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import extras, limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub, weights
from hiergeo.adapters.gaussians import Gaussian
from hiergeo.adapters.model import ClipModel, unit_rows
from hiergeo.adapters.native import STATISTICS, byte_pairs, square
from hiergeo.datasets.pictures import ImageLike

if TYPE_CHECKING:
    from PIL.Image import Image

Side = Annotated[int, Field(ge=1, le=limits.WIDTH)]


class _Norm(Foreign):
    eps: float = 1e-5


class _Tower(Foreign):
    """What both towers may set; what has one value in every published model is not built otherwise here."""

    embed_unc: Literal[True]
    layers: Annotated[int, Field(ge=1, le=limits.LAYERS)] = 12
    width: Side = 768
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0
    norm_kwargs: _Norm = _Norm()
    ls_init_value: None = None


class _Vision(_Tower):
    head_width: Side = 64
    patch_size: Side = 16
    image_size: Side = 224
    no_ln_pre: bool = False
    pool_type: Literal["tok"] = "tok"
    attentional_pool: Literal[False] = False
    timm_model_name: None = None


class _Text(_Tower):
    heads: Side = 12
    context_length: Annotated[int, Field(ge=1, le=1 << 12)] = 64
    vocab_size: Annotated[int, Field(ge=1, le=1 << 24)] = 32100
    hf_tokenizer_name: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    embed_cls: Literal[True] = True
    no_causal_mask: Literal[True] = True
    proj_bias: Literal[True] = True
    hf_model_name: None = None


class ProLipConfig(Foreign):
    """A configuration, with the defaults of its authors' code."""

    embed_dim: Side
    vision_cfg: _Vision
    text_cfg: _Text
    quick_gelu: bool = False


UNUSED = ("logit_scale", "logit_bias")

TOKENIZER = ("tokenizer.json", "spiece.model", "tokenizer_config.json")
"""Files by which a folder is known to hold a tokenizer."""


@final
class ImageTower(VisionTransformer):
    """Patches behind the class token and [UNC], all of which attend to each other."""

    def __init__(self, config: ProLipConfig) -> None:
        vision = config.vision_cfg
        heads, sizes = max(1, vision.width // vision.head_width), _shared(config, vision)
        super().__init__(vision.image_size, vision.patch_size, heads=heads, no_ln_pre=vision.no_ln_pre, **sizes)
        positions, scale = self.grid_size[0] * self.grid_size[1] + 2, vision.width**-0.5
        self.unc_embedding = nn.Parameter(scale * torch.randn(vision.width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(positions, vision.width))
        self.uncertainty_proj = nn.Linear(vision.width, config.embed_dim)

    def forward(self, pixels: Tensor) -> Gaussian:
        """(B, 3, side, side) normalised pixels -> means and log variances, (B, dim). The mean is normalised twice."""
        patches = self.conv1(pixels).flatten(2).mT
        first = torch.stack([self.class_embedding, self.unc_embedding]).expand(len(pixels), -1, -1)
        x = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        x = self.ln_post(self.transformer(x)[:, :2])
        return Gaussian(self.ln_post(x[:, 0]) @ self.proj, self.uncertainty_proj(x[:, 1]))


@final
class TextTower(TextTransformer):
    """Tokens before [UNC] and the class token, all of which attend to each other, padding included.

    The published code reads the log variance off the projected mean and not off [UNC], so both have one width.
    """

    def __init__(self, config: ProLipConfig) -> None:
        text, dim = config.text_cfg, config.embed_dim
        if text.width != dim:
            raise ValueError(f"its text tower is {text.width} wide and not {dim}, as its embeddings are")
        kind = {"embed_cls": True, "no_causal_mask": True, "proj_bias": True}
        super().__init__(text.context_length, text.vocab_size, heads=text.heads, **kind, **_shared(config, text))
        self.unc_emb = nn.Parameter(0.01 * torch.randn(dim))
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(text.context_length + 2, dim))
        self.text_uncertainty_projection = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Gaussian:
        """(B, context) tokens -> means and log variances, (B, dim)."""
        last = torch.stack([self.unc_emb, self.cls_emb]).expand(len(tokens), -1, -1)
        x = torch.cat([self.token_embedding(tokens), last], dim=1)
        x = self.transformer(x + self.positional_embedding[: x.shape[1]])
        mean = self.text_projection(self.ln_final(x[:, -1]))
        return Gaussian(mean, self.text_uncertainty_projection(mean))


@final
class ProLip(nn.Module):
    """Both towers, with the weights that those of open_clip start from."""

    def __init__(self, config: ProLipConfig) -> None:
        super().__init__()
        self.config = config
        self.visual, self.text = ImageTower(config), TextTower(config)


def _shared(config: ProLipConfig, tower: Any) -> dict[str, Any]:
    """The arguments that both towers of open_clip share."""
    return {
        "width": tower.width,
        "layers": tower.layers,
        "mlp_ratio": tower.mlp_ratio,
        "output_dim": config.embed_dim,
        "act_layer": QuickGELU if config.quick_gelu else nn.GELU,
        "norm_layer": partial(nn.LayerNorm, eps=tower.norm_kwargs.eps),
    }


@final
class ProLipModel(ClipModel):
    """A ProLIP: rows are the unit means of its Gaussians, which `encode_text_gaussian` gives whole."""

    def __init__(self, name: str, network: ProLip, device: torch.device, *, tokenizer: Any, **prepared: Any) -> None:
        words = getattr(tokenizer, "tokenizer", None)
        digest = "byte pairs" if words is None else hub.tokenizer_digest(words)
        settings = f"{network.config.model_dump_json()} {digest}"
        super().__init__(name, network, device, tokenizer=tokenizer, settings=settings, **prepared)
        self._rows: Callable[[Gaussian], Tensor] = attrgetter("mean")

    def rebuilt_network(self) -> ProLip:
        return ProLip(self.network.config)

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
        return self._rows(self.network.text(self.tokens(texts)))

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        return self._rows(self.network.visual(self.pixels(pictures)))


def load_prolip(rest: str, *, device: torch.device) -> ProLipModel:
    """The model of a folder, or of a name on the hub, with ``config.json`` and ``model.safetensors``.

    The tokenizer is the folder's own where it holds one, and otherwise the one that the configuration names (that of
    SigLIP, from the hub's cache, and for a model of the hub from the hub); OpenAI's where it names none.

    Raises:
        InputError: no such folder, a configuration that does not fit or that no published model has, or weights that
            are missing, left over, misshapen or not finite.
        UnavailableError: a download failed, or transformers is not installed.
    """
    folder = hub.folder_of(rest, "prolip:/path/to/folder")
    file = folder / "model.safetensors"
    config = hub.configuration(folder, ProLipConfig, hub.foreign_json(folder / "config.json"))
    state = {name: weight for name, weight in tensors.read(file).items() if name not in UNUSED}
    weights.check_usable(file, state)
    network = weights.strictly(file, lambda: ProLip(config), state)
    side = config.vision_cfg.image_size
    return ProLipModel(
        f"prolip:{rest}",
        network,
        device,
        tokenizer=_tokenizer(folder, config.text_cfg, hub.local_folder(rest) is None),
        transform=square(side, *STATISTICS["clip"], "crop"),
        preprocessing=f"crop to {side}, bicubic, mean and std {STATISTICS['clip']}",
    )


def _tokenizer(folder: Path, config: _Text, of_hub: bool) -> Callable[[list[str]], Tensor]:
    name = config.hf_tokenizer_name
    if any((folder / file).is_file() for file in TOKENIZER):
        name = str(folder)
    if not name:
        return byte_pairs(config.context_length)
    extras.require("transformers", "this model")
    from open_clip.tokenizer import HFTokenizer

    with hub.cached_if_unreachable() if of_hub else hub.only_cached(), hub.quiet_transformers():
        try:
            tokenizer = HFTokenizer(
                name, context_length=config.context_length, clean="canonicalize", trust_remote_code=False
            )
        except Exception as error:  # transformers, tokenizers and the hub each raise their own
            raise hub.not_obtained(f"the tokenizer '{name}'", "tokenizer.json in the model's folder", error) from error
    words, most = len(tokenizer.tokenizer), config.vocab_size
    if words > most:
        raise InputError(f"the tokenizer of {folder} has {words:,} tokens and the model {most:,}: it is another's.")
    texts: Callable[[list[str]], Tensor] = tokenizer
    return texts
