"""The lease that keeps two runs of one output apart. It is a courtesy: what keeps the tables right is in folding.py.

One small object in the output, taken by a conditional write, renewed by its holder, free again once it has expired.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import storage, stores
from pipeline.stores import StorageError

LEASE = "_lease.json"

HELD_SECONDS = 30.0
"""Seconds for which a lease holds without being renewed."""

RENEW_SECONDS = 8.0
"""Seconds between renewals: three may fail before the lease is lost."""

WATCHED_RENEWALS = 2.5
"""Renewals for which a lease is watched whose date says nothing."""


AT_WORK = "another run is at work on this output: wait for its end"


class LeaseError(Exception):
    """Another run holds the output, or has taken it."""


@dataclass(frozen=True)
class _Holder:
    run_id: str
    host: str
    boot: str
    pid: int
    started: str
    until: float

    def is_dead(self) -> bool:
        """Whether the holder ran on this machine and runs no more."""
        here = (self.host, self.boot) == (socket.gethostname(), _boot())
        return here and _started(self.pid) != self.started


def _holder(found: bytes) -> _Holder | None:
    """Who holds a lease; None where it cannot be read, as after a power cut."""
    try:
        return _Holder(**json.loads(found))
    except (ValueError, TypeError):
        return None


def _boot() -> str:
    """Names this machine since it was started, and the name space that its process numbers are of (Linux)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return f"{path.read_text().strip()} {os.readlink('/proc/self/ns/pid')}" if path.exists() else ""


def _started(pid: int) -> str:
    """When a process of this machine was started, in its own clock's ticks; empty where there is none (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


class Lease:
    """Holds an output until it is released, renewing itself in a thread. Raises LeaseError, StorageError."""

    def __init__(self, output: str, run_id: str) -> None:
        self._uri, self._run_id = stores.join(output, LEASE), run_id
        self._lost: str | None = None
        self._ended = threading.Event()
        self._tag = self._take()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseError where another run has taken the output meanwhile."""
        if self._lost:
            raise LeaseError(self._lost)

    def release(self) -> None:
        """Let the output go, unless another run has taken it."""
        self._ended.set()
        self._thread.join()
        if not self._lost:
            storage.replace(self._uri, self._mine(until=0.0), self._tag)

    def _mine(self, until: float) -> bytes:
        pid = os.getpid()
        return json.dumps(asdict(_Holder(self._run_id, socket.gethostname(), _boot(), pid, _started(pid),
                                         until))).encode()

    def _take(self) -> str:
        mine = self._mine(time.time() + HELD_SECONDS)
        storage.put_if_absent(self._uri, mine)
        found, tag = storage.read_tagged(self._uri)
        if found == mine:
            return tag
        holder = _holder(found)
        left = holder.until - time.time() if holder else 0.0
        if holder is None or not holder.until or holder.is_dead():
            pass  # free
        elif not 0 < left <= HELD_SECONDS:
            self._watch(found)  # it has expired, or its clock or ours is wrong
        else:
            raise LeaseError(f"run {holder.run_id} on {holder.host} (process {holder.pid}) is at work on this output: "
                             f"wait for its end; should it have died, try again in {left:.0f} s")
        taken = storage.replace(self._uri, self._mine(time.time() + HELD_SECONDS), tag)
        if taken is None:
            raise LeaseError(AT_WORK)
        return taken

    def _watch(self, found: bytes) -> None:
        """Wait by our own steady clock for longer than a holder takes to renew it. Raises LeaseError where one does."""
        deadline = time.monotonic() + WATCHED_RENEWALS * RENEW_SECONDS
        while time.monotonic() < deadline:
            time.sleep(RENEW_SECONDS / 4)
            if storage.read_tagged(self._uri)[0] != found:
                raise LeaseError(AT_WORK)

    def _renew(self) -> None:
        until = time.monotonic() + HELD_SECONDS
        while not self._ended.wait(RENEW_SECONDS):
            try:
                tag = storage.replace(self._uri, self._mine(time.time() + HELD_SECONDS), self._tag)
            except StorageError as error:
                if time.monotonic() > until:
                    self._lost = f"the lease of this output could not be renewed: {error}"
                    return
                continue
            if tag is None:
                self._lost = "another run has taken this output, since this one did not renew its lease in time"
                return
            self._tag, until = tag, time.monotonic() + HELD_SECONDS
