"""Memory files in which a helper process lends pixels to its parent, used again once the parent has let go of them.

They are anonymous: the kernel frees them with their last user, so that nothing is left behind by a kill. Fresh memory
costs more than the copy into it (about 2 ms against 0.1 ms a page), hence the reuse.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np

from model_actors.engine import Pixels


class Lender:
    """The child's side. A slot is a memory file; as many exist as were ever lent at one time."""

    def __init__(self) -> None:
        self._files: list[tuple[int, mmap.mmap]] = []
        self._free: list[int] = []

    def take_back(self, slots: Sequence[int]) -> None:
        """The parent has let go of these."""
        self._free += slots

    def fill(self, pixels: Sequence[Pixels]) -> tuple[int, int | None]:
        """Copy arrays one after another into a free slot; its number, and a descriptor where the parent must map it."""
        total = sum(image.nbytes for image in pixels)
        slot = max(self._free, key=lambda number: len(self._files[number][1]), default=None)
        descriptor = None
        if slot is None:
            slot, descriptor = len(self._files), os.memfd_create("canvass-pixels")
            self._files.append(self._sized(descriptor, total))
        else:
            self._free.remove(slot)
            if len(self._files[slot][1]) < total:
                descriptor = self._files[slot][0]
                self._files[slot] = self._sized(descriptor, total)
        whole = np.frombuffer(self._files[slot][1], np.uint8)
        offset = 0
        for image in pixels:
            whole[offset : offset + image.nbytes].reshape(image.shape)[...] = image
            offset += image.nbytes
        return slot, descriptor

    @staticmethod
    def _sized(descriptor: int, total: int) -> tuple[int, mmap.mmap]:
        os.ftruncate(descriptor, total)
        return descriptor, mmap.mmap(descriptor, total)


class Borrower:
    """The parent's side: views into slots, each given back when the last view of it is gone."""

    def __init__(self) -> None:
        self._mapped: dict[int, mmap.mmap] = {}
        self._released: list[int] = []

    def map(self, slot: int, descriptor: int) -> None:
        """Take a new or grown slot."""
        self._mapped[slot] = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)

    def borrow(self, slot: int, shapes: Sequence[tuple[int, ...]]) -> list[Pixels]:
        """The arrays in a slot, read-only."""
        whole = np.frombuffer(self._mapped[slot], np.uint8)
        weakref.finalize(whole, self._released.append, slot).atexit = False
        images, offset = [], 0
        for shape in shapes:
            count = int(np.prod(shape))
            images.append(whole[offset : offset + count].reshape(shape))
            offset += count
        return images

    def released(self) -> list[int]:
        """Slots of which no view is left, each named once."""
        return [self._released.pop() for _ in range(len(self._released))]
