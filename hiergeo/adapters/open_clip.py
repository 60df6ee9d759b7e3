"""Models of OpenCLIP: a tag, a checkpoint, a hub repository or a folder; and the bundled one, which is of its kind."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import hub, tiny
from hiergeo.adapters import open_clip_checks as checks
from hiergeo.adapters.clip import CONFIG, FOLDER, OpenClipModel

HUB = "hf-hub:"


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
    name = f"open_clip:{rest}"
    tiny.register()
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
    return _build("tiny", tiny.register(), device, pretrained=str(tiny.weights()), quick_gelu=False)


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
            raise checks.wrong_checkpoint(arch, path, error) from error
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
    described = folder / CONFIG
    if not described.is_file():
        raise InputError(f"{folder} holds no {CONFIG}: not a folder saved by open_clip.")
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
        raise InputError(f"{folder} cannot be loaded by open_clip: {checks.said(error)}.") from error


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
