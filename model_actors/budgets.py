"""Image arithmetic of the Gemma 4 family: pixel size and soft tokens of an image at a budget.

Source: `get_aspect_ratio_preserving_size` of transformers' Gemma 4 image processor: patches of 16 px pooled 3 x 3,
so that one soft token covers 48 x 48 px; the image is scaled, up or down, to fill the budget.
"""

import functools
import math

BUDGETS = (70, 140, 280, 560, 1120)
"""Soft tokens an image may take; one budget a request."""

TOKEN_SIDE = 48
"""Side in px of the square that one soft token covers."""

NEAR = 3
"""Columns by which a fixed point of the resizing may miss an image's shape."""

IMAGE_MARKS = 2
"""Begin-of-image and end-of-image tokens around the soft tokens of every image."""


def image_size(width: float, height: float, budget: int) -> tuple[int, int]:
    """Pixel size (width, height), both multiples of 48, at which to draw something of this shape for a budget.

    It is a fixed point of the model's own resizing, so that an image of this size is never resized again: the size
    that the model itself would choose where that is one, else the fixed point nearest in shape. `width` and `height`
    are in any one unit; only their ratio matters. Raises ValueError for a side that is not positive and finite, or
    an unknown budget.
    """
    if budget not in BUDGETS:
        raise ValueError(f"budget {budget} is none of {BUDGETS}")
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ValueError(f"an image of {width} x {height} has no shape")
    if height > width:
        turned = image_size(height, width, budget)
        return turned[1], turned[0]
    size = _fill_budget(width, height, budget)
    return size if _fill_budget(*size, budget) == size else _nearest_fixed_point(width / height, size, budget)


@functools.lru_cache(maxsize=1024)
def _nearest_fixed_point(aspect: float, settled: tuple[int, int], budget: int) -> tuple[int, int]:
    while (again := _fill_budget(*settled, budget)) != settled:
        settled = again
    sizes = ((columns * TOKEN_SIDE, rows * TOKEN_SIDE) for rows in range(1, budget + 1)
             for columns in range(max(1, math.floor(rows * aspect) - NEAR), math.ceil(rows * aspect) + NEAR + 1)
             if columns * rows <= budget)
    fixed = [settled, *(size for size in sizes if _fill_budget(*size, budget) == size)]
    return min(fixed, key=lambda size: (abs(math.log(size[0] / size[1] / aspect)), -size[0] * size[1]))


def _fill_budget(width: float, height: float, budget: int) -> tuple[int, int]:
    factor = math.sqrt(budget * TOKEN_SIDE**2 / (height * width))
    rows = math.floor(factor * height / TOKEN_SIDE)
    columns = math.floor(factor * width / TOKEN_SIDE)
    if rows == 0:
        rows, columns = 1, min(math.floor(width / height), budget)
    elif columns == 0:
        rows, columns = min(math.floor(height / width), budget), 1
    return columns * TOKEN_SIDE, rows * TOKEN_SIDE


def image_tokens(size: tuple[int, int]) -> int:
    """Prompt tokens of an image of this pixel size, its begin and end marks included."""
    return size[0] * size[1] // TOKEN_SIDE**2 + IMAGE_MARKS


def text_tokens(text: str) -> int:
    """An upper bound of the tokens of a text under any tokenizer with byte fallback: its UTF-8 bytes."""
    return len(text.encode("utf-8", "surrogatepass"))
