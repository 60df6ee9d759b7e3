"""Manners towards the Hugging Face hub: ask once and briefly, then make do with the disk and say what was wanted."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from hiergeo.errors import InputError, UnavailableError, reason
from hiergeo.storage.files import path_of, writing

_switch = Lock()
_blocks: list[bool] = []
"""What `HF_HUB_OFFLINE` was before the blocks of `cached_if_unreachable` that are open, once for each of them."""

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


def require(package: str, extra: str, what: str = "this model") -> Any:
    """Import an optional package that `what` needs.

    Raises:
        UnavailableError: it is not installed; names the extra that brings it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise UnavailableError(
            f"{what} needs {package}, which cannot be imported ({error}): pip install 'hiergeo[{extra}]'."
        ) from error


@contextmanager
def cached_if_unreachable() -> Iterator[None]:
    """Within the block the hub is used if it answers within `PATIENCE` seconds, and only its local cache otherwise.

    Without this each file of a model is retried for some 25 seconds on a machine that has no network. The switch of
    huggingface_hub is one for the whole process: of blocks that overlap in different threads the first one asks, and
    the last one puts the switch back.
    """
    from huggingface_hub import constants

    with _switch:
        if not _blocks:
            _blocks.append(constants.HF_HUB_OFFLINE)
            constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT)
        else:
            _blocks.append(_blocks[0])
    try:
        yield
    finally:
        with _switch:
            before = _blocks.pop()
            if not _blocks:
                constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the load reports, bars and questions of transformers off the terminal: what matters becomes an error."""
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
    """Within the block transformers does not ask whether to run code that comes with a model; the answer is no."""
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
    """Turn what a library raises where it cannot write a folder into one sentence, an UnavailableError."""
    from safetensors import SafetensorError

    with writing(folder):
        try:
            yield
        except SafetensorError as error:
            raise UnavailableError(f"cannot write {folder}: {reason(error)}.") from error


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
