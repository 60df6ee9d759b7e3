"""Plug-ins: things of one kind by name, those of hiergeo and those that other packages register as entry points.

A package registers what it adds in its ``pyproject.toml``, under the group of its kind:

```toml
[project.entry-points."hiergeo.geometries"]
klein = "my_package:Klein"
```

Nothing is imported before it is asked for by name. Code of other packages may raise anything: it is reported in one
sentence that names the plug-in and where it comes from.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, final

from hiergeo._core.errors import HiergeoError, UnavailableError, described, unknown_name

T = TypeVar("T")


@final
class Plugins(Generic[T]):
    """All plug-ins of one kind, such as ``geometry``, and the entry-point group of those of other packages.

    Those of hiergeo are by name the thing itself, or ``module:attribute`` to import it; others cannot take their names.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, T | str]) -> None:
        self.kind, self.group, self.own = kind, group, own

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.foreign()

    def foreign(self) -> dict[str, EntryPoint]:
        """The entry points of other packages by name, not yet imported; the first of those of one name."""
        entries = reversed(list(entry_points(group=self.group)))
        return {entry.name: entry for entry in entries if entry.name not in self.own}

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted({*self.own, *self.foreign()})

    def check(self, name: str) -> None:
        """Raise InputError for an unknown name; the nearest one is suggested."""
        if name not in self:
            raise unknown_name(self.kind, name, self.names())

    def get(self, name: str) -> T:
        """The thing of that name; UnavailableError where the code of another package cannot be imported."""
        if name in self.own:
            return _imported(self.own[name])
        self.check(name)
        entry = self.foreign()[name]
        try:
            thing: T = entry.load()
        except Exception as error:  # the code of another package runs here, at its import
            raise UnavailableError(
                f"the {self.kind} '{name}' ({entry.value}) cannot be imported: {described(error)}."
            ) from error
        return thing

    @contextmanager
    def running(self, name: str, doing: str) -> Iterator[None]:
        """Report what the code of another package raises in the block in one sentence: ``the KIND 'NAME' DOING: ...``.

        Errors of hiergeo itself, and whatever hiergeo's own things raise, pass unchanged.
        """
        try:
            yield
        except HiergeoError:
            raise
        except Exception as error:  # the code of another package runs here
            if name in self.own:
                raise
            raise UnavailableError(f"the {self.kind} '{name}' {doing}: {described(error)}.") from error


def _imported(thing: T | str) -> T:
    if not isinstance(thing, str):
        return thing
    module, _, attribute = thing.partition(":")
    imported: Any = import_module(module)
    return getattr(imported, attribute) if attribute else imported
