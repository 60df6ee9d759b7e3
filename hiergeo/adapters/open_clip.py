"""Models of OpenCLIP, the bundled one among them, and their text towers for training."""

import copy
import inspect
import json
import logging
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from hiergeo._core.errors import LISTED, HiergeoError, InputError, UnavailableError, reason, unknown_name, warn
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Document
from hiergeo._core.storage.files import atomic_write, atomic_write_text, path_of
from hiergeo._core.storage.tensors import Shapes
from hiergeo.adapters import hub, tiny, weights
from hiergeo.adapters.model import ClipModel
from hiergeo.adapters.native import NUMBERS, Native, stored_natively
from hiergeo.adapters.towers import Tower
from hiergeo.geometry import Space, parse

if TYPE_CHECKING:
    from PIL.Image import Image

HUB, FOLDER = hub.HUB, "local-dir:"
"""What the name of a repository, and of a folder of `CONFIG` and `WEIGHTS`, has before it in a spec."""

CONFIG, WEIGHTS, PICKLED = "open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
"""What open_clip looks for in a folder, the last where there is no other file of weights."""

PREPROCESSING = {
    "image_mean": "mean",
    "image_std": "std",
    "image_interpolation": "interpolation",
    "image_resize_mode": "resize_mode",
}
"""Argument of `open_clip.create_model_from_pretrained` -> key of a published configuration."""


class SpaceOptions(Document):
    """Options of these models in a spec."""

    space: str | None = None
    norm: Literal["free", "unit"] = "free"


class OpenClipModel(ClipModel):
    """An OpenCLIP model with its own tokenizer and its validation transform.

    Attributes:
        config: open_clip's configuration of the network, with the activation that its weights need.
    """

    def __init__(self, name: str, network: Any, device: torch.device, config: dict[str, Any], **prepared: Any) -> None:
        super().__init__(name, network, device, preprocessing=str(network.visual.preprocess_cfg), **prepared)
        self.config = config
        self._space: Space | None = None
        self._scales: tuple[Any, Any] = 1.0, 1.0

    def embed_texts(self, texts: list[str]) -> Tensor:
        return super().embed_texts(texts) * self._scales[1]

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        return super().embed_pictures(pictures) * self._scales[0]

    def live_natively(self, native: Native) -> None:
        """Take the space that was stored with the weights, whose rows are features times a factor of their modality."""
        assert native.space is not None
        self.live_in(native.space, False)
        self._scales = native.scales[0].to(self.device), native.scales[1].to(self.device)
        self.settings += f"{native.space.geometry.spec} {' '.join(repr(float(scale[0])) for scale in native.scales)}"

    def live_in(self, space: Space, normalised: bool) -> None:
        """Say which space the model was trained in, and whether its rows are unit vectors of it."""
        self._space, self.normalised = space, normalised
        self.settings += "" if normalised else "free norms"

    def native_space(self) -> Space | None:
        """The space that the spec names or the weights bring; None without."""
        return self._space

    @property
    def embed_dim(self) -> int:
        """The dimension of the embedding space, without an embedding."""
        return int(self.config["embed_dim"])

    def save(self, folder: Path, home: Path, towers: Any) -> None:
        """Write other towers of this architecture; as `save_folder`."""
        save_folder(folder, home, towers, self)

    def trainable(self) -> "OpenClipModel":
        """The model with a network of open_clip, which the bundled one is loaded without."""
        if not isinstance(self.network, tiny.TinyClip):
            return self
        with _no_root_handler():
            return _build("tiny", tiny.register(), self.device, pretrained=str(tiny.weights()), quick_gelu=False)

    def rebuilt_network(self) -> nn.Module:
        from open_clip import CLIP

        kind = CLIP if isinstance(self.network, tiny.TinyClip) else type(self.network)
        parameters = inspect.signature(kind).parameters
        config = copy.deepcopy({key: value for key, value in self.config.items() if key in parameters})
        for part, library in (("text_cfg", "hf"), ("vision_cfg", "timm")):
            if config[part].get(f"{library}_model_name"):
                config[part][f"{library}_model_pretrained"] = False
        try:
            with hub.only_cached():  # where the network that is copied came from
                built: nn.Module = kind(**config)
        except Exception as error:  # open_clip, timm and transformers check what they build in their own ways
            raise InputError(f"{self.name} cannot be built without its weights: {reason(error)}.") from error
        built.get_submodule("visual").preprocess_cfg = self.network.visual.preprocess_cfg
        return built


