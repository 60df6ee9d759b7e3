"""Plug-ins: things of one kind by name, those of hiergeo and those that other packages register as entry points.

A package registers what it adds in its ``pyproject.toml``, under the group of its kind:

```toml
[project.entry-points."hiergeo.geometries"]
klein = "my_package:Klein"
```

Nothing is imported before it is asked for by name. Code of other packages may raise anything: it is reported in one
sentence that names the plug-in and where it comes from.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Generic, TypeVar, final

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, unknown_name
from hiergeo._core.storage.files import path_of

T = TypeVar("T")


@final
class Plugins(Generic[T]):
    """All plug-ins of one kind, such as ``geometry``, and the entry-point group of those of other packages.

    Those of hiergeo are by name the thing itself, or ``module:attribute`` to import it; others cannot take their names.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, T | str]) -> None:
        self.kind, self.group, self.own = kind, group, own

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.foreign() or self.is_code(str(name))

    def foreign(self) -> dict[str, EntryPoint]:
        """The entry points of other packages by name, not yet imported; the first of those of one name."""
        entries = reversed(list(entry_points(group=self.group)))
        return {entry.name: entry for entry in entries if entry.name not in self.own}

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted({*self.own, *self.foreign()})

    def is_code(self, spec: str) -> bool:
        """Whether a spec names an object of a file or of a module, which need not be there."""
        match, first = NAMED.fullmatch(spec), spec.partition(":")[0]
        if match is None or first in self.own or first in self.foreign():
            return False
        where = match["where"]
        return where.endswith(".py") or "." in where or find_spec(where) is not None

    def check(self, name: str) -> None:
        """Raise InputError for an unknown name; the nearest one is suggested. No code runs."""
        if self.is_code(name):
            _file_of(self.kind, split_code(name)[0].rpartition(":")[0])
        elif name not in self:
            raise InputError(f"{unknown_name(self.kind, name, self.names())} One of your own is FILE.py:NAME.")

    def get(self, name: str) -> T:
        """The thing of that name; UnavailableError where the code of another package cannot be imported."""
        if name in self.own:
            return _imported(self.own[name])
        self.check(name)
        if self.is_code(name):
            named: T = named_object(self.kind, name)[0]
            return named
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


NAMED = re.compile(r"(?P<where>.+\.py|[^\W\d][\w]*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)(?::(?P<rest>.*))?", re.DOTALL)
"""An object of a file or of a module: ``my_file.py:MyLaw``, ``package.module:MyLaw``, and what is said after it."""

LOADED: dict[str, Any] = {}
"""Objects that the user of this process has named so, by ``WHERE:NAME``."""

_quoting: ContextVar[bool] = ContextVar("quoting", default=False)


@contextmanager
def quoting() -> Iterator[None]:
    """Names in the block are those of a stored file: only code that the user has named before may be among them."""
    token = _quoting.set(True)
    try:
        yield
    finally:
        _quoting.reset(token)


def split_code(spec: str) -> tuple[str, str]:
    """``WHERE:NAME`` of a spec that names code, and what follows a further colon."""
    match = NAMED.fullmatch(spec)
    assert match is not None
    return f"{match['where']}:{match['name']}", match["rest"] or ""


def named_object(kind: str, spec: str) -> tuple[Any, str]:
    """The object that ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME`` names, and what follows a further colon.

    The file or module runs, once a process.

    Raises:
        InputError: no such file, module or object, or one of a stored file that was not named before (`quoting`).
        UnavailableError: its code cannot be imported.
    """
    key, rest = split_code(spec)
    where, _, name = key.rpartition(":")
    if key not in LOADED:
        if _quoting.get():
            raise InputError(f"the {kind} {key} is code, which runs only where you name it, by an option or in Python.")
        module = _module_of(kind, where)
        if not hasattr(module, name):
            raise InputError(f"the {kind} '{key}': {where} has no '{name}'.")
        LOADED[key] = getattr(module, name)
    return LOADED[key], rest


def _file_of(kind: str, where: str) -> Path | None:
    path = path_of(where) if where.endswith(".py") else None
    if path is not None and not path.is_file():
        raise InputError(f"the {kind} '{where}': there is no file {path}.")
    return path


def _module_of(kind: str, where: str) -> Any:
    path = _file_of(kind, where)
    try:
        if path is None:
            return import_module(where)
        name = f"hiergeo_file_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        if name in sys.modules:
            return sys.modules[name]
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise InputError(f"the {kind} '{where}' is no file of Python.")
        sys.modules[name] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    except (Exception, SystemExit) as error:  # the code of the user runs here
        raise UnavailableError(f"the {kind} in {where} cannot be imported: {described(error)}.") from error
    return module


def _imported(thing: T | str) -> T:
    if not isinstance(thing, str):
        return thing
    module, _, attribute = thing.partition(":")
    imported: Any = import_module(module)
    return getattr(imported, attribute) if attribute else imported
