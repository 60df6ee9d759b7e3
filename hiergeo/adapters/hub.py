"""Models from elsewhere: the Hugging Face hub is asked once and briefly, and configurations are checked before use."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import BeforeValidator
from torch import nn

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Document, validated
from hiergeo._core.storage.files import path_of, writing
from hiergeo._core.text import shortened
from hiergeo.geometry.coordinates import Coordinates

T = TypeVar("T")

_switch = RLock()
"""Held while `HF_HUB_OFFLINE` is turned, which is one for the whole process."""

SNAPSHOT = ["*.json", "*.safetensors", "*.yaml", "*.model", "*.txt", "*.jinja", "*.md"]
"""Files of a model that are downloaded: configuration, weights, tokenizer, chat template and card. Weights in pickles
(``*.bin``) are taken only where there are no others."""

HUB = "hf-hub:"
"""What the name of a repository of the hub has before it in a spec that takes paths, too."""

PATIENCE = 4.0
"""Seconds to wait for the hub to answer at all."""


def local_folder(source: str) -> Path | None:
    """The folder that a model source names (it begins with ``/``, ``.`` or ``~``, or exists), or None for a hub name.

    Raises:
        InputError: the source is a path where there is no folder.
    """
    folder = path_of(source)
    if folder.is_dir():
        return folder
    if source.startswith(("/", ".", "~")):
        raise InputError(f"there is no folder {folder} to load a model from.")
    return None


def folder_of(source: str, instead: str) -> Path:
    """The folder of a model source; of a hub name the files of `SNAPSHOT` are downloaded.

    Raises:
        InputError: the source is a path where there is no folder.
        UnavailableError: the download failed; `instead` says how to point to a local copy.
    """
    repository = source.removeprefix(HUB)
    own = local_folder(source) if repository == source else None
    return own or snapshot(repository, f"the model '{repository}'", instead)


def file_of(source: str, instead: str) -> Path:
    """The file of a path, or of ``hf-hub:ORG/NAME/FILE``, which is downloaded into the cache.

    Raises:
        InputError: the name of a repository without a file.
        UnavailableError: the download failed; `instead` says how to point to a local copy.
    """
    if not source.startswith(HUB):
        return path_of(source)
    from huggingface_hub import hf_hub_download

    *repository, file = source.removeprefix(HUB).split("/", 2)
    if len(repository) != 2 or not file:
        raise InputError(f"'{source}' names no file of a repository: write {HUB}ORG/NAME/FILE.")
    try:
        with cached_if_unreachable():
            return Path(hf_hub_download("/".join(repository), file))
    except Exception as error:  # the hub's errors are many
        raise not_obtained(f"the file '{source}'", instead, error) from error


def snapshot(repository: str, wanted: str, instead: str, revision: str | None = None) -> Path:
    """The folder in the local cache with a repository's files of `SNAPSHOT`, brought up to date where the hub answers.

    Raises:
        UnavailableError: the cache has none, and the download failed; see `not_obtained` for its words.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=SNAPSHOT))
        if not any(folder.rglob("*.safetensors")):
            folder = Path(snapshot_download(repository, revision=revision, allow_patterns=[*SNAPSHOT, "*.bin"]))
        return folder
    except Exception as error:  # the hub's errors are many
        raise not_obtained(wanted, instead, error) from error


@contextmanager
def cached_if_unreachable() -> Iterator[None]:
    """Within the block the hub is used if it answers within `PATIENCE` seconds, and only its local cache otherwise.

    Without this each file of a model is retried for some 25 seconds on a machine that has no network.
    """
    from huggingface_hub import constants

    with _offline(constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT)):
        yield


@contextmanager
def only_cached() -> Iterator[None]:
    """Within the block only the local cache of the hub is used: what is loaded is a folder, which may be anybody's."""
    with _offline(True):
        yield


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    from huggingface_hub import constants

    with _switch:
        before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, offline
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the load reports, progress bars and questions of transformers; what matters is raised as an error."""
    from transformers.utils import logging as log

    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with unquestioned():
            yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


@contextmanager
def unquestioned() -> Iterator[None]:
    """Within the block transformers never runs code that comes with a model, and does not ask whether to."""
    try:
        from transformers import dynamic_module_utils
    except ImportError:
        yield
        return
    asking = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    finally:
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = asking


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Report a failure of a library to write a folder as an UnavailableError."""
    from safetensors import SafetensorError

    with writing(folder):
        try:
            yield
        except SafetensorError as error:
            raise UnavailableError(f"cannot write {folder}: {reason(error)}.") from error


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 over what a tokenizer of transformers does with a text: its class, tokens, special tokens and rules.

    Padding and truncation, which it is told with every call, are left out.
    """
    core = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(core.to_str()) if core is not None else {}
    rules = {name: rule for name, rule in rules.items() if name not in ("padding", "truncation")}
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    facts = [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items()), special, rules]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def not_obtained(wanted: str, instead: str, error: Exception) -> UnavailableError:
    """The error for a download that failed: what was wanted, and how to point to a local copy."""
    return UnavailableError(
        f"cannot obtain {wanted}: it is not in the local cache and downloading it failed "
        f"({reason(error).split('. ')[0]}); with no network, point to a local copy: {instead}."
    )


def _answers(endpoint: str) -> bool:
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=PATIENCE)
    except Exception:  # every HTTP client of the hub raises errors of its own for "no route"
        return False
    return True


REPEATED = re.compile(r"layers?|n_layers?|.*_(layers?|blocks?)|depths?|.*repeats")
"""Keys that say how often a part is built."""

UNLIMITED = "model_max_length"
"""A key of tokenizers that holds 10^30 where there is no limit."""

CODE = "trust_remote_code"
"""The key by which a configuration asks for code of its own to be run."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
"""Endings of files of weights."""