class OpenClipTower(Tower):
    """The text side of a CLIP, SigLIP or CoCa of open_clip."""

    def __init__(self, model: OpenClipModel) -> None:
        self.tokenizer: Any = model.tokenizer
        self.config = model.config
        super().__init__(model.trainable())

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": self.tokenizer(list(texts)).to(self.device)}

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network.encode_text(tokens["text"])
        return rows

    def export(self, folder: Path, home: Path) -> str:
        save_folder(folder, home, self.network, self)
        return f"open_clip:{FOLDER}{home.resolve()}"


def save_folder(folder: Path, home: Path, network: Any, source: OpenClipModel | OpenClipTower) -> None:
    """Write a network as a folder of open_clip, with the configuration and the tokenizer of `source`.

    `home` is where that folder goes when it is whole. Raises UnavailableError if it cannot be written.
    """
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    with atomic_write(folder / WEIGHTS) as handle:
        handle.write(tensors.packed(state, {"format": "pt"}))
    config = copy.deepcopy(source.config)
    text, tokenizer = config["text_cfg"], source.tokenizer
    with hub.saving(folder):
        if hasattr(tokenizer, "save_pretrained"):
            tokenizer.save_pretrained(folder)
            text.setdefault("hf_tokenizer_name", str(home.resolve()))
        if merges := text.get("tokenizer_kwargs", {}).get("bpe_path"):
            name = Path(merges).name
            if (folder / name).resolve() != Path(merges).resolve():
                shutil.copyfile(merges, folder / name)
            text["tokenizer_kwargs"]["bpe_path"] = str(home.resolve() / name)
    described = {"model_cfg": config, "preprocess_cfg": network.visual.preprocess_cfg}
    atomic_write_text(folder / CONFIG, json.dumps(described, indent=2) + "\n")


@contextmanager
def _no_root_handler() -> Iterator[None]:
    """Keep open_clip's ``logging.info`` from installing a handler that prints everybody's records to the terminal."""
    guard = logging.NullHandler()
    logging.getLogger().addHandler(guard)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(guard)


@contextmanager
def _texts_of_the_hub(arch: str) -> Iterator[None]:
    """Where tokenizer or text tower are of the hub it is asked once and briefly; a folder never makes anybody ask it.

    No code that comes with a model is run.
    """
    reach: AbstractContextManager[None] = nullcontext()
    if arch.startswith(FOLDER):
        reach = hub.only_cached()
    elif _text_needs_hub(arch):
        reach = hub.cached_if_unreachable()
    with reach, hub.unquestioned():
        yield


@_no_root_handler()
def load_open_clip(rest: str, *, device: torch.device) -> OpenClipModel:
    """The model of ``ARCH/TAG``, ``ARCH//path/to/checkpoint``, ``hf-hub:ORG/NAME`` or ``local-dir:PATH``.

    The activation follows the tag: OpenAI's weights run with QuickGELU in every spelling of the architecture. A
    checkpoint file does not say how it was trained: for weights trained with QuickGELU (OpenAI's, DFN's, MetaCLIP's and
    what was fine-tuned from them) name the architecture that ends in ``-quickgelu``.

    ``?space=lorentz:-1`` names the space that weights were trained in, around its origin: rows are then the projected
    features as they are, or with ``&norm=unit`` of norm one.

    Raises:
        InputError: unknown architecture or tag, no weights, a checkpoint that is not one of that architecture, or a
            space that does not exist.
        UnavailableError: a download failed.
    """
    source, options = hub.options_of(rest, SpaceOptions)
    geometry = None if options.space is None else parse(options.space)
    model = _loaded(f"open_clip:{rest}", source, device)
    if geometry is not None:
        model.live_in(Space(geometry, torch.zeros(model.config["embed_dim"])), options.norm == "unit")
    elif model.native_space() is None and hub.HYPERBOLIC.search(_card(source)):
        warn(
            f"the card of {source} speaks of a hyperbolic space, and it is measured in Euclidean space: name the space "
            "of the training, such as ?space=lorentz:-1 behind the spec."
        )
    return model


def _card(source: str) -> str:
    """The card of a folder or of a repository in the cache; empty without one."""
    from huggingface_hub import try_to_load_from_cache

    if source.startswith(FOLDER):
        return hub.card_of(path_of(source.removeprefix(FOLDER)))
    path = try_to_load_from_cache(source.removeprefix(HUB), hub.CARD) if source.startswith(HUB) else None
    return hub.card_of(Path(path).parent) if isinstance(path, str) else ""


