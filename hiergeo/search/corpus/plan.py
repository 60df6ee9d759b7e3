"""What is to be embedded: inputs, numbered once for all workers and all later runs."""

from collections.abc import Iterable, Iterator
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


SETTINGS = ("root_sha256", "geometry", "min_radius", "dtype", "items", "caption", "image", "given")
"""Fields of a plan that may not change."""


def read_plan(out: Path) -> CorpusPlan | None:
    """The plan of an index; None if it has none. Raises InputError if it is damaged."""
    if not (out / PLAN).is_file():
        return None
    return documents.read(out / PLAN, CorpusPlan, hashed=True)


def write_plan(out: Path, plan: CorpusPlan) -> None:
    """Store a plan, durably and at once. Raises InputError for an input whose name is not UTF-8."""
    for source in plan.inputs:
        try:
            source.name.encode()
        except UnicodeEncodeError:
            raise InputError(f"the name of the input {source.name} is not UTF-8: rename it.") from None
    documents.write(out / PLAN, asdict(plan), indent=None)


def agreed(out: Path, before: CorpusPlan | None, now: CorpusPlan, done: Iterable[int]) -> CorpusPlan:
    """The plan to go on with: that of an earlier run, with inputs that are new behind the others.

    Inputs that are not embedded yet may have changed; embedded ones may be gone, but not changed. Raises InputError for
    that, or another model or setting; each is named.
    """
    if before is None:
        return now
    changes = list(_changes(before, now))
    current = {source.name: source for source in now.inputs}
    finished = set(done)
    inputs: list[Source] = []
    for number, source in enumerate(before.inputs):
        match = current.pop(source.name, None)
        if number in finished and match not in (None, source):
            changes.append(f"the input {source.name}, which is embedded, was changed since")
        elif number not in finished and match is None:
            changes.append(f"the input {source.name}, which is not embedded yet, is gone")
        inputs.append(source if number in finished or match is None else match)
    if changes:
        raise InputError(f"{out} was begun with other settings: {'; '.join(changes)}; choose another folder.")
    return replace(before, inputs=(*inputs, *current.values()))


def _changes(before: CorpusPlan, now: CorpusPlan) -> Iterator[str]:
    old_model, new_model = (
        "unknown" if plan.model is None else f"{plan.model.name} ({plan.model.fingerprint})" for plan in (before, now)
    )
    if (before.model and before.model.fingerprint) != (now.model and now.model.fingerprint):
        yield f"the model was {old_model}, now {new_model}"
    for name in SETTINGS:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield f"{name} was {old}, now {new}"
