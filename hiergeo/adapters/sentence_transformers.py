"""Models of sentence-transformers, HiT among them, and their text sides as trainable towers."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import extras
from hiergeo._core.errors import InputError, reason, unknown_name, warn
from hiergeo._core.numerics import wide
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub
from hiergeo.adapters.model import PROBES, NetworkModel
from hiergeo.adapters.towers import Tower, on
from hiergeo.geometry import Space
from hiergeo.geometry.coordinates import Coordinates, refuse_hyperboloid

if TYPE_CHECKING:
    from PIL.Image import Image


class _Module(Foreign):
    """What ``modules.json`` may list: classes of that library."""

    type: Annotated[str, Field(pattern=r"^sentence_transformers\.[\w.]+$")]


class _Options(hub.RowOptions):
    """What may stand behind the question mark of a spec."""

    prompt: str | None = None
    prompt_name: str | None = None


HIT = re.compile(r"hierarchy[-_ ]?transformer", re.IGNORECASE)
"""What the cards of HiT models say (He et al., NeurIPS 2024), whose folders are those of sentence-transformers."""

UNIT = 1e-2
"""How far the norms of unit rows of 16 bits may be from 1."""


class SentenceTransformersModel(NetworkModel):
    """An embedder of texts and perhaps images, by its own tokenizer and pooling.

    A prompt goes before every text, that of the root included, and where models converse it goes with images too.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        device: torch.device,
        *,
        prompt: str | None = None,
        coordinates: Coordinates | None = None,
        normalised: bool = True,
    ) -> None:
        settings = "" if prompt is None else f"prompt {prompt!r}"
        settings += "" if normalised else "free norms"
        settings += "" if coordinates is None else f"{coordinates}"
        super().__init__(name, network, device, f"at most {network.max_seq_length} tokens", settings)
        self.has_images = "image" in getattr(network, "modalities", ())
        self.prompt, self.coordinates = prompt, coordinates
        self.normalised = normalised and coordinates is None

    def native_space(self) -> Space | None:
        """The hyperbolic space whose points the rows are, around its origin; None for flat rows."""
        return None if self.coordinates is None else self.coordinates.space(self.dim)

    def rebuilt_network(self) -> nn.Module:
        import transformers

        built: Any = copy.deepcopy(self.network)
        for layer in built.children():
            if hasattr(layer, "auto_model"):
                fresh = transformers.AutoModel.from_config(layer.auto_model.config, trust_remote_code=False)
                layer.auto_model.load_state_dict(fresh.state_dict())
            else:
                layer.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        return built

    def embed_texts(self, texts: list[str]) -> Tensor:
        return self._rows(texts)

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        return self._rows(pictures)

    def _rows(self, items: list[Any]) -> Tensor:
        rows: Tensor = self.network.encode(items, prompt=self.prompt, convert_to_tensor=True, show_progress_bar=False)
        return rows if self.coordinates is None else self.coordinates.tangent(rows)

    def check_flat(self, card: str) -> None:
        """Say what dividing rows by their norms would lose, by a few of them and what the card speaks of.

        Raises:
            InputError: the rows are points of a hyperboloid.
        """
        rows = wide(self.text_rows(PROBES).float())
        refuse_hyperboloid(rows.float(), f"the rows of {self.name}", f"{self.name}?{{}}")
        norms = rows.norm(dim=1)
        if hub.HYPERBOLIC.search(card):
            loss = "belong to a hyperbolic space by their card, and are measured as unit vectors of Euclidean space"
        elif float((norms - 1).abs().max()) > UNIT:
            loss = f"have norms from {float(norms.min()):.3g} to {float(norms.max()):.3g}, which are divided out"
        else:
            return
        warn(
            f"the rows of {self.name} {loss}: write behind the spec ?norms=keep to keep them, or which points of a "
            "hyperbolic space they are, such as ?coordinates=ball&curvature=-1."
        )


