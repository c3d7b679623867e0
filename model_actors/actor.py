"""The Ray actor that drives one engine, on the engine's own thread and loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa

from model_actors.engine import Engine, EngineError, StartError

Work = Callable[[bytes], Awaitable[dict[str, Any]]]


class EngineActor:
    """Works on shards, one row a call, several calls at a time.

    The engine and all work run on one event loop in a thread of their own: Ray's loop stands still while a consumer
    is slow. A broken engine ends the process; Ray starts it again and retries the shard, a bounded number of times. One
    that cannot be started answers every shard with the reason.
    """

    def __init__(self, build: Callable[[], Engine], make_work: Callable[[Engine | StartError], Work]) -> None:
        try:
            engine: Engine | StartError = build()
        except StartError as error:
            engine = error
        self._work = make_work(engine)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Shards in (column `shard`), receipts out."""
        receipts = [self._one(shard.as_py()) for shard in batch["shard"]]
        return pa.Table.from_pylist(receipts)

    def _one(self, shard: bytes) -> dict[str, Any]:
        try:
            return asyncio.run_coroutine_threadsafe(self._in_loop(shard), self._loop).result()
        except EngineError as error:
            print(f"the engine broke: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    async def _in_loop(self, shard: bytes) -> dict[str, Any]:
        return await self._work(shard)
