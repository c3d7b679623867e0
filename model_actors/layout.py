"""The structure of a page from its words and its ruling: segments, rows, reading order, blocks and ruled tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_actors.engine import Block, Cell, Pixels, Words

Box = tuple[float, float, float, float]

SEGMENT_GAP = 1.4
"""Gap between two words of a line, in line heights, that ends a segment: cells and columns stand further apart."""

PARAGRAPH_GAP = 0.9
"""Gap between two lines, in line heights, up to which they belong to one paragraph."""

HEADING_SIZE = 1.2
"""Line height over the page's median line height from which a short line is a heading."""

GUTTER = 0.015
"""Least white space between two columns, normalised to the page's width."""

BULLET = re.compile(r"^(?:[•◦▪●‣*–—-]|\(?\d{1,2}[.)]|\(?[a-z][.)])$")


@dataclass(frozen=True)
class Segment:
    """Words of one line that stand together. `words` are indices into the page's Words."""

    words: tuple[int, ...]
    text: str
    box: Box
    confidence: float

    @property
    def height(self) -> float:
        """Height of the line, normalised to the page."""
        return self.box[3] - self.box[1]


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes."""
    return (min(box[0] for box in boxes), min(box[1] for box in boxes),
            max(box[2] for box in boxes), max(box[3] for box in boxes))


def segments(words: Words, aspect: float) -> list[Segment]:
    """Lines cut at wide gaps, in the order of the words. `aspect` is the page's height over its width."""
    found: list[Segment] = []
    taken: list[int] = []

    def close() -> None:
        if taken:
            boxes = [box_of(words, index) for index in taken]
            found.append(Segment(tuple(taken), " ".join(words.texts[index] for index in taken), union(boxes),
                                 float(words.confidences[taken].mean())))
            taken.clear()

    for index in range(len(words)):
        if taken:
            last = words.boxes[taken[-1]]
            box = words.boxes[index]
            gap = (box[0] - last[2]) / aspect / max(last[3] - last[1], 1e-6)
            if words.lines[index] != words.lines[taken[-1]] or gap > SEGMENT_GAP or gap < -SEGMENT_GAP:
                close()
        taken.append(index)
    close()
    return found


def box_of(words: Words, index: int) -> Box:
    """The box of one word."""
    x0, y0, x1, y1 = (float(side) for side in words.boxes[index])
    return x0, y0, x1, y1


