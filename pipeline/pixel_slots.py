"""Memory files in which a helper process lends pixels to its parent, used again once the parent has let go of them.

They are anonymous: the kernel frees them with their last user, so that nothing is left behind by a kill. Fresh memory
costs more than the copy into it (about 2 ms against 0.1 ms a page), hence the reuse.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np

from model_actors.engine import Pixels


class Slot:
    """A memory file on the child's side; `grown` where the parent must map it anew."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.descriptor = os.memfd_create("canvass-pixels")
        self.size = self.used = 0
        self.grown = False
        self._memory: mmap.mmap | None = None
        self._allotted: list[Pixels] = []
        self._end = 0

    def allot(self, shape: tuple[int, ...]) -> Pixels:
        """Room for one more array, which is kept if it is among those held next. Raises MemoryError."""
        end = self._end + math.prod(shape)
        memory = self._memory
        if memory is None or end > self.size:
            memory = self._grow(max(end, 2 * self.size))
        self._allotted.append(np.frombuffer(memory, np.uint8)[self._end : end].reshape(shape))
        self._end = end
        return self._allotted[-1]

    def _grow(self, size: int) -> mmap.mmap:
        try:
            os.ftruncate(self.descriptor, size)
            memory = mmap.mmap(self.descriptor, size)
        except OSError as error:
            raise MemoryError(str(error)) from None
        self._memory, self.size, self.grown = memory, size, True
        return memory

    def hold(self, images: list[Pixels]) -> None:
        """Take these arrays off a list: those allotted since the last call stay where they are, others are copied."""
        if list(map(id, images)) == list(map(id, self._allotted)):
            images.clear()
        else:
            self._end = self.used
        while images:  # each is let go at once: the next call finds its memory warm
            image = images.pop(0)
            self.allot(image.shape)[...] = image
        self.used = self._end
        self._allotted.clear()

    def empty(self) -> None:
        """Hold nothing."""
        self.used = self._end = 0


filling: Slot | None = None
"""The memory file that this process, a helper, fills at present."""


def new_image(height: int, width: int) -> Pixels:
    """An RGB image to draw on, of any content. In a helper it lies where it will be sent from: a call returns it as it
    is or not at all, never a view of it."""
    shape = height, width, 3
    return np.empty(shape, np.uint8) if filling is None else filling.allot(shape)


class Lender:
    """The child's side. As many slots exist as were ever lent at one time."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self._free: list[int] = []

    def take_back(self, numbers: Sequence[int]) -> None:
        """The parent has let go of these."""
        self._free += numbers

    def lend(self) -> Slot:
        """An empty slot, the largest that is free."""
        if self._free:
            number = max(self._free, key=lambda free: self._slots[free].size)
            self._free.remove(number)
        else:
            number = len(self._slots)
            self._slots.append(Slot(number))
        slot = self._slots[number]
        slot.empty()
        return slot


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
