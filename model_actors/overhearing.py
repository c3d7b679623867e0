"""Keeps the end of what this process and its children print, and passes it on.

Libraries that work in processes of their own name the reason of a failure there, and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading

KEPT_BYTES = 1 << 18

_NAMED = re.compile(rb"(?:^|[\s\]])((?:[A-Za-z_]+\.)*[A-Za-z_]*(?:Error|Exception|NotFound)): (\S.*)$", re.MULTILINE)


class Overheard:
    """Standard output and error from now on, for as long as the process lives."""

    def __init__(self) -> None:
        self._kept = bytearray()
        for descriptor in (1, 2):
            through = os.dup(descriptor)
            heard, said = os.pipe()
            os.dup2(said, descriptor)
            os.close(said)
            threading.Thread(target=self._pass_on, args=(heard, through), name="overhear", daemon=True).start()

    def _pass_on(self, heard: int, through: int) -> None:
        while piece := os.read(heard, 1 << 16):
            with contextlib.suppress(OSError):  # who prints must never wait for who listens
                os.write(through, piece)
            self._kept += piece
            del self._kept[:-KEPT_BYTES]

    def forget(self) -> None:
        """Begin anew."""
        self._kept.clear()

    def reason(self) -> str | None:
        """The first exception that was printed since and names a cause: those after it follow from it."""
        for found in _NAMED.finditer(bytes(self._kept)):
            if b"root cause" not in found[2]:
                return f"{found[1].decode()}: {found[2].decode(errors='replace').strip()}"
        return None