def _loaded(name: str, source: str, device: torch.device) -> OpenClipModel:
    tiny.register()
    if source.startswith(HUB):
        return _from_hub(name, source, device)
    if source.startswith(FOLDER):
        return _from_folder(name, source, device)
    arch, _, wanted = source.partition("/")
    _check_architecture(arch, wanted)
    if wanted.startswith(("/", ".")):
        return _from_file(name, arch, path_of(wanted), device)
    return _from_tag(name, arch, wanted, device)


@_no_root_handler()
def load_folder(rest: str, *, device: torch.device) -> OpenClipModel:
    """The towers in a folder ``local-dir:PATH``, whatever its card says. Raises as `load_open_clip`."""
    return _from_folder(f"open_clip:{rest}", rest, device)


@_no_root_handler()
def fresh_open_clip(rest: str, seed: int, *, device: torch.device) -> OpenClipModel:
    """An architecture of open_clip with the random weights that training starts from; the same seed gives the same.

    Raises:
        InputError: an unknown architecture.
        UnavailableError: its tokenizer cannot be had.
    """
    tiny.register()
    _check_architecture(rest, "random")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _build(f"open_clip:{rest}", rest, device, quick_gelu=uses_quick_gelu(rest))


def load_tiny(*, device: torch.device) -> OpenClipModel:
    """The bundled model, without an import of open_clip."""
    prepared = {"tokenizer": tiny.tokenizer(), "transform": tiny.transform, "config": tiny.config()}
    return OpenClipModel("tiny", tiny.TinyClip(), device, **prepared)


def architectures() -> set[str]:
    """The names of the architectures of open_clip, read from its files: to import it takes seconds."""
    spec = find_spec("open_clip")
    folders = [] if spec is None else spec.submodule_search_locations or []
    return {file.stem for folder in folders for file in (Path(folder) / "model_configs").glob("*.json")}


def check_source(source: str) -> None:
    """Raise InputError where a source names an unknown architecture or tag, no weights, or no folder of open_clip."""
    if source.startswith(FOLDER):
        config_of(path_of(source.partition("?")[0].removeprefix(FOLDER)))
    if source.startswith((HUB, FOLDER)):
        return
    arch, _, wanted = source.partition("?")[0].partition("/")
    if "open_clip" not in sys.modules and arch not in (named := architectures() | {tiny.NAME}):
        raise unknown_name("open_clip architecture", arch, named)
    tiny.register()
    _check_architecture(arch, wanted)
    if not wanted.startswith(("/", ".")):
        _published(arch, wanted)
    elif not path_of(wanted).is_file():
        raise UnavailableError(f"there is no checkpoint {path_of(wanted)}.")


