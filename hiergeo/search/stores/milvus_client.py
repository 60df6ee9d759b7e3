"""What a spec of Milvus says, and one collection by the client of pymilvus, whose errors are one sentence each."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import parse_qsl

from hiergeo._core import extras
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, unknown_name
from hiergeo._core.storage.files import path_of

INDICES: Final = {
    "FLAT": ({}, {}),
    "IVF_FLAT": ({"nlist": 128}, {"nprobe": 16}),
    "IVF_SQ8": ({"nlist": 128}, {"nprobe": 16}),
    "HNSW": ({"M": 32, "efConstruction": 200}, {"ef": 256}),
}
"""Index -> the parameters that it is built with and those that it is searched with, and their defaults."""

CONSISTENCIES: Final = ("Strong", "Session", "Bounded", "Eventually")
OPTIONS: Final = ("collection", "index", "consistency", "timeout", "nlist", "nprobe", "M", "efConstruction", "ef")

CONNECT = 5
"""Seconds to wait for a server to answer at all."""

OLDEST: Final = {"server": (2, 3), "Lite": (3, 0)}

CHATTY = ("pymilvus.decorators", "pymilvus.client.connection_manager", "milvus_lite")
"""Loggers that log what is raised, with its traceback."""


@final
class MilvusClient:
    """One collection of a server or of a Milvus Lite file; the connection is made when it is first needed.

    Args:
        rest: ``ADDRESS?OPTION=VALUE&...``, the address being that of a server or the path of a file.

    Attributes:
        lite: whether it is a file.
        where: the server or the file, as messages name it: ``Milvus server http://localhost:19530``.
        collection: its name.
        options: of the spec.

    Raises:
        InputError: an option that is not valid, or a file that Milvus Lite would not open.
        UnavailableError: a package is missing, or the server cannot be reached or is too old.
    """

    def __init__(self, rest: str) -> None:
        self._address, _, told = rest.partition("?")
        if not self._address:
            raise InputError("milvus needs a place: milvus:http://HOST:19530 or milvus:./NAME.db.")
        self.options = dict(parse_qsl(told, keep_blank_values=True))
        for name in self.options:
            if name not in OPTIONS:
                raise unknown_name("option", name, OPTIONS, " of milvus")
        self.lite = not self._address.startswith(("http://", "https://"))
        self.where = f"Milvus {'Lite' if self.lite else 'server'} {without_password(self._address)}"
        self.collection = self.options.get("collection", "hiergeo")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", self.collection):
            raise InputError(f"a collection of Milvus is named by letters, digits and _, not '{self.collection}'.")
        self.timeout = self.whole("timeout", 120)
        self._client: Any = None
        if self.lite:
            with self._calling():
                _check_file(path_of(self._address))

    def whole(self, name: str, default: int) -> int:
        """An option that is a whole number above 0."""
        told = self.options.get(name, str(default))
        if not (told.isascii() and told.isdigit() and int(told[:9]) > 0 and len(told) < 9):
            raise InputError(f"the option {name} must be a whole number above 0, not '{told}'.")
        return int(told)

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """An option with a few values, the first of which is its default."""
        told = self.options.get(name, known[0])
        if told not in known:
            raise unknown_name(name, told, known)
        return told

    def parameters(self, index: str, *, search: bool) -> dict[str, int]:
        """The parameters that an index is built with, or searched with."""
        return {name: self.whole(name, value) for name, value in INDICES[index][search].items()}

    @property
    def connected(self) -> Any:
        """The client of pymilvus."""
        if self._client is None:
            self._client = self._connect()
            self._check_version()
        return self._client

    @property
    def absent(self) -> bool:
        """Whether it is a file that nobody has made yet: to connect would make it."""
        return self.lite and self._client is None and not path_of(self._address).exists()

    @property
    def version(self) -> str:
        """Of Milvus."""
        client = self.connected
        with self._calling():
            return str(client.get_server_version(timeout=self.timeout)).removeprefix("milvus_lite-")

    def call(self, method: str, *given: Any, **settings: Any) -> Any:
        """Call a method of the client about the collection; whatever it raises is an UnavailableError."""
        client = self.connected
        with self._calling():
            return getattr(client, method)(self.collection, *given, timeout=self.timeout, **settings)

    def close(self) -> None:
        """Release the connection."""
        if self._client is not None:
            with self._calling():
                self._client.close()

    @contextmanager
    def _calling(self) -> Iterator[None]:
        try:
            yield
        except HiergeoError:
            raise
        except Exception as error:  # pymilvus, grpc and the engine of Lite raise errors of every kind
            told = without_password(described(error))
            raise UnavailableError(f"{self.where} does not do as asked: {told}.") from error

    def _connect(self) -> Any:
        pymilvus = _imported()
        uri = str(path_of(self._address).absolute()) if self.lite else self._address
        token, seconds = os.environ.get("HIERGEO_MILVUS_TOKEN", ""), min(CONNECT, self.timeout)
        try:
            return pymilvus.MilvusClient(uri=uri, token=token, timeout=seconds)
        except Exception as error:  # pymilvus, grpc and the engine of Lite raise errors of every kind
            told = without_password(described(error))
            if self.lite:
                raise UnavailableError(f"{self.where} cannot be opened: {told}; one process at a time can.") from error
            raise UnavailableError(
                f"{self.where} does not answer within {seconds} seconds: start it, or check the address and "
                f"HIERGEO_MILVUS_TOKEN ({told})."
            ) from error

    def _check_version(self) -> None:
        version, kind = self.version, "Lite" if self.lite else "server"
        read = re.search(r"(\d+)\.(\d+)", version)
        if read is None or (int(read[1]), int(read[2])) < OLDEST[kind]:
            wanted = ".".join(map(str, OLDEST[kind]))
            hint = "pip install --upgrade milvus-lite" if self.lite else "update the server"
            raise UnavailableError(f"{self.where} has the version {version} and {wanted} is needed: {hint}.")


def _imported() -> Any:
    pymilvus = extras.require("pymilvus", "the store milvus")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return pymilvus


def _check_file(path: Path) -> None:
    """Refuse what Milvus Lite would not open, or would open although it is something else."""
    _imported()
    if find_spec("milvus_lite") is None:
        raise UnavailableError("Milvus Lite needs its package: pip install milvus-lite.")
    if path.suffix != ".db":
        raise InputError(f"the name of a Milvus Lite database must end in .db: {path} does not.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"the folder of {path} does not exist: make it first.")
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not (path / "collections").exists()):
        raise InputError(f"{path} was not written by Milvus Lite 3: choose another name and push again.")


def without_password(text: str) -> str:
    """A text in which addresses have no user and no password."""
    return re.sub(r"//[^/@\s]*@", "//", text)
