"""`canvass search`: words and phrases in what pages, videos and answers say, with the place of each hit.

The index is SQLite's FTS5, in a cache file of this machine's user. The files of a Delta table never change, so each is
indexed once, and taken out again when no version of today has it: only what is new is ever read.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.querying import printable
from jobs.running import TROUBLE, output_error
from pipeline.fingerprints import digest
from pipeline.tables import files_of, rows_of_file
from schemas.job import JobError

INDEX_VERSION = 1
"""Raised whenever the same rows may be indexed otherwise."""

READ_ROWS = 256
"""Rows of a table that are held at a time."""

SNIPPET_WORDS = 24
"""Words around a hit that are shown, or characters of a script without blanks between words."""

COLUMNS = {"transcripts": ("asset", "page", "text", "blocks"),
           "screen_texts": ("asset", "first_s", "text", "box"),
           "answers": ("asset", "question", "level", "status", "value", "currency", "evidence")}
"""What is indexed: pages by their transcripts, videos by the lines that they show, and what was answered.

Videos that an older Canvass has read have no such lines until they are asked again.
"""

SCHEMA = """
create table if not exists files (name text primary key, first integer not null, last integer not null);
create table if not exists units (id integer primary key, kind text not null, asset text not null, question text,
                                  places text not null);
create virtual table if not exists texts using fts5 (body, tokenize = "unicode61 remove_diacritics 2");
"""

FOUND = """
select kind, asset, question, places, highlight(texts, 0, char(2), char(3)) as whole,
       snippet(texts, 0, char(2), char(3), '…', ?) as snippet