def rows(found: Sequence[Segment]) -> list[list[Segment]]:
    """Segments that stand beside each other, from top to bottom, each row from left to right."""
    result: list[list[Segment]] = []
    for segment in sorted(found, key=lambda item: item.box[1] + item.box[3]):
        middle = (segment.box[1] + segment.box[3]) / 2
        row = result[-1] if result else None
        if row and any(item.box[1] <= middle <= item.box[3]
                       and item.box[3] - item.box[1] < 2.5 * segment.height for item in row):
            row.append(segment)
        else:
            result.append([segment])
    return [sorted(row, key=lambda item: item.box[0]) for row in result]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of boxes in reading order by recursive XY-cut (Nagy and Seth, 1984).

    The page is cut into bands, each band into columns, each column into bands again.
    """
    def cut(items: list[int], low: int, gap: float) -> list[list[int]]:
        groups: list[list[int]] = []
        end = -1.0
        for item in sorted(items, key=lambda index: boxes[index][low]):
            if not groups or boxes[item][low] > end + gap:
                groups.append([])
            groups[-1].append(item)
            end = max(end, boxes[item][low + 2])
        return groups

    def order(items: list[int]) -> list[int]:
        for low, gap in ((1, 0.0), (0, GUTTER)):
            groups = cut(items, low, gap)
            if len(groups) > 1:
                return [index for group in groups for index in order(group)]
        return sorted(items, key=lambda index: (boxes[index][1], boxes[index][0]))

    return order(list(range(len(boxes))))


def blocks(words: Words, found: Sequence[Segment], tables: Sequence[Block], measured: bool) -> list[Block]:
    """Blocks in reading order. Words inside ruled tables belong to them; `measured` keeps word confidences."""
    if not len(words):
        return []
    inside = [table.box for table in tables]
    free = [segment for segment in found if not any(_holds(box, segment.box) for box in inside)]
    usual = float(np.median([segment.height for segment in found]))
    merged = [_paragraph(group, words, usual, measured) for group in _paragraphs(free)]
    everything = [*merged, *tables]
    order = reading_order([block.box for block in everything])
    return [everything[index] for index in order]


def _holds(outer: Box, inner: Box) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _paragraphs(found: Sequence[Segment]) -> list[list[Segment]]:
    groups: list[list[Segment]] = []
    for row in rows(found):
        for segment in row:
            best = None
            for group in groups:
                last = group[-1]
                gap = segment.box[1] - last.box[3]
                overlap = min(segment.box[2], last.box[2]) - max(segment.box[0], last.box[0])
                alike = 0.75 < segment.height / max(last.height, 1e-6) < 1.33
                near = -0.5 * last.height <= gap <= PARAGRAPH_GAP * last.height
                if near and alike and overlap > 0.3 * min(segment.box[2] - segment.box[0], last.box[2] - last.box[0]):
                    best = group
            if best is None:
                groups.append([segment])
            else:
                best.append(segment)
    return groups


def _paragraph(group: Sequence[Segment], words: Words, usual: float, measured: bool) -> Block:
    text = "\n".join(segment.text for segment in group)
    size = float(np.median([segment.height for segment in group]))
    if len(group) <= 2 and size >= HEADING_SIZE * usual and len(text) <= 120:
        kind = "heading"
    elif BULLET.match(group[0].text.split()[0]):
        kind = "list"
    else:
        kind = "paragraph"
    indices = [index for segment in group for index in segment.words]
    confidence = float(words.confidences[indices].mean()) if measured else None
    return Block(kind, text, union([segment.box for segment in group]), confidence)


def ruled_tables(pixels: Pixels, words: Words, measured: bool) -> list[Block]:
    """Tables drawn with ruled lines: the cells between crossing lines, filled with the words that stand in them."""
    import cv2

    height, width = pixels.shape[:2]
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 12)
    across = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((1, max(24, width // 25)), np.uint8))
    down = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((max(16, height // 70), 1), np.uint8))
    grid = cv2.dilate(cv2.bitwise_or(across, down), np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(grid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        if w < width // 10 or h < height // 50:
            continue
        _, _, stats, _ = cv2.connectedComponentsWithStats(255 - grid[y : y + h, x : x + w], connectivity=4)
        cells = [(x + left, y + top, x + left + cw, y + top + ch) for left, top, cw, ch, area in stats[1:].tolist()
                 if cw >= 12 and ch >= 8 and area >= 0.8 * cw * ch and (cw < 0.98 * w or ch < 0.98 * h)]
        table = _table([(a / width, b / height, c / width, d / height) for a, b, c, d in cells], words, measured)
        if table is not None:
            found.append(table)
    return found


def _table(boxes: list[Box], words: Words, measured: bool) -> Block | None:
    tops = _levels([box[1] for box in boxes])
    lefts = _levels([box[0] for box in boxes])
    if len(tops) < 2 or len(lefts) < 2 or len(boxes) < 4:
        return None
    middles = (words.boxes[:, :2] + words.boxes[:, 2:]) / 2
    cells, used = [], []
    for box in sorted(boxes, key=lambda item: (_level(tops, item[1]), item[0])):
        held = np.flatnonzero((middles[:, 0] >= box[0]) & (middles[:, 0] <= box[2])
                              & (middles[:, 1] >= box[1]) & (middles[:, 1] <= box[3]))
        held = held[np.lexsort((words.boxes[held, 0], words.lines[held]))] if len(held) else held
        used.extend(held.tolist())
        cells.append(Cell(_level(tops, box[1]), _level(lefts, box[0]),
                          " ".join(words.texts[index] for index in held), box))
    if not used:
        return None
    lines: dict[int, list[str]] = {}
    for cell in cells:
        lines.setdefault(cell.row, []).append(cell.text)
    text = "\n".join("\t".join(line) for line in lines.values())
    confidence = float(words.confidences[used].mean()) if measured else None
    return Block("table", text, union(boxes), confidence, tuple(cells))


def _levels(values: list[float]) -> list[float]:
    levels: list[float] = []
    for value in sorted(values):
        if not levels or value - levels[-1] > 0.008:
            levels.append(value)
    return levels


def _level(levels: list[float], value: float) -> int:
    return int(np.argmin([abs(level - value) for level in levels]))


def markdown(found: Sequence[Block]) -> str:
    """Blocks as Markdown: headings, lists, paragraphs and pipe tables."""
    return "\n\n".join(_markdown_table(block) if block.kind == "table" else
                       f"## {block.text.replace(chr(10), ' ')}" if block.kind == "heading" else block.text
                       for block in found)


def _markdown_table(block: Block) -> str:
    columns = 1 + max(cell.column for cell in block.cells)
    grid = [[""] * columns for _ in range(1 + max(cell.row for cell in block.cells))]
    for cell in block.cells:
        grid[cell.row][cell.column] = cell.text.replace("|", "\\|")
    lines = ["| " + " | ".join(row) + " |" for row in grid]
    return "\n".join([lines[0], "|" + " --- |" * columns, *lines[1:]])
