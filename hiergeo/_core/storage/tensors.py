"""Tensors in safetensors files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from hiergeo._core.errors import InputError

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Tensors, on any device and of any layout, as the bytes of a safetensors file."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata=None if metadata is None else dict(metadata))


def shapes(path: Path | str) -> Shapes:
    """Names and shapes of the tensors in a file, from its header alone.

    Raises:
        InputError: the file is missing, cut off or damaged.
    """
    from safetensors import safe_open

    with _damage_as_one_sentence(path), safe_open(path, "pt") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 - an opened file is no mapping


def read(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises:
        InputError: as `shapes`.
    """
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


def check_fit(path: Path | str, expected: Shapes, found: Shapes) -> None:
    """Raise InputError, naming the first tensor by which they differ, unless names and shapes are those expected."""
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{path} does not fit: the tensor '{name}' is {_shape(found, name)} where {_shape(expected, name)} "
                "is expected."
            )


def _shape(shapes: Shapes, name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "missing"
