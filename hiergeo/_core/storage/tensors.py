"""Tensors in safetensors files and in checkpoints of PyTorch (``torch.save``), of which no code is ever run."""

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Tensors, on any device and of any layout, as the bytes of a safetensors file."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata=None if metadata is None else dict(metadata))


def shapes(path: Path | str) -> Shapes:
    """Names and shapes of the tensors in a safetensors file, from its header; InputError if it is damaged."""
    from safetensors import safe_open

    with _damage_as_one_sentence(path), safe_open(path, "pt") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 - an opened file is no mapping


def read(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name; InputError if it is damaged."""
    from safetensors.torch import load_file

    with _damage_as_one_sentence(path):
        return load_file(path)


def metadata(path: Path | str) -> dict[str, str]:
    """The words beside the tensors of a file, by name; raises InputError as `shapes`."""
    from safetensors import safe_open

    with _damage_as_one_sentence(path), safe_open(path, "pt") as opened:
        return opened.metadata() or {}


@contextmanager
def _damage_as_one_sentence(path: Path | str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path} holds more than this machine has memory for.") from error
    except Exception as error:  # SafetensorError, and others where shapes or dtypes are not torch's
        raise InputError(f"{path} cannot be read as a safetensors file: {error}.") from error


def check_fit(path: Path | str, expected: Shapes, actual: Shapes) -> None:
    """Raise InputError, naming the first tensor by which they differ, unless names and shapes are those expected."""
    for name in sorted({*expected, *actual}):
        if expected.get(name) != actual.get(name):
            raise InputError(
                f"{path} does not fit: the tensor '{name}' is {_shape(actual, name)} where {_shape(expected, name)} "
                "is expected."
            )


def _shape(shapes: Shapes, name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "missing"


def described_checkpoint(path: Path) -> Any:
    """What a checkpoint holds, its tensors on torch's meta device: shapes and dtypes without values.

    InputError for a file that is missing, damaged, compressed, a TorchScript archive, or a pickle of more than tensors
    and plain values, and for a description longer than `hiergeo._core.limits` allows.
    """
    return _loaded(path, map_location="meta")


def read_checkpoint(path: Path) -> Any:
    """What a checkpoint holds, its tensors on the CPU; their pages are read from the file when they are used."""
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
    """Refuse a zip archive that torch would inflate: it stores tensors as they are, and a short pickle about them."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if sum(info.file_size for info in infos if info.filename.endswith(".pkl")) > limits.PICKLE_BYTES:
        raise InputError(f"{path} holds a description of more than {limits.PICKLE_BYTES:,} bytes: it is not a model.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise InputError(f"{path} is compressed, as no checkpoint of torch is: save its state_dict with torch.save.")
