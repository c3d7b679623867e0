"""Functions for a helper process to run, as a reader library might behave on a hostile file."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from model_actors.engine import Pixels
from pipeline.stores import StorageError
from pipeline.units import UnreadableError


def echo(*values: Any) -> tuple[Any, list[Pixels]]:
    """Send back what came."""
    return values, []


def own_pid() -> tuple[int, list[Pixels]]:
    """The process id of the helper."""
    return os.getpid(), []


def pictures(seed: int, *shapes: tuple[int, int, int]) -> tuple[str, list[Pixels]]:
    """Noise of these shapes, the last one as a view that is not contiguous."""
    noise = np.random.default_rng(seed)
    drawn = [noise.integers(0, 256, shape, np.uint8) for shape in shapes]
    return "drawn", [*drawn[:-1], drawn[-1][::-1, ::2]]


def sleep(seconds: float, path: str | None = None) -> tuple[None, list[Pixels]]:
    """Take long; with `path`, first write the process id there."""
    if path is not None:
        with open(path + ".part", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".part", path)
    time.sleep(seconds)
    return None, []


def compute_deaf() -> tuple[None, list[Pixels]]:
    """Never end, all in one call into compiled code, with every signal that Python can catch caught."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pow(7, 10**9, 10**5_000_000 + 1)
    return None, []


def take_memory(mb: int) -> tuple[int, list[Pixels]]:
    """Hold so much memory for a moment."""
    return len(bytearray(mb << 20)), []


def die(number: int) -> tuple[None, list[Pixels]]:
    """Be killed by a signal."""
    os.kill(os.getpid(), number)
    return None, []


def die_if(guilty: bool) -> tuple[bool, list[Pixels]]:
    """Be killed, or not."""
    if guilty:
        os.kill(os.getpid(), signal.SIGKILL)
    return guilty, []


def leave(status: int) -> tuple[None, list[Pixels]]:
    """End without a reply, as a library that calls exit()."""
    os._exit(status)


def fail(kind: str) -> tuple[None, list[Pixels]]:
    """Raise what a reader may raise."""
    raise {"unreadable": UnreadableError("encrypted", "needs a password"), "any": RuntimeError("bad token at 17"),
           "storage": StorageError("storage", "s3://b/k: connection reset")}[kind]
