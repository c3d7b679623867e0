"""Wires the whole on Ray Data: plan in tasks, shards to a pool of actors, receipts back."""

from __future__ import annotations

import functools
import pickle
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from model_actors.actor import EngineActor
from model_actors.choosing import EngineChoice
from model_actors.engine import Engine, EngineError, Limits, StartError
from pipeline.asking import Setting
from pipeline.metrics import Metrics
from pipeline.planning import Shard
from pipeline.probing import plan_assets
from pipeline.publishing import Published
from pipeline.rendering import Helpers
from pipeline.resuming import errands_of
from pipeline.stores import StorageError
from pipeline.work import Bench, Receipt, work
from schemas.job import Job

ASSETS_A_TASK = 64
"""Assets that one planning task probes: enough to pay for its start, few enough to spread."""

# Ray 2.60 says that these will be named parameters one day; until then this is the only way to bound retries.
warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
warnings.filterwarnings("ignore", message="The minimum number of concurrent actors")  # a small job has fewer shards

ACTOR_CPUS, PLANNING_CPUS = 0.75, 0.25
"""Shares of a core, as Ray counts them: one actor a core leaves room for planning beside it."""

RETRIES = 2
"""How often Ray tries a planning task or a shard again after its process died."""


def plan_shards(errands: pa.Table, setting: Setting, limits: Limits, published: frozenset[str] = frozenset(),
                alone: bool = False) -> Dataset:
    """A dataset of shards, one a row and block: column `shard` holds the pickled Shard. Those published are dropped.

    `errands` are of resuming.Left. With `alone`, no two assets share a shard.
    """
    context = DataContext.get_current()
    context.target_max_block_size = 1  # every shard a block of its own: blocks are what Ray schedules
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a shard that kills its actor again and again is accounted for by the driver
    rows = [errands.slice(start, ASSETS_A_TASK).combine_chunks() for start in range(0, len(errands), ASSETS_A_TASK)]
    return ray.data.from_arrow(rows).map_batches(
        functools.partial(_plan_batch, setting=setting, limits=limits, published=published, alone=alone),
        batch_size=None, batch_format="pyarrow", num_cpus=PLANNING_CPUS, max_retries=RETRIES)


def _plan_batch(batch: pa.Table, setting: Setting, limits: Limits, published: frozenset[str],
                alone: bool) -> Iterator[pa.Table]:
    job: Job = setting.job
    helpers = Helpers(1, job.limits.seconds, job.limits.memory_mb)
    try:
        errands = errands_of(batch, job.output)
        for shard in plan_assets(errands, job, limits, setting.names, helpers, alone):
            if shard.id not in published:
                yield pa.table({"shard": [pickle.dumps(shard)]})
    finally:
        helpers.close()


def run_shards(planned: Dataset, setting: Setting, choice: EngineChoice, workers: int, alone: bool = False) \
        -> Iterator[Receipt]:
    """Work on every shard in a pool of actors, and yield their receipts as they come.

    A shard whose actor dies again and again yields none. With `alone`, an actor holds one shard at a time, so that
    only the guilty one is lost.
    """
    at_once, in_flight = (1, 1) if alone else (choice.shards_at_once, 2 * choice.shards_at_once)
    receipts = planned.map_batches(
        EngineActor, fn_constructor_args=(choice.build, functools.partial(_make_work, setting)),
        batch_size=1, batch_format="pyarrow", num_cpus=ACTOR_CPUS, num_gpus=choice.gpus or None,
        compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=in_flight,
                                  max_concurrent_calls_per_actor=at_once,
                                  enable_true_multi_threading=True),
        max_restarts=10 * RETRIES, max_task_retries=RETRIES)
    for row in receipts.iter_rows():
        yield Receipt(**row)


def _make_work(setting: Setting, engine: Engine | StartError) -> Callable[[bytes], Awaitable[dict[str, Any]]]:
    helpers = Helpers(1, setting.job.limits.seconds, setting.job.limits.memory_mb)
    bench = None if isinstance(engine, StartError) else Bench(engine, helpers)

    metrics = Metrics()

    async def receipt_of(shard: Shard) -> Receipt:
        if bench is None:
            return Receipt(shard.id, 0, 0, [], f"engine: {engine}", fatal=True)
        try:
            return await work(shard, setting, bench)
        except EngineError:
            raise
        except StartError as error:
            return Receipt(shard.id, 0, 0, [], f"engine: {error}", fatal=True)
        except StorageError as error:  # of the output: what is wrong with an input is a row
            return Receipt(shard.id, 0, 0, [], f"output {setting.job.output}: {error}", fatal=True)
        except Exception as error:  # a mistake of ours: the driver must hear of it
            return Receipt(shard.id, 0, 0, [], f"{type(error).__name__}: {error}")

    async def do(pickled: bytes) -> dict[str, Any]:
        with metrics.at_work():
            receipt = await receipt_of(pickle.loads(pickled))
        metrics.count(receipt)
        return asdict(replace(receipt, took=[], wrong=[]))  # the driver needs only what it counts

    return do


def published_name(setting: Setting, receipt: Receipt) -> Published:
    """The published object that a receipt tells of."""
    return Published(setting.names.engine, receipt.shard_id)
