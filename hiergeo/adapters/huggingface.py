"""Image-text models of transformers (CLIP, SigLIP, SigLIP 2, ALIGN) through the Auto classes, and their text towers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hiergeo._core import extras
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.documents import Document
from hiergeo.adapters import hub
from hiergeo.adapters.model import ClipModel, NetworkModel
from hiergeo.adapters.towers import Tower, on

if TYPE_CHECKING:
    from PIL.Image import Image

PADDING: dict[str, tuple[bool | str, int | None]] = {
    "clip": (True, None),
    "siglip": ("max_length", None),
    "siglip2": ("max_length", None),
    "align": ("max_length", 64),
}
"""Model type -> padding and length that its documentation prescribes (None: all positions). SigLIP attends to its
padding, so another choice would move every embedding and the root."""

PAIRED = ("clip", "siglip")
"""Model types whose pictures are one tensor of pixels each, which training takes."""

WEIGHTS = "model.safetensors"
"""What transformers looks for in a folder."""


class _HuggingFaceOptions(Document):
    """What may stand behind the question mark of a spec."""

    processor: str = ""


class HuggingFaceModel(NetworkModel):
    """A dual encoder of transformers with the processor that was saved beside it."""

    def __init__(self, name: str, network: Any, device: torch.device, processor: Any, settings: str = "") -> None:
        padding, length = PADDING[network.config.model_type]
        self.text_options = {
            "padding": padding,
            "max_length": length or network.config.text_config.max_position_embeddings,
            "truncation": True,
            "return_tensors": "pt",
        }
        super().__init__(name, network, device, f"{self.text_options} {processor.image_processor}", settings)
        self.processor = processor

    def rebuilt_network(self) -> nn.Module:
        import transformers

        built: nn.Module = transformers.AutoModel.from_config(self.network.config, trust_remote_code=False)
        return built

    def embed_texts(self, texts: list[str]) -> Tensor:
        tokens = self.processor(text=texts, **self.text_options).to(self.device)
        return features(self.network.get_text_features(**tokens))

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        pixels = self.processor(images=pictures, return_tensors="pt").to(self.device)
        return features(self.network.get_image_features(**pixels))


def load_huggingface(rest: str, *, device: torch.device) -> HuggingFaceModel:
    """The model of a hub name or of a folder written by ``save_pretrained``.

    Weights that were published without their processor take that of another model: ``NAME?processor=NAME_OR_PATH``.

    Raises:
        InputError: none of the families, no processor beside it, or weights that are missing, left over or misshapen.
        UnavailableError: transformers is not installed, or a download failed.
    """
    transformers = extras.require("transformers", "this model")
    model, options = hub.options_of(rest, _HuggingFaceOptions)
    folder = hub.folder_of(model, "hf:/path/to/folder")
    beside = hub.folder_of(options.processor, "?processor=/path/to/folder") if options.processor else folder
    with hub.only_cached(), hub.quiet_transformers():
        described, _ = _obtain(transformers.PretrainedConfig.get_config_dict, folder)
        kind = described.get("model_type") if isinstance(described, dict) else None
        if not isinstance(kind, str) or kind not in PADDING:
            problem = f"is of type '{kind}'" if kind else "names no model_type in its config.json"
            raise InputError(f"'{rest}' {problem}; hf: loads {', '.join(PADDING)}.")
        hub.check_config(described, f"the configuration of '{rest}'")
        config = _obtain(transformers.AutoConfig.from_pretrained, folder, trust_remote_code=False)
        build = partial(transformers.AutoModel.from_config, config, trust_remote_code=False)
        hub.check_size(build, folder, f"the configuration of '{rest}'")
        processor = _obtain(transformers.AutoProcessor.from_pretrained, beside, trust_remote_code=False)
        if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
            raise InputError(
                f"'{rest}' comes without its processor: it needs a tokenizer and preprocessor_config.json, or write "
                f"hf:{model}?processor=NAME for that of another model."
            )
        if processor.tokenizer.pad_token is None:
            raise InputError(f"the tokenizer of '{rest}' has no padding token, without which texts make no batch.")
        network, info = _obtain(
            transformers.AutoModel.from_pretrained, folder, output_loading_info=True, trust_remote_code=False
        )
    _refuse_partial(rest, info)
    settings = hub.tokenizer_digest(processor.tokenizer) if options.processor else ""
    return HuggingFaceModel(f"hf:{rest}", network, device, processor, settings)


def _obtain(get: Callable[..., Any], folder: Path, **options: Any) -> Any:
    try:
        return get(str(folder), **options)
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        raise InputError(f"'{folder}' cannot be loaded by transformers: {reason(error)}.") from error


def _refuse_partial(source: str, info: Mapping[str, Any]) -> None:
    """Raise an `InputError` unless weights and architecture match one to one (indices of positions do not count)."""
    for state in ("missing", "mismatched", "unexpected"):
        names = sorted(str(name) for name in info[f"{state}_keys"] if not str(name).endswith("position_ids"))
        if names:
            raise InputError(f"'{source}' is not complete: {len(names)} {state} weights, such as {names[0]}.")


def features(output: Any) -> Tensor:
    """The embeddings (B, dim) in what get_*_features returns: a tensor, or since transformers 5 an object around it."""
    rows: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return rows


class DualEncoder(nn.Module):
    """A dual encoder of transformers with the methods of the towers of open_clip.

    `inputs` names what a text becomes, stacked along the second dimension of tokens.
    """

    def __init__(self, network: Any, inputs: Sequence[str]) -> None:
        super().__init__()
        self.network, self.inputs = network, tuple(inputs)

    @property
    def logit_scale(self) -> nn.Parameter:
        """The logarithm of the inverse temperature."""
        scale: nn.Parameter = self.network.logit_scale
        return scale

    @property
    def logit_bias(self) -> nn.Parameter | None:
        """What SigLIP adds to its logits."""
        return getattr(self.network, "logit_bias", None)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, side, side) normalised pixels -> (B, D)."""
        return features(self.network.get_image_features(pixel_values=pixels))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, inputs, context) tokens -> (B, D)."""
        return features(self.network.get_text_features(**dict(zip(self.inputs, tokens.unbind(1), strict=True))))


class HuggingFaceClip(ClipModel):
    """A model of transformers as training takes it: towers, a tokenizer and a preparation of single pictures.

    Raises:
        InputError: a model type that is not among `PAIRED`.
    """

    def __init__(self, model: HuggingFaceModel) -> None:
        kind, processor = model.network.config.model_type, model.processor
        if kind not in PAIRED:
            raise InputError(f"{model.name} is of type '{kind}': trained are {' and '.join(PAIRED)}, and open_clip's.")
        inputs = [name for name in ("input_ids", "attention_mask") if name in processor.tokenizer.model_input_names]

        def tokenizer(texts: Sequence[str]) -> Tensor:
            tokens = processor(text=list(texts), **model.text_options)
            return torch.stack([tokens[name] for name in inputs], dim=1)

        def transform(picture: "Image") -> Tensor:
            pixels: Tensor = processor(images=picture, return_tensors="pt")["pixel_values"][0]
            return pixels

        prepared: dict[str, Any] = {"tokenizer": tokenizer, "transform": transform}
        prepared |= {"preprocessing": model.preprocessing, "settings": model.settings}
        super().__init__(model.name, DualEncoder(model.network, inputs), model.device, **prepared)
        self._model = model

    @property
    def embed_dim(self) -> int:
        """The dimension of the embedding space."""
        return self._model.dim

    def rebuilt_network(self) -> nn.Module:
        return DualEncoder(self._model.rebuilt_network(), self.network.inputs)

    def save(self, folder: Path, home: Path, towers: Any) -> None:
        """Write other towers of this architecture, in one file of weights. Raises UnavailableError if it cannot."""
        with hub.saving(folder), hub.quiet_transformers():
            towers.network.save_pretrained(folder, max_shard_size="1000TB")
            self._model.processor.save_pretrained(folder)


class HuggingFaceTower(Tower):
    """The text side of a dual encoder of transformers."""

    def __init__(self, model: HuggingFaceModel) -> None:
        self.processor: Any = model.processor
        self.options = model.text_options
        super().__init__(model)

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return on(self.device, self.processor(text=list(texts), **self.options))

    def forward(self, **tokens: Tensor) -> Tensor:
        return features(self.network.get_text_features(**tokens))

    def export(self, folder: Path, home: Path) -> str:
        with hub.saving(folder), hub.quiet_transformers():
            self.network.save_pretrained(folder)
            self.processor.save_pretrained(folder)
        return f"hf:{home.resolve()}"
