"""Reads the output tables: SQL over all of them, and plain files of one consistent version."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from jobs.running import TROUBLE, output_error
from pipeline.row_groups import RowGroupWriter
from pipeline.tables import dataset, open_table
from schemas.job import JobError
from schemas.records import TABLES

WIDE = 400
"""Characters of a line where no terminal says how many there are: enough not to fold."""


COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls and marks of direction, by which a text may tell a terminal what to do, or look like another."""


def printable(text: str) -> str:
    """A text of a document as a terminal may show it."""
    return COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


def connect(output: str) -> Any:
    """A DuckDB connection with a view on every output table. Raises JobError where nothing was written yet, or the
    output cannot be read.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    tables = _open(output)
    if not tables:
        raise JobError(f"{output} holds no tables: run the job first")
    for name in TABLES:
        connection.register(name, dataset(output, name, tables.get(name)))
    return connection


def _open(output: str) -> dict[str, DeltaTable]:
    """The output tables that are there. Raises JobError where the output cannot be read."""
    try:
        return {name: table for name in TABLES if (table := open_table(output, name)) is not None}
    except TROUBLE as error:
        raise output_error(output, error) from error


def print_query(output: str, query: str, as_json: bool) -> None:
    """Run one SQL query and print its rows as a table, or as JSON lines. Raises JobError for bad SQL."""
    import duckdb
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    try:
        result = connect(output).execute(query)
        if result is None:
            raise JobError("sql: the query is empty")
        columns = [column[0] for column in result.description or ()]
        rows = result.fetchall()
    except duckdb.Error as error:
        raise JobError(f"sql: {error}") from error
    if not columns:
        raise JobError("sql: the query is empty")
    if as_json:
        for row in rows:
            print(json.dumps(dict(zip(columns, row, strict=True)), default=str, ensure_ascii=False))
        return
    shown = Table(box=None, pad_edge=False)
    for column in columns:
        shown.add_column(Text(column), overflow="fold")
    for row in rows:
        shown.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(shown)


def make_folder(path: Path, command: str) -> None:
    """Make the folder that a command writes to. Raises JobError where it cannot be made, or holds something."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise JobError(f"{command}: {path} is not empty")
    except OSError as error:
        raise JobError(f"{command}: {path} cannot be a folder to write to ({error.strerror})") from error


def export(output: str, target: Path, kind: str) -> dict[str, int]:
    """Write every table as one plain file of one consistent version; the number of rows of each.

    The version is that of the last fold which reached every table. Nested columns are JSON in CSV. Raises JobError
    where nothing was written yet or the target holds files.
    """
    tables = _open(output)
    if "shards" not in tables:
        raise JobError(f"{output} holds no tables: run the job first")
    make_folder(target, "export")
    last = _fold(tables["shards"])
    counts = {}
    for name, table in tables.items():
        if name != "runs":
            _go_to_fold(table, last)
        batches = dataset(output, name, table).to_batches()
        path = target / f"{name}.{kind}"
        counts[name] = _write_csv(path, TABLES[name], batches) if kind == "csv" else _write_parquet(
            path, TABLES[name], batches)
    return counts


def _fold(table: DeltaTable) -> int:
    return next((int(entry["fold"]) for entry in table.history() if "fold" in entry), 0)


def _go_to_fold(table: DeltaTable, fold: int) -> None:
    """Load the newest version of a table that holds no fold after this one."""
    for entry in table.history():
        if int(entry.get("fold", fold)) <= fold:
            table.load_as_version(entry["version"])
            return


def _write_parquet(path: Path, schema: pa.Schema, batches: Any) -> int:
    writer = RowGroupWriter(path, schema)
    writer.write(batches)
    writer.close()
    return writer.rows


def _write_csv(path: Path, schema: pa.Schema, batches: Any) -> int:
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(schema.names)
        for batch in batches:
            for row in batch.select(schema.names).to_pylist():
                writer.writerow([json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
                                 for value in row.values()])
                count += 1
    return count
