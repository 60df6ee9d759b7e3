"""What a spec of Milvus says, and one collection by the client of pymilvus, whose errors are one sentence each."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, final
from urllib.parse import parse_qsl

from pydantic import Field

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, described
from hiergeo._core.storage.documents import STRICT, Positive, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.text import without_password

CONNECT = 5
"""Seconds to wait for a server to answer at all."""

CHATTY = ("pymilvus.decorators", "pymilvus.client.connection_manager", "milvus_lite")
"""Loggers that log what is raised, with its traceback."""


@dataclass(frozen=True)
class MilvusOptions:
    """The options of a spec: of the collection, of its index and its searches, and seconds to wait for an answer."""

    __pydantic_config__ = STRICT

    collection: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")] = "hiergeo"
    index: Literal["FLAT", "HNSW"] = "FLAT"
    consistency: Literal["Strong", "Session", "Bounded", "Eventually"] = "Strong"
    timeout: Positive = 120
    M: Positive = 32
    efConstruction: Positive = 200
    ef: Positive = 256


@final
class MilvusClient:
    """One collection of a server or of a Milvus Lite file, ``ADDRESS?OPTION=VALUE&...``; it connects when it has to."""

    def __init__(self, rest: str) -> None:
        self._address, _, text = rest.partition("?")
        if not self._address:
            raise InputError("milvus needs a place: milvus:http://HOST:19530 or milvus:./NAME.db.")
        options = dict(parse_qsl(text, keep_blank_values=True))
        typed = {name: int(value) if value.isdecimal() and len(value) < 9 else value for name, value in options.items()}
        try:
            self.options = validated(MilvusOptions, typed)
        except ValueError as error:
            raise InputError(f"an option of the store milvus is not valid: {error}") from error
        self.chosen_index = options.get("index")
        self.lite = not self._address.startswith(("http://", "https://"))
        self.where = f"Milvus {'Lite' if self.lite else 'server'} {without_password(self._address)}"
        self._client: Any = None
        if self.lite:
            _check_file(path_of(self._address))

    @property
    def connected(self) -> Any:
        """The client of pymilvus."""
        if self._client is None:
            pymilvus = _imported()
            uri = str(path_of(self._address).absolute()) if self.lite else self._address
            token, seconds = os.environ.get("HIERGEO_MILVUS_TOKEN", ""), min(CONNECT, self.options.timeout)
            hint = "one process at a time can open it" if self.lite else "check the address and HIERGEO_MILVUS_TOKEN"
            with self._calling(f"cannot be opened; {hint}"):
                self._client = pymilvus.MilvusClient(uri=uri, token=token, timeout=seconds)
        return self._client

    @property
    def absent(self) -> bool:
        """Whether it is a file that nobody has made yet: to connect would make it."""
        return self.lite and self._client is None and not path_of(self._address).exists()

    @property
    def version(self) -> str:
        """The version of Milvus."""
        client = self.connected
        with self._calling():
            return str(client.get_server_version(timeout=self.options.timeout)).removeprefix("milvus_lite-")

    def call(self, method: str, *given: Any, **settings: Any) -> Any:
        """Call a method of the client about the collection; whatever it raises is an UnavailableError."""
        client = self.connected
        with self._calling():
            return getattr(client, method)(self.options.collection, *given, timeout=self.options.timeout, **settings)

    def close(self) -> None:
        """Release the connection."""
        if self._client is not None:
            with self._calling():
                self._client.close()

    @contextmanager
    def _calling(self, failed: str = "does not do as asked") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # pymilvus, grpc and the engine of Lite raise errors of every kind
            raise UnavailableError(f"{self.where} {failed}: {without_password(described(error))}.") from error


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
    if path.suffix != ".db" or not path.absolute().parent.is_dir():
        raise InputError(f"a Milvus Lite database is named NAME.db in a folder that exists: {path} is not.")
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not (path / "collections").exists()):
        raise InputError(f"{path} was not written by Milvus Lite 3: choose another name and push again.")
