"""Models of OpenCLIP (a tag, a checkpoint, a hub repository, the bundled tiny model) and their text towers."""

import copy
import inspect
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hiergeo.adapters import hub
from hiergeo.adapters import open_clip_checks as checks
from hiergeo.adapters.model import NetworkModel
from hiergeo.adapters.towers import Tower
from hiergeo.errors import HiergeoError, InputError, reason, unknown_name
from hiergeo.storage import tensors
from hiergeo.storage.files import atomic_write, atomic_write_text, path_of

if TYPE_CHECKING:
    from PIL.Image import Image

HUB, FOLDER = "hf-hub:", "local-dir:"


class OpenClipModel(NetworkModel):
    """An OpenCLIP model with its own tokenizer and its validation transform.

    Attributes:
        config: open_clip's configuration of the network, with the activation that its weights need.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        device: torch.device,
        *,
        tokenizer: Callable[[list[str]], Tensor],
        transform: Callable[["Image"], Tensor],
        config: dict[str, Any],
    ) -> None:
        super().__init__(name, network, device, preprocessing=str(network.visual.preprocess_cfg))
        self.config = config
        self.tokenizer = tokenizer
        self.transform = transform

    def rebuilt_network(self) -> nn.Module:
        kind = type(self.network)
        known = inspect.signature(kind).parameters
        config = copy.deepcopy({key: value for key, value in self.config.items() if key in known})
        for part, library in (("text_cfg", "hf"), ("vision_cfg", "timm")):
            if config[part].get(f"{library}_model_name"):
                config[part][f"{library}_model_pretrained"] = False
        try:
            with hub.cached_if_unreachable() if config["text_cfg"].get("hf_model_name") else nullcontext():
                built: nn.Module = kind(**config)
        except Exception as error:  # open_clip, timm and transformers check what they build in their own ways
            raise InputError(f"{self.name} cannot be built without its weights: {reason(error)}.") from error
        return built

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows: Tensor = self.network.encode_text(self.tokenizer(texts).to(self.device))
        return rows

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        pixels = torch.stack([self.transform(picture) for picture in pictures])
        rows: Tensor = self.network.encode_image(pixels.to(self.device))
        return rows


@contextmanager
def _no_root_handler() -> Iterator[None]:
    """Keep open_clip's ``logging.info`` from installing a handler that prints everybody's records to the terminal."""
    guard = logging.NullHandler()
    logging.getLogger().addHandler(guard)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(guard)


@_no_root_handler()
def load_open_clip(rest: str, *, device: torch.device) -> OpenClipModel:
    """The model of ``ARCH/TAG``, ``ARCH//path/to/checkpoint``, ``hf-hub:ORG/NAME`` or ``local-dir:PATH``.

    The activation follows the tag: OpenAI's weights run with QuickGELU in every spelling of the architecture. A
    checkpoint file does not say how it was trained: for weights trained with QuickGELU (OpenAI's, DFN's, MetaCLIP's and
    what was fine-tuned from them) name the architecture that ends in ``-quickgelu``.

    Raises:
        InputError: unknown architecture or tag, no weights, or a checkpoint that is not one of that architecture.
        UnavailableError: a download failed.
    """
    from hiergeo.adapters import tiny

    tiny.register()
    name = f"open_clip:{rest}"
    if rest.startswith(HUB):
        return _from_hub(name, rest, device)
    if rest.startswith(FOLDER):
        return _from_folder(name, rest, device)
    arch, _, weights = rest.partition("/")
    _check_architecture(arch, weights)
    if weights.startswith(("/", ".")):
        return _from_file(name, arch, path_of(weights), device)
    return _from_tag(name, arch, weights, device)


@_no_root_handler()
def load_tiny(*, device: torch.device) -> OpenClipModel:
    """The bundled model."""
    from hiergeo.adapters import tiny

    return _from_file("tiny", tiny.register(), tiny.weights(), device)


def _check_architecture(arch: str, weights: str) -> None:
    import open_clip

    if arch not in open_clip.list_models():
        raise unknown_name("open_clip architecture", arch, open_clip.list_models())
    if not weights:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(arch)) or "none published"
        raise InputError(
            f"'{arch}' alone would be random weights: write open_clip:{arch}/TAG (tags: {tags}) "
            f"or open_clip:{arch}//path/to/checkpoint."
        )


def _from_tag(name: str, arch: str, tag: str, device: torch.device) -> OpenClipModel:
    import open_clip

    published = open_clip.get_pretrained_cfg(arch, tag)
    if not published:
        raise _unknown_tag(arch, tag)
    quick = checks.uses_quick_gelu(arch) or bool(published.get("quick_gelu"))
    with hub.cached_if_unreachable():
        try:
            open_clip.download_pretrained(published)
        except Exception as error:  # urllib, the hub and open_clip each raise their own
            wanted = f"the weights '{tag}' of open_clip's {arch}"
            raise hub.not_obtained(wanted, _copy_hint(arch, quick), error) from error
        return _build(name, arch, device, pretrained=tag, quick_gelu=quick)


def _from_file(name: str, arch: str, path: Path, device: torch.device) -> OpenClipModel:
    shapes = checks.checkpoint_shapes(path)
    options = checks.preprocessing_of(arch)
    quick = checks.uses_quick_gelu(arch)
    with _hub_for(arch):
        try:
            model = _build(name, arch, device, pretrained=str(path), quick_gelu=quick, **options)
        except HiergeoError:
            raise
        except Exception as error:  # a foreign checkpoint fails anywhere in open_clip's conversions
            raise checks.wrong_checkpoint(arch, path, shapes, error) from error
    checks.refuse_resized(model.network, arch, path, shapes)
    return model


def _from_hub(name: str, rest: str, device: torch.device) -> OpenClipModel:
    import open_clip
    from open_clip.pretrained import download_pretrained_from_hf

    repository = rest.removeprefix(HUB)
    with hub.cached_if_unreachable():
        try:
            quick = checks.uses_quick_gelu(rest)
            download_pretrained_from_hf(repository)
        except Exception as error:  # the hub's errors are many
            instead = f"open_clip:{FOLDER}/path/to/folder with open_clip_config.json and the weights"
            raise hub.not_obtained(f"the open_clip model '{repository}'", instead, error) from error
        hub.check_config(open_clip.get_model_config(rest), f"the configuration of '{repository}'")
        return _build(name, rest, device, quick_gelu=quick)


def _from_folder(name: str, rest: str, device: torch.device) -> OpenClipModel:
    import open_clip

    folder = path_of(rest.removeprefix(FOLDER))
    described = folder / "open_clip_config.json"
    if not described.is_file():
        raise InputError(f"{folder} holds no open_clip_config.json: not a folder saved by open_clip.")
    hub.check_config(hub.foreign_json(described), str(described))
    try:
        with _hub_for(rest), _no_questions(rest):
            bare = partial(open_clip.create_model, rest, load_weights=False, pretrained_text=False, device="meta")
            hub.check_size(bare, folder, str(described))
            quick = checks.uses_quick_gelu(rest)
            return _build(name, rest, device, quick_gelu=quick)
    except HiergeoError:
        raise
    except Exception as error:  # a foreign folder fails anywhere in open_clip's conversions
        raise InputError(f"{folder} cannot be loaded by open_clip: {reason(error)}.") from error


def _build(
    name: str, arch: str, device: torch.device, *, quick_gelu: bool, pretrained: str | None = None, **preprocessing: Any
) -> OpenClipModel:
    import open_clip

    with warnings.catch_warnings(), _no_questions(arch):
        warnings.filterwarnings("ignore", "QuickGELU mismatch", UserWarning)
        tokenizer = _tokenizer(arch)
        network, transform = open_clip.create_model_from_pretrained(
            arch, pretrained, force_quick_gelu=quick_gelu, **preprocessing
        )
    checks.refuse_wrong_activation(network, arch, quick_gelu)
    config = open_clip.get_model_config(arch) | {"quick_gelu": quick_gelu}
    return OpenClipModel(name, network, device, tokenizer=tokenizer, transform=transform, config=config)


def _tokenizer(arch: str) -> Callable[[list[str]], Tensor]:
    import open_clip

    try:
        tokenizer: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(arch)
    except Exception as error:  # transformers and the hub each raise their own
        instead = f"open_clip:{FOLDER}/path/to/folder with open_clip_config.json, the tokenizer and the weights"
        raise hub.not_obtained(f"the tokenizer of {arch}", instead, error) from error
    return tokenizer


def _unknown_tag(arch: str, tag: str) -> InputError:
    import open_clip

    plain = arch.removesuffix("-quickgelu")
    if plain != arch and open_clip.get_pretrained_cfg(plain, tag):
        return InputError(f"the weights '{tag}' were not trained with QuickGELU: write open_clip:{plain}/{tag}.")
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if not tags:
        return InputError(f"open_clip publishes no weights of '{arch}': write open_clip:{arch}//path/to/checkpoint.")
    return unknown_name(f"tag of {arch}", tag, tags)


def _copy_hint(arch: str, quick: bool) -> str:
    right = f"{arch}-quickgelu" if quick and not checks.uses_quick_gelu(arch) else arch
    return f"open_clip:{right}//path/to/checkpoint"


def _hub_for(arch: str) -> AbstractContextManager[None]:
    return hub.cached_if_unreachable() if checks.text_needs_hub(arch) else nullcontext()


def _no_questions(arch: str) -> AbstractContextManager[None]:
    return hub.unquestioned() if checks.text_needs_hub(arch) else nullcontext()


CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
"""What open_clip looks for in a folder."""


class OpenClipTower(Tower):
    """The text side of a CLIP, SigLIP or CoCa of open_clip."""

    def __init__(self, model: OpenClipModel) -> None:
        self.tokenizer: Any = model.tokenizer
        self.config = model.config
        super().__init__(model)

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": self.tokenizer(list(texts)).to(self.device)}

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network.encode_text(tokens["text"])
        return rows

    def export(self, folder: Path, place: Path) -> str:
        state = {name: weight.clone() for name, weight in self.network.state_dict().items()}
        with atomic_write(folder / WEIGHTS) as handle:
            handle.write(tensors.packed(state, {"format": "pt"}))
        with hub.saving(folder):
            config = {
                "model_cfg": self._portable(folder, place.resolve()),
                "preprocess_cfg": self.network.visual.preprocess_cfg,
            }
        atomic_write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
        return f"open_clip:{FOLDER}{place.resolve()}"

    def _portable(self, folder: Path, place: Path) -> dict[str, Any]:
        """The configuration, its tokenizer's files put into the folder."""
        config = copy.deepcopy(self.config)
        text = config["text_cfg"]
        if hasattr(self.tokenizer, "save_pretrained"):
            self.tokenizer.save_pretrained(folder)
            text.setdefault("hf_tokenizer_name", str(place))
        if merges := text.get("tokenizer_kwargs", {}).get("bpe_path"):
            name = Path(merges).name
            shutil.copyfile(merges, folder / name)
            text["tokenizer_kwargs"]["bpe_path"] = str(place / name)
        return config