from texts join units on units.id = texts.rowid where texts match ? order by rank, units.id limit ?
"""

SEPARATE = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f])")
"""Kana, Han and Hangul: each character is indexed as a word, and a word of them is a phrase: no blanks part them."""

GAP = "\u200b"
"""A blank of no width, which parts those in the index."""

WORDS = re.compile(r'"((?:[^"]|"")*)"(\s*\*)?|([()])|([^\s()"]+)')
BARE = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]+")
OPERATORS = ("AND", "OR", "NOT")

Place = tuple[int | None, float | None, tuple[float, ...] | None]


@dataclass(frozen=True)
class Hit:
    """Where a query is found: in a `page`, a `video` (what it shows, from `second` on) or an `answer` to a question.

    `snippet` is what stands there, every word that is meant between U+0002 and U+0003.
    """

    kind: str
    asset: str
    question: str | None
    page: int | None
    second: float | None
    box: tuple[float, ...] | None
    snippet: str


def search(output: str, query: str, limit: int) -> list[Hit]:
    """The best `limit` hits by BM25. Raises JobError for a query that is none, and an output that cannot be read."""
    wanted = expression(query)
    with closing(sqlite3.connect(_index_path(output), timeout=600, isolation_level=None)) as index:
        try:
            index.executescript(SCHEMA)
            _bring_up_to_date(index, output)
        except TROUBLE as error:
            raise output_error(output, error) from error
        except sqlite3.DatabaseError as error:
            raise JobError(f"search: the index {_index_path(output)} cannot be used: {error}; remove it") from error
        try:
            rows = index.execute(FOUND, (SNIPPET_WORDS, wanted, limit)).fetchall()
        except sqlite3.OperationalError as error:
            raise JobError(f"search: {query!r} is no query: {str(error).removeprefix('fts5: ')}. Write words, "
                           "\"a phrase\", a beginning*, AND, OR, NOT between two, NEAR(a b, 5)") from error
    return [_hit(*row) for row in rows]


def _index_path(output: str) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canvass"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"search-{digest([output, INDEX_VERSION])}.sqlite"


def _bring_up_to_date(index: sqlite3.Connection, output: str) -> None:
    """Take out the files that the tables no longer have, and index those that are new, each in one transaction."""
    there = {f"{table}/{file}": (table, file) for table in COLUMNS for file in files_of(output, table)}
    if not there:
        raise JobError(f"{output} holds no tables: run the job first")
    known = {name for name, in index.execute("select name from files")}
    for name in known - there.keys():
        index.execute("begin immediate")
        for table, key in (("texts", "rowid"), ("units", "id")):
            index.execute(f"delete from {table} where {key} between (select first from files where name = :name) "
                          "and (select last from files where name = :name)", {"name": name})
        index.execute("delete from files where name = ?", (name,))
        index.execute("commit")
    for name in sorted(there.keys() - known):
        index.execute("begin immediate")
        if not index.execute("select 1 from files where name = ?", (name,)).fetchone():  # else another was faster
            _add(index, output, name, *there[name])
        index.execute("commit")


def _add(index: sqlite3.Connection, output: str, name: str, table: str, file: str) -> None:
    (last,) = index.execute("select coalesce(max(last), 0) from files").fetchone()
    number = last
    for batch in rows_of_file(output, table, file, COLUMNS[table], READ_ROWS):
        for row in batch.to_pylist():
            parts = list(_parts(table, row))
            if not parts:
                continue
            number += 1
            body, places = _joined(parts)
            kind = {"transcripts": "page", "screen_texts": "video", "answers": "answer"}[table]
            index.execute("insert into units values (?, ?, ?, ?, ?)",
                          (number, kind, row["asset"], row.get("question"), json.dumps(places)))
            index.execute("insert into texts (rowid, body) values (?, ?)", (number, body))
    index.execute("insert into files values (?, ?, ?)", (name, last + 1, number))


def _parts(table: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Place]]:
    """The texts of a row with the place of each; none of a frame, whose lines are in `screen_texts`."""
    if table == "screen_texts":
        yield row["text"], (None, row["first_s"], _rounded(row["box"]))
    elif table == "transcripts" and row["page"] is not None:
        blocks = row["blocks"] or [{"text": row["text"], "box": None}]
        yield from ((block["text"], (row["page"], None, _rounded(block["box"]))) for block in blocks if block["text"])
    elif table == "answers" and row["level"] in ("asset", "page") and row["status"] == "answered":
        evidence = row["evidence"] or [{"quote": None, "page": None, "time_s": None, "box": None}]
        texts = [" ".join(filter(None, (row["value"], row["currency"]))), *(item["quote"] for item in evidence)]
        for number, text in enumerate(texts):
            item = evidence[max(0, number - 1)]
            if text and text not in texts[:number]:
                yield text, (item["page"], item["time_s"], _rounded(item["box"]))


def _rounded(box: Iterable[float] | None) -> tuple[float, ...] | None:
    return None if box is None else tuple(round(side, 4) for side in box)


def _joined(parts: Iterable[tuple[str, Place]]) -> tuple[str, list[list[Any]]]:
    """One text of several, and where in it each ends, with its place."""
    body, places = "", []
    for text, place in parts:
        body += ("\n\n" if body else "") + spaced(text.replace("\x02", "").replace("\x03", ""))
        places.append([len(body), *place])
    return body, places


def spaced(text: str) -> str:
    """A text as it is indexed, in which every character of a script without blanks stands alone."""
    return SEPARATE.sub(rf"{GAP}\1{GAP}", text)


def _hit(kind: str, asset: str, question: str | None, places: str, whole: str, snippet: str) -> Hit:
    at = max(0, whole.find("\x02"))
    page, second, box = next(place for end, *place in json.loads(places) if end > at)
    return Hit(kind, asset, question, page, second, tuple(box) if box else None, snippet.replace(GAP, ""))


def expression(query: str) -> str:
    """A query as FTS5 takes it: what holds marks, as in DN-20581, is a phrase, and so is a word of Han characters.

    Raises JobError where a quotation mark is not closed, or there is no word.
    """
    taken: list[str] = []
    near = False
    rest = WORDS.sub("", query)
    if rest.strip():
        raise JobError(f"search: a quotation mark is not closed in {query!r}")
    for quoted, prefix, parenthesis, word in WORDS.findall(query):
        if parenthesis:
            near = parenthesis == "(" and taken[-1:] == ["NEAR"]
            taken[-1 if near else len(taken) :] = ["NEAR(" if near else parenthesis]
        elif quoted:
            taken.append(_phrase(quoted.replace('""', '"'), bool(prefix)))
        elif word in OPERATORS:
            taken.append(word)
        elif near and word.endswith(","):
            taken += [*([_word(word[:-1])] if word[:-1] else []), ","]
        else:
            taken.append(_word(word))
    kept = [each for each in taken if each]
    if not any(each not in (*OPERATORS, "NEAR(", "(", ")", ",") for each in kept):
        raise JobError(f"search: {query!r} names no word to look for")
    return " ".join(kept)


def _word(word: str) -> str:
    bare = word.removesuffix("*")
    plain = BARE.fullmatch(bare) and not SEPARATE.search(bare) and any(map(str.isalnum, bare))
    return word if plain else _phrase(bare, word.endswith("*"))


def _phrase(text: str, prefix: bool) -> str:
    """A phrase, or nothing where no letter or digit is in it."""
    if not any(map(str.isalnum, text)):
        return ""
    return '"' + spaced(text).replace('"', '""') + '"' + (" *" if prefix else "")


def print_hits(output: str, query: str, limit: int, as_json: bool) -> None:
    """Search, and print a line a hit, what is meant in bold; or JSON lines. Raises JobError."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    hits = search(output, query, limit)
    if not hits:
        print("search: nothing found", file=sys.stderr)
    for hit in hits:
        if as_json:
            print(json.dumps({**asdict(hit), "snippet": re.sub("[\x02\x03]", "", hit.snippet)}, ensure_ascii=False))
            continue
        where = f"page {hit.page}" if hit.page is not None else f"at {hit.second:g} s" if hit.second is not None else ""
        answer = f"answer to {hit.question}" if hit.question else ""
        line = Text(printable(", ".join(filter(None, (hit.asset, where, answer)))) + ": ")
        for place, piece in enumerate(re.split("[\x02\x03]", " ".join(hit.snippet.split()))):
            line.append(printable(piece), "bold" if place % 2 else None)
        console.print(line)
