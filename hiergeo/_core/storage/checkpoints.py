"""Checkpoints of PyTorch (``torch.save``): tensors and plain values alone, looked at before they are read."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from hiergeo._core import limits
from hiergeo._core.errors import InputError


def described(path: Path) -> Any:
    """What a checkpoint holds, its tensors on torch's meta device: shapes and dtypes without values.

    Raises:
        InputError: no such file, damaged, a pickle of more than tensors and plain values (which is never run), a
            TorchScript archive, compressed, or a description longer than `hiergeo._core.limits` allows.
    """
    return _loaded(path, map_location="meta")


def read(path: Path) -> Any:
    """What a checkpoint holds, its tensors on the CPU; their pages are read from the file when they are used.

    Raises:
        InputError: as `described`.
    """
    return _loaded(path, map_location="cpu", mmap=zipfile.is_zipfile(path))


def _loaded(path: Path, **options: Any) -> Any:
    if not path.is_file():
        raise InputError(f"there is no checkpoint file {path}.")
    try:
        _refuse_inflated(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, weights_only=True, **options)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is damaged or holds pickled objects other than tensors, which could run code and are refused: "
            "save its state_dict as safetensors."
        ) from error
    except InputError:
        raise
    except Exception as error:  # damaged bytes fail anywhere in the unpickler
        script = "TorchScript" in str(error)
        defect = "is a TorchScript archive: save its state_dict as safetensors" if script else "is damaged"
        raise InputError(f"{path} cannot be read: it {defect}.") from error


def _refuse_inflated(path: Path) -> None:
    """Raise InputError for a zip archive that torch would inflate beyond any model's size.

    torch stores tensors as they are; only the pickle that describes them is bounded.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if sum(info.file_size for info in infos if info.filename.endswith(".pkl")) > limits.PICKLE_BYTES:
        raise InputError(f"{path} holds a description of more than {limits.PICKLE_BYTES:,} bytes: it is not a model.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise InputError(f"{path} is compressed, as no checkpoint of torch is: save its state_dict with torch.save.")
