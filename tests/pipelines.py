"""Runs whole jobs on local files in this process, without Ray: list, plan, draw, ask, publish, fold."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jobs.running import DEFAULT, Wish, prepare, unlocked
from model_actors.choosing import EngineChoice
from model_actors.engine import Engine
from pipeline.fold import ORDER
from pipeline.planning import Errand
from pipeline.probing import plan_assets
from pipeline.publishing import Published
from pipeline.rendering import Helpers
from pipeline.resuming import errands_of, pairs
from pipeline.tables import dataset
from pipeline.work import Bench, work
from schemas.job import Job

Tables = dict[str, list[dict[str, Any]]]


class Runner:
    """Runs jobs one after another with one engine, and one pair of helper processes for each set of limits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._helpers: dict[tuple[int, int], Helpers] = {}

    def __call__(self, folder: Path, wish: Wish = DEFAULT, choice: EngineChoice | None = None,
                 **settings: Any) -> Tables:
        """Ask about everything below `folder`/in; the rows of all output tables, which lie below `folder`/out."""
        settings = {"transcribe": True, "inputs": [str(folder / "in")], **settings}
        job = Job.model_validate({"name": "test", "output": str(folder / "out"), **settings})
        with prepare(job, wish, choice=choice) as prepared:
            assert prepared.folder is not None
            folder, left, names = prepared.folder, prepared.left, prepared.setting.names
            helpers = self._helpers_of(job)

            async def ask_all(errands: list[Errand]) -> None:
                bench = Bench(self._engine, helpers)
                for shard in plan_assets(errands, job, prepared.choice.limits, names, helpers):
                    receipt = await work(shard, prepared.setting, bench)
                    folder.add(Published(names.engine, receipt.shard_id), receipt.parts)

            folder.judge_again(pairs(left.judge))
            folder.note_listing(pairs(left.stamps))
            wave = left.errands
            while len(wave):
                asyncio.run(ask_all(errands_of(wave, job.output)))
                folder.fold()
                wave = unlocked(prepared, wave)
        return {name: dataset(job.output, name).to_table().to_pylist() for name in ORDER}

    def _helpers_of(self, job: Job) -> Helpers:
        key = (job.limits.seconds, job.limits.memory_mb)
        if key not in self._helpers:
            self._helpers[key] = Helpers(2, *key)
        return self._helpers[key]

    def close(self) -> None:
        """End the engine and all helper processes."""
        for helpers in self._helpers.values():
            helpers.close()
        asyncio.run(self._engine.close())
