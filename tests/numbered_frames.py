"""Frames that say which one they are, whatever was done to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BITS = 8


def bars(index: int) -> npt.NDArray[np.uint8]:
    """A frame that says which one it is: its number as eight bars of a Gray code."""
    code = index ^ index >> 1
    row = [255 * (code >> BITS - 1 - bit & 1) for bit in range(BITS)]
    return np.repeat(np.repeat(np.array(row, np.uint8), 40)[None], 240, axis=0)[:, :, None].repeat(3, axis=2)


def number(pixels: npt.NDArray[np.uint8]) -> int:
    """The number that the bars of a frame say."""
    width = pixels.shape[1] // BITS
    middle = pixels[pixels.shape[0] // 4 : -pixels.shape[0] // 4]
    index = code = sum(int(middle[:, bit * width + width // 4 : bit * width + 3 * width // 4].mean() > 128)
                       << BITS - 1 - bit for bit in range(BITS))
    while code := code >> 1:
        index ^= code
    return index
