"""A seekable file over byte ranges of a remote object, with a small cache of what was fetched."""

import io
from collections import OrderedDict
from collections.abc import Callable

CACHED_BLOCKS = 8


class RangeReader(io.RawIOBase):
    """Reads `size` bytes through `fetch(start, end)` in aligned blocks; keeps the 8 last used ones.

    While it `is_blank` it fetches nothing and gives zeros, to a reader that wants to know where things are alone.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, block: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._block = block
        self._position = 0
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._exact = (0, b"")
        self.is_blank = False

    def fetch_exactly(self, start: int, size: int) -> None:
        """Have this range at hand and no more, for a reader that is about to want it; reads end short at its end."""
        blocks = range(start // self._block, (start + size - 1) // self._block + 1)
        if start < self._size and any(index not in self._cache for index in blocks):
            self._exact = start, self._fetch(start, min(start + size, self._size))

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, which may lie past the end. Raises ValueError for one before the start."""
        if whence == io.SEEK_SET and offset < 0:
            raise ValueError(f"negative seek position {offset}")
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from one block or exact range at most; 0 at the end."""
        if self._position >= self._size:
            return 0
        start, exact = self._exact
        if self.is_blank:
            piece = bytes(min(len(buffer), self._size - self._position))
        elif start <= self._position < start + len(exact):
            piece = exact[self._position - start : self._position - start + len(buffer)]
        else:
            index, inside = divmod(self._position, self._block)
            piece = self._load(index)[inside : inside + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end of the object, or of an exact range."""
        wanted = self._size - self._position if size is None or size < 0 else size
        pieces = bytearray()
        while len(pieces) < wanted:
            chunk = bytearray(min(wanted - len(pieces), self._block))
            count = self.readinto(memoryview(chunk))
            if not count:
                break
            pieces += chunk[:count]
            if self._position == self._exact[0] + len(self._exact[1]):
                break
        return bytes(pieces)

    def _load(self, index: int) -> bytes:
        if index in self._cache:
            self._cache.move_to_end(index)
        else:
            start = index * self._block
            self._cache[index] = self._fetch(start, min(start + self._block, self._size))
            if len(self._cache) > CACHED_BLOCKS:
                self._cache.popitem(last=False)
        return self._cache[index]
