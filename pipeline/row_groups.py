"""Writes Parquet in row groups of bounded size, whatever the size of the batches that come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 16 << 20


class RowGroupWriter:
    """Holds batches until they make a row group. `rows` counts what was written."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0

    def write(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add batches of the writer's schema."""
        for batch in batches:
            self.rows += batch.num_rows
            self._held.append(batch)
            self._bytes += batch.nbytes
            if self._bytes >= ROW_GROUP_BYTES:
                self._flush()

    def close(self) -> None:
        """Write what is held, and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
        self._held, self._bytes = [], 0
