"""Processes of one training that were started by hand: how they connect, and how each notices that another has died.

Process 0 listens at MASTER_ADDR:MASTER_PORT and the others connect to it; the connections stay open until the work is
done. The operating system closes those of a process that dies, however it dies, so that nobody waits for it in vain:
neither before torch.distributed has formed its group, nor inside one of its operations, where no exception comes.
Where torchrun or accelerate launched the processes, the launcher ends them all.
"""

import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import NoReturn

import torch.distributed as dist

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, reason

MEETING = 30.0
"""Seconds that processes wait for each other at the start."""

GRACE = 5.0
"""Seconds that a process has to end by itself once another one is gone."""

VERDICT = 2.0
"""Seconds to wait, after an operation among processes failed, for the news which of them is gone."""

PATIENCE = 5.0
"""Seconds within which a connecting process must identify itself."""

STORE = 300.0
"""Seconds that a process waits for a value in torch's store."""

EXIT = 2
"""Exit code of a process that could not end by itself."""

MARK = b"hiergeo1"
HELLO = struct.Struct("!8sII")
"""Message of a process that connects: a mark, its rank and the number of processes."""

WORD = struct.Struct("!i")
"""Messages between processes: the port of torch's store, then `DONE` or the rank of a dead process."""

DONE = -1

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""TCP keep-alive: seconds of silence, interval and number of probes."""


@dataclass(frozen=True)
class Place:
    """Rank of this process and number of processes.

    Attributes:
        rank: from 0.
        size: how many there are.
        local: the rank among those of this machine, where it is known.
        address: of the machine of process 0; empty for a single process.
        port: where process 0 listens.
    """

    rank: int = 0
    size: int = 1
    local: int | None = None
    address: str = ""
    port: int = 0

    def others(self) -> str:
        """This group in words."""
        return f"{self.size} processes at {self.address}:{self.port}"


def place() -> Place:
    """What RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT say.

    Raises:
        InputError: one of them is no number, out of range, or missing beside the others.
    """
    size, rank = _number("WORLD_SIZE", 1, limits.COUNT), _number("RANK", 0, limits.COUNT)
    local = _number("LOCAL_RANK", 0, limits.COUNT)
    if size is None and rank is None and local is None:
        return Place()
    if size is None or rank is None:
        missing = "WORLD_SIZE" if size is None else "RANK"
        raise InputError(f"{missing} is not set: give every process RANK and WORLD_SIZE, or neither for a single one.")
    if rank >= size:
        raise InputError(f"RANK {rank} is not among {size} processes: with WORLD_SIZE={size} it is below {size}.")
    if size == 1:
        return Place(local=local)
    address, port = os.environ.get("MASTER_ADDR", ""), _number("MASTER_PORT", 1, 65535)
    if not address or port is None:
        missing = "MASTER_PORT" if address else "MASTER_ADDR"
        raise InputError(
            f"{size} processes have to meet, and {missing} is not set: name the machine of RANK 0 and a port."
        )
    return Place(rank, size, local, address, port)


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Within the block all processes of the training are there, in a group of torch.distributed; else all of them end.

    A process that is not stopped by an exception within `GRACE` seconds after another one is gone, for it waits inside
    a library, says so on standard error and ends with `EXIT`.

    Args:
        device: where this process computes, such as ``cpu`` or ``cuda:1``.

    Raises:
        InputError: as `place`, an unknown address, or two processes of one rank.
        UnavailableError: the others did not come within `MEETING` seconds, or one of them is gone.
    """
    here = place()
    if here.size == 1 or dist.is_initialized():
        yield
        return
    if dist.is_torchelastic_launched():
        with _broken_off(here, None):
            yield
        return
    peers = _met(here)
    try:
        with _broken_off(here, peers):
            store = peers.store()
            dist.init_process_group(
                "nccl" if device.startswith("cuda") else "gloo", store=store, rank=here.rank, world_size=here.size
            )
            yield
        peers.part()
    finally:
        peers.close()
        if dist.is_initialized():
            dist.destroy_process_group()


