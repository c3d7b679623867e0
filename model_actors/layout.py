"""The structure of a page from its words and its ruling: segments, rows, reading order, blocks and ruled tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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

ROW_SHARE = 0.6
"""Distance of two levels, in line heights, up to which segments stand in one row."""

CELL_GAP = 0.05
"""Gap between two segments of a row, normalised to the page's width, that columns of prose hardly ever leave."""

CELL_ROWS = 0.6
"""Share of neighbouring rows with such a gap from which their segments are cells, not columns of prose."""

OPEN_PARAGRAPHS = 8
"""Paragraphs that a line may still continue: as many as there may be columns side by side."""

MIN_TABLE_FILL, MAX_CELL_SHARE = 0.7, 0.6
"""Share of a table that its cells fill at least, and that its largest cell fills at most."""

SECTION = re.compile(r"^\d{1,2}(?:[.)]|(?:\.\d{1,2})+[.)]?)\s+[^\W\d_]")

BULLET = re.compile(r"^(?:[•◦▪●‣*–—-]|\(?\d{1,2}[.)]|\(?[a-z][.)])$")


@dataclass(frozen=True)
class Segment:
    """Words of one line that stand together. `words` are indices into the page's Words.

    `level` is the height at which the line's middle would stand at the left edge of the page, its tilt undone.
    """

    words: tuple[int, ...]
    text: str
    box: Box
    confidence: float
    level: float

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
    slope = _tilt(words)

    def close() -> None:
        if taken:
            box = union([box_of(words, index) for index in taken])
            level = (box[1] + box[3]) / 2 - slope * (box[0] + box[2]) / 2
            found.append(Segment(tuple(taken), " ".join(words.texts[index] for index in taken), box,
                                 float(words.confidences[taken].mean()), level))
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


def _tilt(words: Words) -> float:
    """How far lines fall per width of the page: the median over lines of three words or more."""
    slopes = []
    middles = (words.boxes[:, :2] + words.boxes[:, 2:]) / 2
    for line in np.unique(words.lines):
        x, y = middles[words.lines == line].T
        if len(x) >= 3 and x.max() - x.min() > 0.1:
            slopes.append(float(np.polyfit(x, y, 1)[0]))
    return float(np.median(slopes)) if slopes else 0.0


def box_of(words: Words, index: int) -> Box:
    """The box of one word."""
    x0, y0, x1, y1 = (float(side) for side in words.boxes[index])
    return x0, y0, x1, y1


def rows(found: Sequence[Segment]) -> list[list[Segment]]:
    """Segments that stand beside each other, from top to bottom, each row from left to right."""
    result: list[list[Segment]] = []
    for segment in sorted(found, key=lambda item: item.level):
        row = result[-1] if result else None
        if row and segment.level - row[0].level < ROW_SHARE * min(segment.height, *(item.height for item in row)):
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
        if len(items) == 1:
            return items
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
    merged = [_paragraph(group, words, usual, measured) for group in _paragraphs(_lines(free))]
    everything = [*merged, *tables]
    slope = _tilt(words)
    order = reading_order([_upright(block.box, slope) for block in everything])
    return [everything[index] for index in order]


def _upright(box: Box, slope: float) -> Box:
    shift = slope * (box[0] + box[2]) / 2
    return box[0], box[1] - shift, box[2], box[3] - shift


def _holds(outer: Box, inner: Box) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _lines(found: Sequence[Segment]) -> list[Segment]:
    """Lines of text: the segments of a row are one line where they are cells, and several where they are columns."""
    lines: list[Segment] = []
    run: list[list[Segment]] = []
    for row in [*rows(found), []]:
        if len(row) > 1:
            run.append(row)
            continue
        cells = sum(any(b.box[0] - a.box[2] > CELL_GAP for a, b in pairwise(one)) for one in run)
        lines += [line for one in run for line in ([_joined(one)] if cells >= CELL_ROWS * len(run) else one)]
        lines += row
        run = []
    return lines


def _joined(row: Sequence[Segment]) -> Segment:
    words = tuple(index for segment in row for index in segment.words)
    confidence = sum(segment.confidence * len(segment.words) for segment in row) / len(words)
    return Segment(words, "  ".join(segment.text for segment in row), union([segment.box for segment in row]),
                   confidence, row[0].level)


def _paragraphs(lines: Sequence[Segment]) -> list[list[Segment]]:
    groups: list[list[Segment]] = []
    for line in lines:
        home = next((group for group in reversed(groups[-OPEN_PARAGRAPHS:]) if _continues(group, line)), None)
        if home is None:
            groups.append([line])
        else:
            home.append(line)
    return groups


def _continues(group: Sequence[Segment], line: Segment) -> bool:
    last = group[-1]
    gap = line.box[1] - last.box[3]
    overlap = min(line.box[2], last.box[2]) - max(line.box[0], last.box[0])
    narrow = min(line.box[2] - line.box[0], last.box[2] - last.box[0])
    return (-0.5 * last.height <= gap <= PARAGRAPH_GAP * last.height and overlap > 0.3 * narrow
            and 0.75 < line.height / max(last.height, 1e-6) < 1.33 and not _is_section(last, line))


def _is_section(last: Segment, line: Segment) -> bool:
    """`7. Termination` above a wider line: a numbered heading, whatever its size."""
    return (bool(SECTION.match(last.text)) and len(last.words) <= 8
            and last.box[2] - last.box[0] < 0.7 * (line.box[2] - line.box[0]))


def _paragraph(group: Sequence[Segment], words: Words, usual: float, measured: bool) -> Block:
    text = "\n".join(line.text for line in group)
    size = float(np.median([line.height for line in group]))
    if len(group) <= 2 and len(text) <= 120 and (size >= HEADING_SIZE * usual or SECTION.match(text)):
        kind = "heading"
    elif BULLET.match(group[0].text.split()[0]):
        kind = "list"
    else:
        kind = "paragraph"
    indices = [index for line in group for index in line.words]
    confidence = float(words.confidences[indices].mean()) if measured else None
    return Block(kind, text, union([line.box for line in group]), confidence)


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
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
    around = union(boxes)
    whole = (around[2] - around[0]) * (around[3] - around[1])
    if sum(areas) < MIN_TABLE_FILL * whole or max(areas) > MAX_CELL_SHARE * whole:
        return None  # the edges of a sheet or a picture, not the lines of a table
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
