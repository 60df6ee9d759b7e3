"""What is to be embedded: inputs, numbered once for all workers and all later runs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Positive, Sha256
from hiergeo.datasets.reading import Columns, Items, Source
from hiergeo.search.layout import PLAN, ModelFacts


@dataclass(frozen=True)
class CorpusPlan:
    """What is made of which inputs. All workers agree on it, and a later run with another one is refused.

    The model embeds; root, geometry and `min_radius` are of the space of the index, `dtype` of its directions. The
    number of an input is its place. Columns that are None are the usual ones. Of an index that is not made of files
    there is one input, and `given` names what it has.
    """

    __pydantic_config__ = STRICT

    model: ModelFacts | None
    root_sha256: Sha256 | None
    geometry: str
    min_radius: float
    dtype: Annotated[str, Field(pattern=r"^float(16|32)$")]
    items: Items
    caption: str | None
    image: str | None
    shard_rows: Positive
    inputs: tuple[Source, ...]
    given: tuple[str, ...] = ()
    version: Literal[1] = 1

    @property
    def columns(self) -> Columns:
        """What is read of each input."""
        return Columns(self.items, self.caption, self.image)

    @property
    def names(self) -> list[str]:
        """The names of the inputs."""
        return [source.name for source in self.inputs]


SETTINGS = ("root_sha256", "geometry", "min_radius", "dtype", "items", "caption", "image", "given")
"""Fields of a plan that may not change, beside the model."""


def read_plan(out: Path) -> CorpusPlan | None:
    """The plan of an index; None if it has none. Raises InputError if it is damaged."""
    return documents.read(out / PLAN, CorpusPlan, hashed=True) if (out / PLAN).is_file() else None


def write_plan(out: Path, plan: CorpusPlan) -> None:
    """Store a plan, durably and at once. Raises InputError for an input whose name is not UTF-8."""
    for source in plan.inputs:
        if any("\ud800" <= letter <= "\udfff" for letter in source.name):
            raise InputError(f"the name of the input {source.name} is not UTF-8: rename it.")
    documents.write(out / PLAN, asdict(plan), indent=None)


def agreed(out: Path, before: CorpusPlan, now: CorpusPlan, finished: Iterable[int]) -> CorpusPlan:
    """The plan to go on with: that of an earlier run, with inputs that are new behind the others.

    Inputs that are not embedded yet may have changed, and any may be gone, but none that is embedded may have changed.
    Raises InputError for that, or another model or setting; each is named.
    """
    models = [plan.model and f"{plan.model.name} ({plan.model.fingerprint})" for plan in (before, now)]
    settings = [("model", *models), *((name, getattr(before, name), getattr(now, name)) for name in SETTINGS)]
    changes = [f"{name} was {old}, now {new}" for name, old, new in settings if old != new]
    current = {source.name: source for source in now.inputs}
    inputs: list[Source] = []
    for number, source in enumerate(before.inputs):
        match = current.pop(source.name, None)
        if number in finished and match not in (None, source):
            changes.append(f"the input {source.name}, which is embedded, was changed since")
        inputs.append(match or source)
    if changes:
        raise InputError(f"{out} was begun with other settings: {'; '.join(changes)}; choose another folder.")
    return replace(before, inputs=(*inputs, *current.values()))