def load_sentence_transformers(rest: str, *, device: torch.device) -> SentenceTransformersModel:
    """The model of a hub name or of a folder written by sentence-transformers.

    ``?prompt=TEXT`` or ``?prompt_name=NAME`` (of those that come with the model) goes before every text, that of the
    root included. ``?norms=keep`` takes rows as they are, and ``?coordinates=ball&curvature=-1`` as points of a
    hyperbolic space; those of HiT are taken as its ball where its card says what it is.

    Raises:
        InputError: the folder is not a model of sentence-transformers, or has no prompt of that name.
        UnavailableError: sentence-transformers is not installed, or a download failed.
    """
    source, options = hub.options_of(rest, _Options)
    folder = _folder(source)
    network = _network(source, folder, device)
    coordinates, prompt = options.read, options.prompt
    if options.prompt_name is not None:
        if prompt is not None:
            raise InputError(f"'{rest}' names a prompt and its text: give one of them.")
        if options.prompt_name not in network.prompts:
            raise unknown_name(f"prompt of '{source}'", options.prompt_name, network.prompts)
        prompt = network.prompts[options.prompt_name]
    free = options.norms == "keep"
    card, unit = hub.card_of(folder), type(network[-1]).__name__ == "Normalize"
    if coordinates is None and not free and not unit and HIT.search(card):
        coordinates = _of_hit(network)
    model = SentenceTransformersModel(
        f"sentence-transformers:{rest}", network, device, prompt=prompt, coordinates=coordinates, normalised=not free
    )
    if model.normalised:
        model.check_flat(card)
    return model


def load_hit(rest: str, *, device: torch.device) -> SentenceTransformersModel:
    """A HiT of a hub name or a folder, whatever its card says: rows are points of the ball of curvature -1/d.

    Raises as `load_sentence_transformers`.

    Source: He et al., Language Models as Hierarchy Encoders (NeurIPS 2024).
    """
    network = _network(rest, _folder(rest), device)
    return SentenceTransformersModel(f"hit:{rest}", network, device, coordinates=_of_hit(network))


def _of_hit(network: Any) -> Coordinates:
    """The ball around the cube of coordinates in [-1, 1], which pooled outputs of tanh fill."""
    dim = getattr(
        network, "get_embedding_dimension", network.get_sentence_embedding_dimension
    )()  # before 5.4, and since
    return Coordinates("ball", -1 / dim)


def _folder(source: str) -> Path:
    instead = "sentence-transformers:/path/to/folder"
    repository = source if "/" in source else f"sentence-transformers/{source}"
    if (local := hub.local_folder(source)) is not None:
        return local
    extras.require("sentence_transformers", "this model")
    return hub.snapshot(repository, f"the model '{source}'", instead)


def _network(rest: str, folder: Path, device: torch.device) -> Any:
    """The model of that library, its configurations checked and without code of its own."""
    library = extras.require("sentence_transformers", "this model")
    if not (folder / "modules.json").is_file():
        raise InputError(
            f"'{rest}' holds no modules.json: it is not a sentence-transformers model, its pooling would be a guess."
        )
    modules = folder / "modules.json"
    hub.fitting(hub.foreign_json(modules), list[_Module], str(modules))
    for path in folder.rglob("*config*.json"):
        hub.check_config(hub.foreign_json(path), f"{path.relative_to(folder)} of '{rest}'")
    with hub.only_cached(), hub.quiet_transformers():
        try:
            return library.SentenceTransformer(str(folder), device=str(device), trust_remote_code=False)
        except Exception as error:  # transformers and safetensors each raise their own
            raise InputError(f"'{rest}' cannot be loaded by sentence-transformers: {reason(error)}.") from error


class SentenceTransformersTower(Tower):
    """A whole sentence embedder: transformer, pooling and whatever layers follow."""

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        prepare = getattr(self.network, "preprocess", self.network.tokenize)
        return on(self.device, prepare(list(texts)))

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network(tokens)["sentence_embedding"]
        return rows

    def export(self, folder: Path, home: Path) -> str:
        with hub.saving(folder), hub.quiet_transformers():
            self.network.save(str(folder), create_model_card=False)
        return f"sentence-transformers:{home.resolve()}"
