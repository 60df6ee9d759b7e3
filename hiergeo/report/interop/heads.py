"""Heads on the Hugging Face hub, uploaded with their cards; `hiergeo.adapters.load` loads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiergeo._core.errors import InputError, UnavailableError, reason, warn
from hiergeo._core.storage.files import path_of
from hiergeo.adapters.head import CONFIG, read_head_config
from hiergeo.adapters.trained import DESCRIPTION, read_description
from hiergeo.report.interop.cards import (
    AUDIT,
    CARD,
    EVALUATION,
    is_outdated,
    names_a_path,
    of_these_weights,
    write_card,
)
from hiergeo.training.clip.training import LOG


def push_to_hub(
    folder: Path | str,
    repo_id: str,
    *,
    private: bool = False,
    token: str | None = None,
    message: str = "Upload a head of hiergeo",
    license: str | None = None,
    api: Any = None,
) -> str:
    """Upload a stored head to a repository of the Hugging Face hub, which is made if need be; returns its address.

    Uploaded are the configuration, weights and history of the head, its card (written where there is none, or one that
    was written for other weights) and what `write_card` stored of these weights; nothing else that lies in the folder.
    Of a model of `hiergeo.training.train_clip` its own files, its log and the same go there.

    Args:
        folder: of the head, or of the model.
        repo_id: ``ORG/NAME``.
        private: make a new repository private.
        token: of the hub; None is the one that is logged in.
        message: of the commit.
        license: identifier of the licence, for a card that is written now.
        api: a `huggingface_hub.HfApi` to use in place of a new one.

    Raises:
        InputError: there is no head, its files are damaged, or the name is not ``ORG/NAME``.
        UnavailableError: the hub cannot be reached or refuses.
    """
    folder = path_of(folder)
    _check_repository(repo_id)
    trained = (folder / DESCRIPTION).is_file()
    config = read_description(folder) if trained else read_head_config(folder)
    if trained and config.get("files") is None:
        raise InputError(f"{folder} does not say which files it has: run its training again, which takes no step.")
    if not trained and config.get("base") and names_a_path(str(config["base"])):
        warn(
            f"the head needs the model {config['base']}, a path that others do not have and that is uploaded with the "
            "configuration: they load the head with @SPEC behind its name."
        )
    card = folder / CARD
    if not card.is_file() or is_outdated(card, config):
        write_card(folder, name=repo_id, license=license)
    files = [CARD, *_stored(folder, config)]
    if trained:
        files += [DESCRIPTION, LOG, *config["files"]]
    else:
        files += [CONFIG, config["weights"], *([config["history"]] if "history" in config else [])]
    return _uploaded(folder, repo_id, files, private, token, message, api)


def _stored(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """The measurements beside a head or a model that are of its weights; it is said which are not."""
    stored = [name for name in (EVALUATION, AUDIT) if of_these_weights(folder / name, config) is not None]
    for name in (EVALUATION, AUDIT):
        if name not in stored and (folder / name).is_file():
            warn(f"{folder / name} is not of these weights and is not uploaded: write_card stores it anew.")
    return stored


def _uploaded(
    folder: Path, repo_id: str, files: list[str], private: bool, token: str | None, message: str, api: Any
) -> str:
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi(token=token)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=str(folder), commit_message=message, allow_patterns=files)
    except Exception as error:  # clients of the hub raise errors of their own for "no route" and "no permission"
        raise UnavailableError(f"cannot upload {folder} to {repo_id}: {reason(error)}.") from error
    return f"https://huggingface.co/{repo_id}"


def _check_repository(repo_id: str) -> None:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    problem = None
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        problem = error
    if problem or repo_id.count("/") != 1:
        raise InputError(f"'{repo_id}' is not the name of a repository (ORG/NAME).") from problem
