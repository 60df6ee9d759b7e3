"""From a spec such as ``open_clip:ViT-B-32/openai`` to a loaded model, by our own adapters or by installed ones."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

import torch

from hiergeo._devices import AUTO, resolve_device
from hiergeo._numerics import torch_defaults
from hiergeo.adapters._base import Model
from hiergeo.errors import HiergeoError, InputError, UnavailableError, described, unknown_name

GROUP = "hiergeo.adapters"

OWN = {
    "open_clip": "open_clip",
    "hf": "huggingface",
    "sentence-transformers": "sentence_transformers",
    "npz": "npz",
    "head": "head",
}
"""Adapter name -> the module of this package whose ``load(rest, *, device)`` builds the model."""


@torch_defaults()
def load(spec: str, *, device: str | torch.device | None = AUTO) -> Model:
    """Load a pretrained model.

    Args:
        spec: ``open_clip:ARCH/TAG``, ``open_clip:ARCH//abs/path.safetensors`` (after the first /, what begins with / or
            . is a path), ``open_clip:hf-hub:ORG/NAME``, ``open_clip:local-dir:PATH``, ``hf:NAME_OR_PATH``,
            ``sentence-transformers:NAME_OR_PATH``, ``npz:FILE``, ``head:FOLDER`` (a trained head on the model it
            names; ``head:FOLDER@SPEC`` on another one), ``tiny``, or the name of a third-party adapter
            (entry-point group ``hiergeo.adapters``: a callable ``(rest_of_spec, device=...) -> Model``).
        device: where the network runs: ``auto`` (the accelerator where there is one), a name, or a device of torch.

    Raises:
        InputError: the spec, the device or the model's files cannot be used.
        UnavailableError: a download or an optional package cannot be had.
    """
    name, _, rest = spec.partition(":")
    place = resolve_device(device)
    if name == "tiny":
        if rest:
            raise InputError(f"the bundled model takes no arguments: write 'tiny', not '{spec}'.")
        from hiergeo.adapters.open_clip import load_tiny

        return load_tiny(device=place)
    loader = _loader(name)
    if not rest:
        raise InputError(f"the model spec '{spec}' ends too early: write '{name}:' and then which model.")
    model = loader(rest, device=place) if name in OWN else _foreign(name, loader, rest, place)
    if not isinstance(model, Model):
        raise InputError(f"the adapter '{name}' returned a {type(model).__name__}, not a hiergeo.adapters.Model.")
    return model


def _loader(name: str) -> Callable[..., Model]:
    if name in OWN:
        loader: Callable[..., Model] = import_module(f"hiergeo.adapters.{OWN[name]}").load
        return loader
    foreign = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in foreign:
        raise unknown_name("adapter", name, [*OWN, "tiny", *foreign])
    try:
        found: Callable[..., Model] = foreign[name].load()
    except Exception as error:  # the code of somebody else runs here, at its import
        where = foreign[name].value
        raise UnavailableError(f"the adapter '{name}' ({where}) cannot be imported: {described(error)}.") from error
    return found


def _foreign(name: str, loader: Callable[..., Model], rest: str, device: torch.device) -> Model:
    """A model of somebody else's adapter, whose errors name it."""
    try:
        return loader(rest, device=device)
    except HiergeoError:
        raise
    except Exception as error:  # the code of somebody else runs here
        module = getattr(loader, "__module__", "unknown")
        raise UnavailableError(
            f"the adapter '{name}' (module {module}) could not load '{rest}': {described(error)}."
        ) from error
