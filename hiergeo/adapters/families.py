"""Which adapter a file or a folder of weights belongs to, told from the names of its weights or its configuration."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from hiergeo._core.errors import InputError
from hiergeo.adapters import hub

T = TypeVar("T")

MERU, MERU_CLIP, UNCHA, PHYCLIP = "meru", "meru-clip", "uncha", "phyclip"
"""Adapters of one layout of files."""

ONE_LAYOUT = (MERU, MERU_CLIP, UNCHA, PHYCLIP)

SAME_LAYOUT = {"hycoclip": MERU}
"""Adapters whose files cannot be told from those of another one."""

MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (PHYCLIP, ("curvs.", "textual.resblocks.")),
    (UNCHA, ("textual.min_radius_head.", "textual.resblocks.")),
    (MERU, ("curv", "textual.resblocks.")),
    (MERU, ("visual_alpha", "textual.resblocks.")),
    (MERU, ("textual_alpha", "textual.resblocks.")),
    (MERU_CLIP, ("visual.blocks.", "textual.resblocks.")),
    ("hyper3:FOLDER", ("vision_encoder.",)),
    ("prolip:FOLDER", ("visual.unc_embedding",)),
    ("open_clip:ARCHITECTURE//FILE", ("visual.conv1.",)),
    ("open_clip:ARCHITECTURE//FILE", ("visual.trunk.",)),
    ("hf:FOLDER", ("text_model.",)),
    ("head:FOLDER", ("linear.",)),
)
"""Adapter -> how names of weights in its files begin; the first whose beginnings are all there counts."""

FOLDERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("open_clip:local-dir:{}", "open_clip_config.json", ()),
    ("hyper3:{}", "config.json", ("vision_backbone",)),
    ("prolip:{}", "config.json", ("vision_cfg", "text_cfg")),
    ("hf:{}", "config.json", ("model_type",)),
    ("head:{}", "config.json", ("shape", "weights")),
)
"""Spec -> file in its folders, and keys of its configuration; the first match counts."""


def recognised(weights: Collection[str]) -> str | None:
    """The adapter of a file, by the names of its weights; None if nothing here knows it."""
    return next((adapter for adapter, marks in MARKS if all(_any_begins(weights, mark) for mark in marks)), None)


def _any_begins(weights: Collection[str], mark: str) -> bool:
    return any(name.startswith(mark) for name in weights)


def recognised_folder(folder: Path) -> str | None:
    """The spec of a folder, by its configuration; None if nothing here knows it."""
    for spec, name, keys in FOLDERS:
        described = folder / name
        if not described.is_file():
            continue
        try:
            config = hub.foreign_json(described)
        except InputError:
            continue
        if isinstance(config, dict) and all(key in config for key in keys):
            return spec.format(folder)
    return None


def refuse_other_family(path: Path, weights: Collection[str], wanted: str) -> None:
    """Raise an `InputError` that names the right adapter unless a file is one of the adapter `wanted`.

    Args:
        path: the file.
        weights: names of its weights.
        wanted: an adapter of `MARKS` or `SAME_LAYOUT`.
    """
    found = recognised(weights)
    if found is not None and found.partition(":")[0] == SAME_LAYOUT.get(wanted, wanted):
        return
    if found is None:
        raise InputError(f"{path} is not a checkpoint that {wanted}: knows: it lacks the weights of that layout.")
    spec = found if ":" in found else f"{found}:{path}"
    raise InputError(f"{path} is a checkpoint of another family than {wanted}: loads: write {spec}.")


def configuration(folder: Path, adapter: str, kind: type[T], values: Any) -> T:
    """The configuration of a folder that holds a model of one adapter.

    Args:
        folder: the folder.
        adapter: what should load it.
        kind: what the configuration must be.
        values: its JSON values.

    Raises:
        InputError: it is of another family (the right adapter is named), absurd, asks for code, or does not fit.
    """
    other = recognised_folder(folder)
    if other and not other.startswith(f"{adapter}:"):
        raise InputError(f"{folder} is of another family than {adapter}: loads: write {other}.")
    source = f"the configuration in {folder}"
    hub.check_config(values, source)
    return hub.fitting(values, kind, source)


def refuse_folder(folder: Path, wanted: str) -> None:
    """Raise an `InputError` if there is a folder where a file is wanted; it names the right adapter if it knows it."""
    if folder.is_dir():
        spec = recognised_folder(folder)
        instead = f"write {spec}" if spec else "name the checkpoint file in it"
        raise InputError(f"{wanted}: loads a file, and {folder} is a folder: {instead}.")