def config_of(folder: Path) -> Path:
    """The configuration in a folder of open_clip. Raises InputError where there is none."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no {CONFIG}: not a folder saved by open_clip.")
    return folder / CONFIG


def _check_architecture(arch: str, wanted: str) -> None:
    import open_clip

    if arch not in open_clip.list_models():
        raise unknown_name("open_clip architecture", arch, open_clip.list_models())
    if not wanted:
        tags = open_clip.list_pretrained_tags_by_model(arch)
        listed = ", ".join([*tags[:LISTED], *(["..."] if tags[LISTED:] else [])]) or "none published"
        raise InputError(
            f"'{arch}' alone would be random weights: write open_clip:{arch}/TAG (tags: {listed}) "
            f"or open_clip:{arch}//path/to/checkpoint."
        )


def _from_tag(name: str, arch: str, tag: str, device: torch.device) -> OpenClipModel:
    import open_clip

    published = _published(arch, tag)
    quick = uses_quick_gelu(arch) or bool(published.get("quick_gelu"))
    with hub.cached_if_unreachable():
        try:
            open_clip.download_pretrained(published)
        except Exception as error:  # urllib, the hub and open_clip each raise their own
            right = f"{arch}-quickgelu" if quick and not uses_quick_gelu(arch) else arch
            instead = f"open_clip:{right}//path/to/checkpoint"
            raise hub.not_obtained(f"the weights '{tag}' of open_clip's {arch}", instead, error) from error
        return _build(name, arch, device, pretrained=tag, quick_gelu=quick)


def _published(arch: str, tag: str) -> Any:
    """The published weights of a tag. Raises InputError for an unknown one."""
    import open_clip

    if published := open_clip.get_pretrained_cfg(arch, tag):
        return published
    plain = arch.removesuffix("-quickgelu")
    if plain != arch and open_clip.get_pretrained_cfg(plain, tag):
        raise InputError(f"the weights '{tag}' were not trained with QuickGELU: write open_clip:{plain}/{tag}.")
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if not tags:
        raise InputError(f"open_clip publishes no weights of '{arch}': write open_clip:{arch}//path/to/checkpoint.")
    raise unknown_name(f"tag of {arch}", tag, tags)


def _from_file(name: str, arch: str, path: Path, device: torch.device) -> OpenClipModel:
    shapes = checkpoint_shapes(path)
    options, quick = preprocessing_of(arch), uses_quick_gelu(arch)
    try:
        model = _build(name, arch, device, pretrained=str(path), quick_gelu=quick, file=path, **options)
    except HiergeoError:
        raise
    except Exception as error:  # a foreign checkpoint fails anywhere in open_clip's conversions
        raise InputError(f"{path} is not a checkpoint of {arch}: {weights.said(error)}.") from error
    _refuse_resized(model.network, arch, path, shapes)
    return model


def _from_hub(name: str, rest: str, device: torch.device) -> OpenClipModel:
    import open_clip
    from huggingface_hub import hf_hub_download
    from open_clip.pretrained import download_pretrained_from_hf

    repository = rest.removeprefix(HUB)
    with hub.cached_if_unreachable():
        try:
            quick = uses_quick_gelu(rest)
            file = Path(download_pretrained_from_hf(repository))
        except Exception as error:  # the hub's errors are many
            instead = f"open_clip:{FOLDER}/path/to/folder with {CONFIG} and the weights"
            raise hub.not_obtained(f"the open_clip model '{repository}'", instead, error) from error
        with suppress(Exception):  # a repository need not have a card
            hf_hub_download(repository, hub.CARD)
        hub.check_config(open_clip.get_model_config(rest), f"the configuration of '{repository}'")
        return _build(name, rest, device, quick_gelu=quick, file=file)


def _from_folder(name: str, rest: str, device: torch.device) -> OpenClipModel:
    import open_clip

    folder = path_of(rest.removeprefix(FOLDER))
    described = config_of(folder)
    config = hub.foreign_json(described)
    hub.check_config(config, str(described))
    try:
        image = config["model_cfg"].get("vision_cfg", {}).get("timm_model_name") or ""
        if ":" in image:
            raise InputError(
                f"{described} names '{image}' as its image tower, and a folder is loaded without asking the hub: name "
                "an architecture of timm."
            )
        with _texts_of_the_hub(rest):
            bare = partial(open_clip.create_model, rest, load_weights=False, pretrained_text=False, device="meta")
            hub.check_size(bare, folder, str(described))
            file = next((folder / name for name in (WEIGHTS, PICKLED) if (folder / name).is_file()), None)
            return _build(name, rest, device, quick_gelu=uses_quick_gelu(rest), file=file)
    except HiergeoError:
        raise
    except Exception as error:  # a foreign folder fails anywhere in open_clip's conversions
        problem = f"{weights.said(error)}; what it names of the hub must be in the local cache"
        raise InputError(f"{folder} cannot be loaded by open_clip: {problem}.") from error


def _build(
    name: str,
    arch: str,
    device: torch.device,
    *,
    quick_gelu: bool,
    pretrained: str | None = None,
    file: Path | None = None,
    **preprocessing: Any,
) -> OpenClipModel:
    import open_clip

    curved = file is not None and NUMBERS[0] in checkpoint_shapes(file)

    with warnings.catch_warnings(), _texts_of_the_hub(arch):
        warnings.filterwarnings("ignore", "QuickGELU mismatch", UserWarning)
        tokenizer = _tokenizer(arch)
        schema = arch.startswith((HUB, FOLDER))
        make = open_clip.create_model_from_pretrained if (pretrained or schema) and not curved else _random
        network, transform = make(arch, pretrained, force_quick_gelu=quick_gelu, **preprocessing)
    config = open_clip.get_model_config(arch) | {"quick_gelu": quick_gelu}
    if merges := _merges_beside(arch):
        config["text_cfg"]["tokenizer_kwargs"] |= merges
    native = _loaded_natively(file, network, config["embed_dim"]) if file is not None and curved else None
    model = OpenClipModel(name, network, device, tokenizer=tokenizer, transform=transform, config=config)
    if native is not None:
        model.live_natively(native)
    return model


def _loaded_natively(file: Path, network: nn.Module, dim: int) -> Native:
    """Load weights that bring numbers of a space onto towers; raises InputError for others than those of the towers."""
    content = tensors.read(file) if file.suffix == ".safetensors" else tensors.read_checkpoint(file)
    state = weights.state_in(file, content, ("state_dict", "model"))
    weights.check_usable(file, state)
    native = stored_natively(file, state, dim)
    weights.strictly(file, lambda: network, state)
    return native


def _random(arch: str, _: str | None, **options: Any) -> tuple[nn.Module, Any]:
    import open_clip

    network, _, transform = open_clip.create_model_and_transforms(arch, load_weights=False, **options)
    return network, transform


def _tokenizer(arch: str) -> Callable[[list[str]], Tensor]:
    import open_clip

    try:
        tokenizer: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(arch, **_merges_beside(arch))
    except Exception as error:  # transformers and the hub each raise their own
        instead = f"open_clip:{FOLDER}/path/to/folder with open_clip_config.json, the tokenizer and the weights"
        raise hub.not_obtained(f"the tokenizer of {arch}", instead, error) from error
    return tokenizer


def _merges_beside(arch: str) -> dict[str, str]:
    """The merges in a folder, which its configuration names by the place where it was written."""
    from open_clip import get_model_config

    named = get_model_config(arch)["text_cfg"].get("tokenizer_kwargs", {}).get("bpe_path")
    if not named or not arch.startswith(FOLDER):
        return {}
    beside = path_of(arch.removeprefix(FOLDER)) / Path(named).name
    return {"bpe_path": str(beside)} if beside.is_file() else {}


def uses_quick_gelu(arch: str) -> bool:
    """Whether an architecture's own configuration asks for QuickGELU."""
    from open_clip import get_model_config

    return bool(get_model_config(arch).get("quick_gelu"))


