"""Reads the tables again and again while they are written, as users do, and notes whatever it should never see."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from jobs.querying import connect
from schemas.job import JobError

EVERY_SECONDS = 0.5


class Reader:
    """Polls an output with Polars and DuckDB in a thread. `wrong` is what it should not have seen, `polls` how often.

    `expected` has the number of rows that an asset has in each of some tables from the moment on that it is listed.
    """

    def __init__(self, output: str, expected: Mapping[str, Mapping[str, int]]) -> None:
        self.wrong: list[str] = []
        self.polls = 0
        self._output, self._expected = output, expected
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the polling."""
        self._ended.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            for look in (self._with_polars, self._with_duckdb):
                try:
                    look()
                except Exception as error:
                    self.wrong.append(f"{look.__name__}: {type(error).__name__}: {error}")
            self.polls += 1

    def _with_polars(self) -> None:
        if not (Path(self._output) / "assets" / "_delta_log" / f"{0:020}.json").exists():
            return  # nothing was folded yet
        assets = pl.scan_delta(f"{self._output}/assets").select("asset").collect()["asset"].to_list()
        for name in self._expected:
            found = Counter(pl.scan_delta(f"{self._output}/{name}").select("asset").collect()["asset"].to_list())
            self._compare("polars", name, assets, found)

    def _with_duckdb(self) -> None:
        try:
            tables = connect(self._output)  # the views are of one moment each, `assets` first
        except JobError:
            return
        assets = [row[0] for row in tables.execute("select asset from assets").fetchall()]
        for name in self._expected:
            query = f"select asset, count(*) from {name} group by asset"
            self._compare("duckdb", name, assets, dict(tables.execute(query).fetchall()))

    def _compare(self, reader: str, name: str, assets: list[Any], found: Mapping[str, int]) -> None:
        if len(set(assets)) != len(assets):
            self.wrong.append(f"{reader}: an asset is listed twice")
        for asset in assets:
            if found.get(asset, 0) != self._expected[name].get(asset, 0):
                self.wrong.append(f"{reader}: {asset} has {found.get(asset, 0)} rows in {name}, and should have "
                                  f"{self._expected[name].get(asset, 0)}")
