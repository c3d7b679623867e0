"""A helper process that opens untrusted files: under limits, and free to die without taking anything with it.

The parent sends a call, the child runs it under a wall-clock limit (its own alarm, so that it ends even if the parent
is gone) and an address-space limit, and sends the result back; pixels in memory files that both sides have mapped.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import mmap
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from model_actors.engine import Pixels
from pipeline import pixel_slots
from pipeline.pixel_slots import Borrower, Lender
from pipeline.stores import StorageError
from pipeline.units import UnreadableError

LENGTH = struct.Struct("<Q")
GRACE_SECONDS = 300
"""Seconds beyond its limit in which a child must answer. It ends itself at its limit; this is for one that cannot, and
for starting and importing what a call needs, which takes long on a busy machine.
"""

BATCH_SECONDS = 0.1
"""Seconds after which a batch of calls is sent back. Each wake-up finds cold caches: a call at a time costs about 1 ms
more a page, of 5."""

MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""What glibc is told: keep the memory of the last picture for the next, whose fresh pages would cost 1 ms."""

Outcome = tuple[Any, list[Pixels]] | UnreadableError
"""What came of a call: anything picklable and uint8 arrays, or why there is nothing."""


def _send(sock: socket.socket, message: Any, descriptor: int | None = None) -> None:
    body = pickle.dumps(message, protocol=5)
    if descriptor is None:
        sock.sendall(LENGTH.pack(len(body)) + body)
    else:
        socket.send_fds(sock, [LENGTH.pack(len(body))], [descriptor])
        sock.sendall(body)


def _receive_exactly(sock: socket.socket, count: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < count:
        piece = sock.recv(min(count - len(pieces), 1 << 20))
        if not piece:
            raise EOFError
        pieces += piece
    return bytes(pieces)


def _receive(sock: socket.socket) -> tuple[Any, list[int]]:
    """A message, and the descriptors that came with it, which the caller must close."""
    header, descriptors, _, _ = socket.recv_fds(sock, LENGTH.size, 1)
    try:
        if not header:
            raise EOFError
        (length,) = LENGTH.unpack(header + _receive_exactly(sock, LENGTH.size - len(header)))
        return pickle.loads(_receive_exactly(sock, length)), descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


class Helper:
    """One helper process, started when first called and again after it died. Not safe for two threads at once."""

    def __init__(self, seconds: int, memory_mb: int) -> None:
        self._seconds = seconds
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._slots = Borrower()

    def call(self, function: str, *args: Any) -> tuple[Any, list[Pixels]]:
        """Run `module:function` in the child; it returns (anything picklable, list of uint8 arrays).

        The function is named, not passed, so that its reader library is never imported here.

        Raises UnreadableError: the function's own, or `timeout`, `memory` or `crash` where the child met a limit or
        died.
        """
        (outcome,) = self.call_some(function, [args])
        if isinstance(outcome, UnreadableError):
            raise outcome
        return outcome

    def call_some(self, function: str, calls: Sequence[tuple[Any, ...]]) -> list[Outcome]:
        """The outcomes of the first of these calls, and of as many after it as start within BATCH_SECONDS.

        Each call has the whole of the limits to itself.
        """
        try:
            return self._exchange(function, calls)
        except UnreadableError as error:
            if len(calls) == 1:
                return [error]
        outcomes: list[Outcome] = []
        for call in calls:  # one by one, up to the one that it was
            outcomes += self.call_some(function, [call])
            if isinstance(outcomes[-1], UnreadableError):
                break
        return outcomes

    def _exchange(self, function: str, calls: Sequence[tuple[Any, ...]]) -> list[Outcome]:
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._sock is not None
        try:
            self._sock.settimeout(self._seconds + GRACE_SECONDS)
            _send(self._sock, (function, calls, self._slots.released()))
            (done, slot), descriptors = _receive(self._sock)
        except (EOFError, OSError):
            raise self._buried() from None
        for descriptor in descriptors:
            self._slots.map(slot, descriptor)
            os.close(descriptor)
        shapes = [shape for _, _, drawn in done for shape in drawn]
        pixels = iter(self._slots.borrow(slot, shapes) if shapes else [])
        return [error or (result, list(itertools.islice(pixels, len(drawn)))) for result, error, drawn in done]

    def _start(self) -> None:
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.helper", str(theirs.fileno()), str(self._seconds),
                 str(self._memory_mb)], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, **MALLOC, "OMP_NUM_THREADS": "1",
                     "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        self._sock = ours

    def _buried(self) -> UnreadableError:
        assert self._process is not None
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            status = -signal.SIGALRM  # it hangs where not even its alarm reaches it
        self.close()
        if status == -signal.SIGALRM:
            return UnreadableError("timeout", f"took over {self._seconds} s; raise limits.seconds to allow it more")
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        return UnreadableError("crash", f"its reader process died ({name}); the file may be hostile or damaged")

    def close(self) -> None:
        """End the child."""
        if self._sock is not None:
            self._sock.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._sock = None
        self._slots = Borrower()


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


def _serve(descriptor: int, seconds: int, memory_mb: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the driver, which closes our socket
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    sock = socket.socket(fileno=descriptor)
    slots = Lender()
    known: dict[str, Callable[..., Any]] = {}
    while True:
        (name, calls, released), _ = _receive(sock)
        slots.take_back(released)
        if name not in known:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            module, _, function = name.partition(":")
            known[name] = getattr(importlib.import_module(module), function)
            gc.freeze()
            # what importing took is not the call's
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (memory_mb << 20), most))
        done: list[tuple[Any, UnreadableError | None, list[tuple[int, ...]]]] = []
        slot = pixel_slots.filling = slots.lend()
        started = time.monotonic()
        for args in calls:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            result, error, pixels = _outcome(known[name], args, memory_mb)
            done.append((result, error, [image.shape for image in pixels]))
            slot.hold(pixels)
            if time.monotonic() - started > BATCH_SECONDS:
                break
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(sock, (done, slot.number), slot.descriptor if slot.grown else None)
        slot.grown = False
        if not slot.used:
            slots.take_back([slot.number])


def _outcome(function: Callable[..., tuple[Any, list[Pixels]]], args: tuple[Any, ...], memory_mb: int) \
        -> tuple[Any, UnreadableError | None, list[Pixels]]:
    try:
        result, pixels = function(*args)
        return result, None, pixels
    except UnreadableError as caught:
        error = caught
    except StorageError as caught:
        error = UnreadableError(caught.category, str(caught))
    except MemoryError:
        error = UnreadableError("memory", f"needs more than {memory_mb} MB; raise limits.memory_mb to allow it")
    except Exception as caught:  # a reader library may raise anything on a hostile file
        error = UnreadableError("damaged", f"{type(caught).__name__}: {caught}; it may be damaged: open it in a "
                                           "viewer and save it again")
    return None, error, []


if __name__ == "__main__":
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        _serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