def _text_needs_hub(arch: str) -> bool:
    from open_clip import get_model_config

    text = get_model_config(arch)["text_cfg"]
    return bool(text.get("hf_tokenizer_name") or text.get("hf_model_name")) or "siglip" in arch.lower()


def preprocessing_of(arch: str) -> dict[str, Any]:
    """The arguments that make open_clip preprocess as the published weights of an architecture do.

    A checkpoint file says nothing of its preprocessing, and open_clip would take OpenAI's, which is wrong for SigLIP.
    Where the published weights disagree, the commonest is taken and a `UserWarning` says so.
    """
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(arch)
    published = [open_clip.get_pretrained_cfg(arch, tag) for tag in tags]
    choices = Counter(tuple((argument, cfg.get(key)) for argument, key in PREPROCESSING.items()) for cfg in published)
    if not choices:
        return {}
    (chosen, _), *others = choices.most_common()
    options = {argument: value for argument, value in chosen if value is not None}
    if others:
        warn(
            f"published weights of {arch} differ in preprocessing and a checkpoint file does not say which it needs; "
            f"using {options}. To choose, put open_clip_config.json with preprocess_cfg beside the checkpoint and load "
            "open_clip:local-dir:FOLDER."
        )
    return options


def checkpoint_shapes(path: Path) -> Shapes:
    """Names and shapes of the weights in a checkpoint, read without their values.

    Raises:
        InputError: there is no such file, it is damaged, holds no weights, or is a pickle of more than tensors.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint file {path}.")
    if path.suffix == ".safetensors":
        shapes = tensors.shapes(path)
    else:
        state = weights.state_in(path, tensors.described_checkpoint(path), ("state_dict", "model"))
        shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    if not shapes:
        raise InputError(f"{path} holds no weights: it is not a checkpoint of a model.")
    return shapes


def _refuse_resized(network: nn.Module, arch: str, path: Path, stored: Shapes) -> None:
    """Raise an `InputError` if open_clip stretched position embeddings to make a checkpoint of another size fit."""
    for name, weight in network.state_dict().items():
        wanted = tuple(weight.shape)
        if name.endswith("positional_embedding") and stored.get(name, wanted) != wanted:
            raise InputError(
                f"{path} is of another image size or context length than {arch}: {name} is {list(stored[name])} where "
                f"{list(wanted)} is expected."
            )