class Peers:
    """Open connections to the other processes: of process 0 to all, of the others to process 0.

    Args:
        here: which process this is.
        lines: rank -> the connection to it.
    """

    def __init__(self, here: Place, lines: Mapping[int, socket.socket]) -> None:
        self.here, self.lines = here, dict(lines)
        self.gone: int | None = None
        self._lost, self._left = Event(), Event()
        self._watch = Thread(target=self._watching, name="hiergeo-ranks", daemon=True)

    def store(self) -> dist.TCPStore:
        """torch's store, which process 0 opens at a free port and tells the others of; from here on all are watched."""
        if self.here.rank == 0:
            store = dist.TCPStore("localhost", 0, self.here.size, is_master=True, wait_for_workers=False)
            for rank, line in self.lines.items():
                self._tell(rank, line, store.port)
            self._begin_to_watch()
            return store
        port = _word(self.lines[0])
        if port is None:
            self._leave(0)
        self._begin_to_watch()
        store = dist.TCPStore(
            self.here.address,
            port,
            self.here.size,
            is_master=False,
            wait_for_workers=False,
            timeout=timedelta(seconds=MEETING),
        )
        store.set_timeout(timedelta(seconds=STORE))
        return store

    def _begin_to_watch(self) -> None:
        for line in self.lines.values():
            line.settimeout(None)
        self._watch.start()

    def lost(self, seconds: float) -> bool:
        """Whether a process has died; waits briefly for the news."""
        return self._lost.wait(seconds)

    def sentence(self) -> str:
        """Message that a process has died."""
        which = "another process" if self.gone is None else f"process {self.gone}"
        return (
            f"{which} of {self.here.others()} ended before the training was done: see what it said, and start all of "
            "them again with --resume."
        )

    def part(self) -> None:
        """Tell the others that this process has finished, so that its end is not taken for a failure."""
        self._left.set()
        self._tell_all(DONE)

    def close(self) -> None:
        """Close the connections and stop watching them."""
        self._left.set()
        for line in self.lines.values():
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        if self._watch.is_alive():
            self._watch.join(PATIENCE)
        for line in self.lines.values():
            line.close()

    def _watching(self) -> None:
        with selectors.DefaultSelector() as selector:
            for rank, line in self.lines.items():
                selector.register(line, selectors.EVENT_READ, rank)
            while selector.get_map() and not self._left.is_set():
                for key, _ in selector.select():
                    word = _word(self.lines[key.data])
                    if word == DONE:
                        selector.unregister(key.fileobj)
                    elif not self._left.is_set():
                        self._end(key.data if word is None else word)
                        return

    def _end(self, gone: int) -> None:
        """Tell the others that a process has died, and end this one if it does not end by itself."""
        self.gone = gone
        self._tell_all(gone)
        self._lost.set()
        if not self._left.wait(GRACE):
            print(f"Error: {self.sentence()}", file=sys.stderr, flush=True)
            os._exit(EXIT)

    def _tell_all(self, word: int) -> None:
        for line in self.lines.values():
            with suppress(OSError):
                line.sendall(WORD.pack(word))

    def _tell(self, rank: int, line: socket.socket, word: int) -> None:
        try:
            line.sendall(WORD.pack(word))
        except OSError:
            self._leave(rank)

    def _leave(self, gone: int) -> NoReturn:
        self.gone = gone
        raise UnavailableError(self.sentence())


@contextmanager
def _broken_off(here: Place, peers: Peers | None) -> Iterator[None]:
    """Turn errors of libraries caused by a dead process into one sentence."""
    try:
        yield
    except HiergeoError:
        raise
    except Exception as error:  # all but those that another process caused are raised again
        if (peers is not None and peers.lost(VERDICT)) or _of_transport(error):
            raise UnavailableError((peers or Peers(here, {})).sentence()) from error
        raise


def _of_transport(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _met(here: Place) -> Peers:
    try:
        family = socket.getaddrinfo(here.address, here.port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise InputError(f"there is no machine '{here.address}', which MASTER_ADDR names: {reason(error)}.") from error
    lines: dict[int, socket.socket] = {}
    try:
        if here.rank == 0:
            _gather(here, family, lines)
        else:
            lines[0] = _knock(here)
    except BaseException:
        for line in lines.values():
            line.close()
        raise
    for line in lines.values():
        _keep_alive(line)
    return Peers(here, lines)


def _gather(here: Place, family: socket.AddressFamily, lines: dict[int, socket.socket]) -> None:
    """Add the connections of all other processes to `lines`, as they come."""
    deadline = time.monotonic() + MEETING
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        door = socket.create_server(("", here.port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise InputError(
            f"cannot listen at port {here.port}, MASTER_PORT: {reason(error)}; choose another one."
        ) from error
    with door:
        while len(lines) < here.size - 1:
            try:
                door.settimeout(max(deadline - time.monotonic(), 0.01))
                line, _ = door.accept()
            except TimeoutError:
                missing = ", ".join(str(rank) for rank in range(1, here.size) if rank not in lines)
                raise UnavailableError(
                    f"of {here.others()} these did not come within {MEETING:.0f} seconds: {missing}; "
                    "start all of them at the same time."
                ) from None
            rank = _introduced(line, here)
            if rank is None:
                line.close()
            elif rank in lines:
                line.close()
                raise InputError(f"two processes say that they are RANK {rank}: give each of them its own.")
            else:
                lines[rank] = line


def _introduced(line: socket.socket, here: Place) -> int | None:
    """The rank of a process that connected; None if it does not belong to this training."""
    line.settimeout(PATIENCE)
    hello = _received(line, HELLO.size)
    if hello is None:
        return None
    mark, rank, size = HELLO.unpack(hello)
    if mark != MARK:
        return None
    if size != here.size:
        line.close()
        raise InputError(f"a process says WORLD_SIZE={size}, and this one {here.size}: give all of them the same.")
    return int(rank)


def _knock(here: Place) -> socket.socket:
    """A connection to process 0, which may start later than this one."""
    deadline = time.monotonic() + MEETING
    while time.monotonic() < deadline:
        try:
            line = socket.create_connection((here.address, here.port), timeout=PATIENCE)
            line.settimeout(MEETING + PATIENCE)
            line.sendall(HELLO.pack(MARK, here.rank, here.size))
        except OSError:
            time.sleep(0.1)
        else:
            return line
    raise UnavailableError(
        f"process 0 of {here.others()} did not come within {MEETING:.0f} seconds: start all of them at the same time."
    )


def _word(line: socket.socket) -> int | None:
    """The next message of a process; None if it has died."""
    told = _received(line, WORD.size)
    return None if told is None else int(WORD.unpack(told)[0])


def _received(line: socket.socket, size: int) -> bytes | None:
    told = b""
    while len(told) < size:
        try:
            part = line.recv(size - len(told))
        except OSError:
            return None
        if not part:
            return None
        told += part
    return told


def _keep_alive(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _number(name: str, low: int, high: int) -> int | None:
    """The whole number in an environment variable; None where it is not set."""
    text = os.environ.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise InputError(f"{name} must be a whole number from {low} to {high}, not '{text}'.")
    return int(text)