BYTES_PER_WEIGHT = 4
EXPANSION = 8
"""Times its stored size that a model may take in float32, which is 4 for weights of one byte."""

DIGITS = 8
"""Digits of a whole number in a spec."""


def foreign_json(path: Path) -> Any:
    """The value of a JSON file that another library wrote.

    Raises:
        InputError: it cannot be read, is not valid JSON, or exceeds `hiergeo._core.limits`.
    """
    try:
        return documents.load_json(path, digits=limits.FOREIGN_DIGITS)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {reason(error)}.") from error


def check_config(config: Any, source: str, key: str = "", depth: int = 0) -> None:
    """Refuse a configuration with absurd sizes, too deep a nesting, or one that asks for its own code to be run.

    Raises InputError, which names the key; `source` says in words whose configuration the JSON values are.
    """
    if depth > limits.JSON_DEPTH:
        raise InputError(f"{source} is nested deeper than {limits.JSON_DEPTH}.")
    if key == CODE and config:
        raise InputError(f"{source} asks for code of its own to be run ('{CODE}'), which hiergeo never does.")
    most = limits.LAYERS if REPEATED.fullmatch(key) else limits.SETTING
    if isinstance(config, int) and key != UNLIMITED and abs(config) > most:
        raise InputError(
            f"{source} says that '{key}' is {shortened(str(config), 24)}: no model has more than {most:,}."
        )
    listed = [(key, item) for item in config] if isinstance(config, list | tuple) else []
    for name, value in config.items() if isinstance(config, dict) else listed:
        check_config(value, source, str(name), depth + 1)


def configuration(folder: Path, kind: type[T], values: Any) -> T:
    """The configuration in a folder, of these JSON values.

    Raises:
        InputError: it is absurd, asks for code, or does not fit.
    """
    source = f"the configuration in {folder}"
    check_config(values, source)
    return fitting(values, kind, source)


def fitting(values: Any, kind: type[T], source: str) -> T:
    """JSON values as an object of the type that declares what they must be. Raises InputError; names the field."""
    try:
        return validated(kind, values)
    except ValueError as error:
        raise InputError(f"{source} cannot be used: {error}") from error


def options_of(rest: str, kind: type[T]) -> tuple[str, T]:
    """The path or name in the rest of a spec and the options behind its question mark: ``PATH?images=squash&heads=12``.

    Raises:
        InputError: an option that does not exist (the nearest is suggested) or stands there twice, or a value that does
            not fit.
    """
    name, _, query = (rest, "", "") if path_of(rest).exists() else rest.partition("?")
    given: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        if key in given:
            raise InputError(f"'?{query}' in the model spec names the option '{key}' twice.")
        given[key] = int(value) if value.isascii() and value.isdigit() and len(value) <= DIGITS else value
    return name, fitting(given, kind, f"'?{query}' in the model spec")


class CoordinateOptions(Document):
    """Options of a spec that say which points of a hyperbolic space the rows are."""

    coordinates: str | None = None
    curvature: Annotated[float, BeforeValidator(float)] | None = None

    @property
    def read(self) -> Coordinates | None:
        """The coordinates; None for rows of flat space. Raises InputError for one option without the other."""
        if self.coordinates is not None and self.curvature is not None:
            return Coordinates(self.coordinates, self.curvature)
        if self.coordinates is None and self.curvature is None:
            return None
        raise InputError("coordinates go with a curvature in a model spec: ?coordinates=hyperboloid&curvature=-1.")


class RowOptions(CoordinateOptions):
    """Options of the spec of a model that say what its rows are."""

    norms: Literal["keep"] | None = None


CARD, HYPERBOLIC = "README.md", re.compile(r"hyperbolic|hyperboloid|lorentz|poincar", re.IGNORECASE)
"""The card of a model, and what it says of one that was trained in a curved space."""


def card_of(folder: Path) -> str:
    """The card in a folder; empty without one."""
    path = folder / CARD
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def check_size(build: Callable[[], nn.Module], folder: Path, source: str) -> None:
    """Raise InputError for a model that would need far more memory than the weight files in its folder have.

    It is built on torch's meta device, where weights take no memory; `source` says in words whose it is.
    """
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in WEIGHTS and path.is_file())
    try:
        with torch.device("meta"):
            weights = sum(weight.numel() for weight in build().parameters())
    except Exception as error:  # every library checks what it builds in its own way
        raise InputError(f"{source} describes no model that can be built ({reason(error)}).") from error
    if weights * BYTES_PER_WEIGHT > EXPANSION * max(stored, 1 << 20):
        raise InputError(f"{source} describes {weights:,} weights, and its files hold {stored:,} bytes: it is damaged.")
