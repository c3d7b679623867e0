"""Runs a command and watches its whole process tree: CPU seconds, and the peak of its memory.

How CPU is counted: this process makes itself the reaper of orphans (Linux), so that whatever the command starts stays
among its descendants, Ray's daemons included. Every descendant's own user and system time is read from /proc each 50 ms
and its last reading stands: what is missed is at most 50 ms of each process that its parent reaps (orphans are read
once more before they are reaped here). Times of reaped children are not added, or they would count twice.
`RUSAGE_CHILDREN` alone would not do: a daemon that ignores SIGCHLD has its children's times added to nobody's.

How memory is counted: the sum of the proportional set sizes (PSS), in which a page shared by n processes counts one
n-th in each, read each 100 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SET_CHILD_SUBREAPER = 36
CPU_SECONDS, MEMORY_SECONDS = 0.05, 0.1
ENDING_SECONDS = 30
"""Seconds that stray daemons get to end by themselves."""

KINDS = (("helpers", ("pipeline.helper",)), ("workers", ("ray::", "default_worker.py")),
         ("ray", ("raylet", "gcs_server", "ray/_private", "ray/dashboard")))


@dataclass
class Watched:
    """What a command and its descendants used."""

    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mb: float = 0.0
    peak_daemons_mb: float = 0.0
    peaks_mb: dict[str, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the whole tree."""
        return sum(self.cpu.values())


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    born: int
    cpu: float


def _processes() -> dict[int, _Process]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            found[int(name)] = _Process(int(name), int(fields[1]), int(fields[19]),
                                        (int(fields[11]) + int(fields[12])) / TICKS)
    return found


def _descendants() -> list[_Process]:
    everything = _processes()
    children: dict[int, list[_Process]] = defaultdict(list)
    for process in everything.values():
        children[process.parent].append(process)
    found, todo = [], list(children[os.getpid()])
    while todo:
        process = todo.pop()
        found.append(process)
        todo += children[process.pid]
    return found


def _kind(pid: int) -> str | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        line = ""
    if not line:
        return None  # it has ended
    return next((kind for kind, marks in KINDS if any(mark in line for mark in marks)), "driver")


def _pss_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def watch(command: Sequence[str], memory: bool = False) -> Watched:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    result = Watched()
    seen: dict[tuple[int, int], float] = {}
    kinds: dict[tuple[int, int], str] = {}
    started = time.monotonic()
    main = subprocess.Popen(command)
    ended = None
    next_memory = 0.0
    while True:
        alive = _descendants()
        for process in alive:
            seen[process.pid, process.born] = process.cpu
            kind = _kind(process.pid)  # each time: a fork bears its parent's title until it has its own
            kinds[process.pid, process.born] = kind or kinds.get((process.pid, process.born), "driver")
        if memory and time.monotonic() >= next_memory:
            _remember_peak(result, alive, kinds)
            next_memory = time.monotonic() + MEMORY_SECONDS
        if ended is None and main.poll() is not None:
            ended = time.monotonic()
            result.seconds = ended - started
        if ended is not None:
            if not alive:
                break
            if time.monotonic() - ended > ENDING_SECONDS:
                _kill(alive)
        _reap(alive, main.pid)
        time.sleep(CPU_SECONDS)
    if main.returncode:
        raise subprocess.CalledProcessError(main.returncode, command)
    cpu: dict[str, float] = defaultdict(float)
    for key, seconds in seen.items():
        cpu[kinds[key]] += seconds
    result.cpu = {kind: round(seconds, 2) for kind, seconds in sorted(cpu.items())}
    return result


def _remember_peak(result: Watched, alive: Sequence[_Process], kinds: dict[tuple[int, int], str]) -> None:
    now: dict[str, float] = defaultdict(float)
    for process in alive:
        now[kinds[process.pid, process.born]] += _pss_mb(process.pid)
    ours = sum(size for kind, size in now.items() if kind != "ray")
    result.peak_mb = max(result.peak_mb, ours)
    result.peak_daemons_mb = max(result.peak_daemons_mb, now["ray"])
    for kind, size in now.items():
        result.peaks_mb[kind] = round(max(result.peaks_mb.get(kind, 0.0), size), 1)


def _reap(alive: Sequence[_Process], main: int) -> None:
    for process in alive:
        if process.parent == os.getpid() and process.pid != main:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)


def _kill(alive: Sequence[_Process]) -> None:
    for process in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
