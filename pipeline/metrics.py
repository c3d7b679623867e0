"""Metrics for Prometheus, exported by Ray: of a worker, from the receipts of its shards, and of the whole run.

Ray puts `ray_` before each name, and `_total` after that of a counter. Where Ray exports nothing, nothing happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray.util.metrics import Counter, Gauge, Histogram

from pipeline.work import Receipt

SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]
"""Upper bounds of the buckets of a time."""


class Assets:
    """How far a run is with all its objects, as its driver knows it."""

    def __init__(self) -> None:
        self._assets = Gauge("canvass_assets", "Objects of the run, by state (done, left)", ("state",))

    def show(self, done: int, left: int) -> None:
        """Say how many objects are done, with all their rows in the tables, and how many are left."""
        self._assets.set(done, {"state": "done"})
        self._assets.set(left, {"state": "left"})


class Metrics:
    """What one worker has done so far. Totals start at zero with each worker, as Prometheus expects it."""

    def __init__(self) -> None:
        self._parts = Counter("canvass_parts", "Objects, or stretches of large ones, done, by outcome (ok, failed)",
                              ("outcome",))
        self._units = Counter("canvass_units", "Pages, and samples of videos, done")
        self._requests = Counter("canvass_requests", "Chunks that an engine was asked about", ("engine",))
        self._input = Counter("canvass_input_tokens", "Tokens of prompts, images included", ("engine",))
        self._output = Counter("canvass_output_tokens", "Tokens written", ("engine",))
        self._rungs = Counter("canvass_rungs", "Rungs of the ladder climbed, by name", ("rung",))
        self._failures = Counter("canvass_failures", "Failures, by phase and category", ("phase", "category"))
        self._broken = Counter("canvass_broken_shards", "Shards that nothing was published of")
        self._render = Histogram("canvass_render_seconds", "Seconds of rendering a chunk", SECONDS)
        self._ask = Histogram("canvass_ask_seconds", "Seconds that an engine took for a chunk, its queue and all rungs "
                              "included", SECONDS, ("engine",))
        self._at_work = Gauge("canvass_shards_at_work", "Shards that the worker holds")
        self._held = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count one more shard as held."""
        self._held += 1
        self._at_work.set(self._held)
        try:
            yield
        finally:
            self._held -= 1
            self._at_work.set(self._held)

    def count(self, receipt: Receipt) -> None:
        """Add what a shard came to. One that had been published before took nothing and counts as nothing."""
        if receipt.error is not None:
            self._broken.inc()
            return
        if not receipt.units and not receipt.failures:
            return
        _add(self._units, receipt.units)
        _add(self._parts, len(receipt.parts) - receipt.failed, outcome="ok")
        _add(self._parts, receipt.failed, outcome="failed")
        for each in receipt.took:
            engine = each["engine"]
            _add(self._requests, 1, engine=engine)
            _add(self._input, each["input_tokens"], engine=engine)
            _add(self._output, each["output_tokens"] or 0, engine=engine)
            for rung in each["rungs"]:
                _add(self._rungs, 1, rung=rung)
            self._render.observe(each["render_seconds"])
            self._ask.observe(each["ask_seconds"], {"engine": engine})
        for failure in receipt.wrong:
            _add(self._failures, 1, **failure)


def _add(counter: Counter, number: int, **labels: str) -> None:
    if number:  # Ray refuses to add nothing
        counter.inc(number, labels)
