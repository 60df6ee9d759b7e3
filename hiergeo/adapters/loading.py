"""From a spec such as ``open_clip:ViT-B-32/openai``, or a usual name, to a loaded model, by an adapter."""

import re
from collections.abc import Callable
from pathlib import Path

import torch

from hiergeo._core import extras
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.plugins import Plugins, split_code
from hiergeo._core.storage.files import path_of
from hiergeo.adapters.hub import HUB, foreign_json, local_folder
from hiergeo.adapters.meru import PUBLISHED
from hiergeo.adapters.model import Model
from hiergeo.adapters.npz import ARRAYS_SPEC, MEAN_ROOT
from hiergeo.datasets.vectors import SUFFIXES as EMBEDDINGS
from hiergeo.datasets.vectors import is_vectors

ADAPTERS: Plugins[Callable[..., Model]] = Plugins(
    "adapter",
    "hiergeo.adapters",
    {
        "open_clip": "hiergeo.adapters.open_clip:load_open_clip",
        "hf": "hiergeo.adapters.huggingface:load_huggingface",
        "sentence-transformers": "hiergeo.adapters.sentence_transformers:load_sentence_transformers",
        "hit": "hiergeo.adapters.sentence_transformers:load_hit",
        "mteb": "hiergeo.adapters.mteb:load_mteb",
        "npz": "hiergeo.adapters.npz:load_npz",
        "lvis": "hiergeo.adapters.npz:load_lvis_model",
        "head": "hiergeo.adapters.head:load_head",
        "trained": "hiergeo.adapters.trained:load_trained",
        "meru": "hiergeo.adapters.meru:load_meru",
        "hycoclip": "hiergeo.adapters.meru:load_hycoclip",
        "meru-clip": "hiergeo.adapters.meru:load_meru_clip",
        "uncha": "hiergeo.adapters.meru:load_uncha",
        "phyclip": "hiergeo.adapters.meru:load_phyclip",
        "hyper3": "hiergeo.adapters.hyper3:load_hyper3",
        "hysac": "hiergeo.adapters.hysac:load_hysac",
        "prolip": "hiergeo.adapters.prolip:load_prolip",
        "tiny": "hiergeo.adapters.open_clip:load_tiny",
    },
)
"""Name -> what loads a model: called with the rest of the spec and ``device=``."""

WITHOUT_ARGUMENTS = "tiny"
"""The bundled model, whose spec is its name alone."""

PACKAGES = {
    "hf": "transformers",
    "sentence-transformers": "sentence_transformers",
    "hit": "sentence_transformers",
    "mteb": "mteb",
    "hysac": "transformers",
    "prolip": "transformers",
}
"""Name -> the optional package that it needs."""

ON_DISK = ("npz", "head", "trained", "meru", "hycoclip", "meru-clip", "uncha", "phyclip")
"""Names that take a file or a folder; what follows ``@`` or ``?`` is not of its path."""

LAYOUTS = {
    "open_clip_config.json": "open_clip:local-dir",
    "modules.json": "sentence-transformers",
    "history-*.json": "head",
    "config.json": "hf",
}
"""A file of a folder of weights -> what reads the folder; the first that is there decides."""

USUAL = {
    r"(openai/clip-|google/siglip|facebook/metaclip-|kakaobrain/align-).+": "hf:",
    r"(laion/CLIP-|timm/|apple/DFN|apple/MobileCLIP|imageomics/bioclip).*": "open_clip:hf-hub:",
    r"Hierarchy-Transformers/.+": "hit:",
    r"(sentence-transformers/|BAAI/bge-|intfloat/|Qwen/Qwen3-(VL-)?Embedding-|google/embeddinggemma).*": (
        "sentence-transformers:"
    ),
    r"(all|multi-qa|paraphrase|msmarco|clip-ViT)-[^/]+": "sentence-transformers:sentence-transformers/",
}
"""Names on the hub -> what reads the model."""

WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""Suffixes of files of weights."""


def named(name: str) -> str:
    """The spec of a model that is named as people name it: a file or folder, or as on the hub or in open_clip.

    Raises:
        InputError: the name does not tell which adapter loads it; says what to write.
        UnavailableError: a path that leads nowhere.
    """
    from hiergeo.adapters.open_clip import architectures, check_source
    from hiergeo.adapters.trained import DESCRIPTION

    path = path_of(name)
    if path.is_dir() and not is_vectors(path):
        if (path / DESCRIPTION).is_file() and "factors" in (foreign_json(path / DESCRIPTION) or ()):
            return f"trained:{name}"
        if spec := next((spec for file, spec in LAYOUTS.items() if any(path.glob(file))), None):
            return f"{spec}:{name}"
        raise InputError(f"{path} holds no {' and no '.join(LAYOUTS)}: name the folder of a model.")
    if is_vectors(path_of(name.partition("?")[0].removesuffix(MEAN_ROOT))):
        return f"npz:{name}"
    if path.suffix.lower() in WEIGHTS and path.is_file():
        raise InputError(
            f"'{name}' does not say of which architecture it is: write open_clip:ARCH/{path.absolute()}, ARCH such as "
            "ViT-B-32, or meru:FILE, hycoclip:FILE, uncha:FILE or phyclip:FILE for a model of these."
        )
    if name.partition("/")[0] in architectures():
        check_source(name)
        return f"open_clip:{name}"
    if spec := next((spec for pattern, spec in USUAL.items() if re.fullmatch(pattern, name)), None):
        return f"{spec}{name}"
    if name.startswith(("/", ".", "~")) or path.suffix.lower() in (*EMBEDDINGS, *WEIGHTS):
        raise UnavailableError(f"{path} is not there: name the file or folder of a model.")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError(
            f"'{name}' does not say what reads it: write hf:{name} (CLIP, SigLIP or ALIGN of transformers), "
            f"open_clip:hf-hub:{name} or sentence-transformers:{name}."
        )
    raise unknown_name("adapter", name.partition(":")[0], ADAPTERS.names())


@torch_defaults()
def load(spec: str | Path | Model, *, device: str | torch.device | None = AUTO) -> Model:
    """Load a pretrained model.

    Args:
        spec: ``open_clip:ARCH/TAG``, ``open_clip:ARCH//abs/path.safetensors`` (after the first /, what begins with / or
            . is a path), ``open_clip:hf-hub:ORG/NAME``, ``open_clip:local-dir:PATH``, ``hf:NAME_OR_PATH``,
            ``sentence-transformers:NAME_OR_PATH``, ``hit:NAME_OR_PATH``, ``mteb:NAME``, ``npz:FILE`` (any file that
            `hiergeo.datasets.vectors` reads), ``head:FOLDER`` (a trained head on the model it names;
            ``head:FOLDER@SPEC`` on another one), ``trained:FOLDER`` (of ``hiergeo train clip``), ``meru:FILE.pth``,
            ``hycoclip:FILE.pth`` and the other models that bring a space of their own, ``lvis:clip`` (stored embeddings
            of names), ``tiny``, or the name of a third-party adapter (entry-point group ``hiergeo.adapters``:
            ``(rest_of_spec, device=...) -> Model``). Such a function of a file or a module, or a model that is made
            there, is ``my_file.py:load``, perhaps with ``:REST``. Also a name that tells its adapter: a folder, a file
            of embeddings, ``ViT-B-32/openai``, ``google/siglip2-base-patch16-224``; or a model, which is given back.
        device: where the network runs: ``auto`` (the accelerator where there is one), a name, or a device of torch.

    Raises:
        InputError: the spec, the device or the model's files cannot be used.
        UnavailableError: a download or an optional package cannot be had.
    """
    if isinstance(spec, Model):
        return spec
    if not isinstance(spec, str | Path):
        raise InputError(f"a model is a spec such as 'tiny' or a hiergeo.adapters.Model, not {type(spec).__name__}.")
    name, rest = _parts(str(spec))
    resolved = resolve_device(device)
    loader = ADAPTERS.get(name)
    if name == WITHOUT_ARGUMENTS:
        return loader(device=resolved)
    module = getattr(loader, "__module__", "unknown")
    with ADAPTERS.running(name, f"(module {module}) could not load '{rest}'"):
        model = loader if isinstance(loader, Model) else loader(rest, device=resolved)
    if not isinstance(model, Model):
        raise InputError(f"the adapter '{name}' returned a {type(model).__name__}, not a hiergeo.adapters.Model.")
    if ADAPTERS.is_code(str(spec)):
        model.name = str(spec)  # by which it is stored
    return model


def check_spec(spec: str) -> None:
    """Refuse the spec of a model that `load` would refuse, as far as that shows before anything is loaded.

    Raises:
        InputError: an unknown adapter, architecture or tag (the nearest is suggested), or a part is missing.
        UnavailableError: there is no such file or folder, or an optional package is not installed.
    """
    name, rest = _parts(spec)
    if name in ("hf", "sentence-transformers"):
        local_folder(rest)
    if name in PACKAGES:
        extras.require(PACKAGES[name], f"'{spec}'")
    if name == "open_clip":
        from hiergeo.adapters.open_clip import check_source

        check_source(rest)
    if name in ON_DISK and not rest.startswith(HUB):
        short = [spec.partition(":")[2] for spec in PUBLISHED if spec.startswith(f"{name}:")]
        paths = [rest, *(rest[:end] for end, character in enumerate(rest) if character in "@?")]
        if rest.partition("?")[0] not in short and not any(path and path_of(path).exists() for path in paths):
            listed = f", or a short name: {', '.join(short)}" if short else ""
            raise UnavailableError(
                f"{path_of(paths[-1] or rest)} is not there: name the file or folder of the model{listed}."
            )


def _parts(spec: str) -> tuple[str, str]:
    """The adapter of a spec and what follows it; raises InputError for an unknown adapter, and where a part is missing.

    A spec without an adapter is a usual name of a model (`named`).
    """
    name, _, rest = spec.partition(":")
    if spec.startswith(ARRAYS_SPEC):
        raise InputError(
            f"'{spec}' is a model of arrays in memory: make it again by hiergeo.embedded and pass the model, or store "
            "the arrays in a file and name npz:FILE."
        )
    if ADAPTERS.is_code(spec):
        ADAPTERS.check(spec)
        return split_code(spec)
    if name not in ADAPTERS:
        return _parts(named(spec))
    if name == WITHOUT_ARGUMENTS and rest:
        raise InputError(f"the bundled model takes no arguments: write '{name}', not '{spec}'.")
    if name != WITHOUT_ARGUMENTS and not rest:
        raise InputError(f"the model spec '{spec}' ends too early: write '{name}:' and then which model.")
    return name, rest
