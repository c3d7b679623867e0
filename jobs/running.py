"""One run of a job: fold what is published, drop what is done, fan out, fold as results come, account for the rest."""

from __future__ import annotations

import datetime
import glob
import json
import logging
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from deltalake.exceptions import DeltaError

from model_actors.choosing import EngineChoice, choose
from pipeline import storage
from pipeline.asking import Setting
from pipeline.fingerprints import of_job
from pipeline.planning import check_job
from pipeline.sources import list_inputs
from pipeline.storage import StorageError, StoredObject
from pipeline.tables import DONE_BY, Folder, append, is_done, read_columns
from pipeline.work import Receipt
from schemas.job import Job, JobError

FOLD_EVERY_SECONDS = 20
"""Seconds between folds of a run, so that an asset is readable soon after its last answer."""

LIBRARIES = ("canvass-audit", "ray", "pyarrow", "deltalake", "pymupdf", "pillow", "av", "rapidocr", "onnxruntime")


@dataclass
class Progress:
    """What a run has done so far, for whoever shows it."""

    assets: int
    already_done: int
    assets_done: int = 0
    shards: int = 0
    units: int = 0
    failures: int = 0
    started: float = field(default_factory=time.monotonic)
    unfinished: int = 0
    interrupted: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A job ready to run: its setting, its engine, the objects still to do, how many are done,
    and the addresses of all.
    """

    setting: Setting
    choice: EngineChoice
    todo: list[StoredObject]
    done: int
    listed: frozenset[str]
    folder: Folder | None


def prepare(job: Job, limit: int | None, write: bool = True) -> Prepared:
    """List the inputs and drop what is done; with `write`, first fold what an earlier run left published.

    Raises JobError where the job itself is wrong: inputs, output, or a checklist that fits no context.
    """
    choice = choose(job)
    check_job(job, choice.limits)
    names = of_job(job, choice)
    setting = Setting(job, f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}", names)
    found = list_inputs(job.inputs, [*job.exclude, storage.join(glob.escape(job.output), "**")], job.limit)
    folder = None
    try:
        if write:
            folder = Folder(job.output, job.checklist)
            folder.add_published()
            folder.fold()
        assets = read_columns(job.output, "assets", ["asset", *DONE_BY]).to_pylist()
        done = {(row["asset"], row["version"]) for row in assets if is_done(row, row["version"], names)}
    except (StorageError, OSError, DeltaError) as error:
        raise JobError(f"output {job.output}: {error}") from error
    todo = [item for item in found if (item.uri, item.version) not in done]
    listed = frozenset(item.uri for item in found)
    return Prepared(setting, choice, todo[:limit], len(found) - len(todo), listed, folder)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hides what Ray's C++ core prints while it starts; what goes wrong there is raised as an exception too."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _schedule_as_batch() -> None:
    """Let no process of this run preempt another by waking up: each Ray worker does so a hundred times a second.

    The processes started from here on inherit it (Linux). Where that is forbidden, the run goes on without.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@contextmanager
def ray_session() -> Iterator[dict[str, float]]:
    """Ray on this machine, or the cluster that RAY_ADDRESS names; yields what it has, by kind (CPU, GPU)."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its errors are in Ray's own logs, and ours are rows
    import ray
    import ray.data

    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.ERROR)
    ours = not ray.is_initialized()
    if ours:
        options: dict[str, Any] = {}
        if not os.environ.get("RAY_ADDRESS"):
            options = {"object_store_memory": 256 << 20, "include_dashboard": False}
            _schedule_as_batch()
        with _quiet_stderr():
            ray.init(logging_level=logging.ERROR, log_to_driver=False, configure_logging=True, **options)
    try:
        yield ray.cluster_resources()
    finally:
        if ours:
            ray.shutdown()


def run(prepared: Prepared, show: Callable[[Progress], None]) -> Progress:
    """Run a prepared job to its end, or until Ctrl-C, which leaves a committed state. Returns what was done.

    Raises JobError where the output cannot be written.
    """
    assert prepared.folder is not None
    folder = prepared.folder
    started = datetime.datetime.now(datetime.UTC)
    progress = Progress(len(prepared.todo) + prepared.done, prepared.done)
    try:
        try:
            if prepared.todo:
                with ray_session() as resources:
                    _fan_out(prepared, prepared.todo, resources, progress, show)
                    progress.assets_done += folder.fold()
                    if lost := _lost(prepared):
                        _fan_out(prepared, lost, resources, progress, show, alone=True)
                        progress.assets_done += folder.fold()
                _account_for_the_lost(prepared, progress)
        except KeyboardInterrupt:
            progress.interrupted = True
            folder = Folder(prepared.setting.job.output, prepared.setting.job.checklist)  # finishes a fold cut short
            folder.add_published()
        progress.assets_done += folder.fold()
        progress.unfinished = 0 if progress.interrupted else len(_lost(prepared))
        show(progress)
        _record(prepared.setting, started, progress)
    except (StorageError, OSError, DeltaError) as error:
        raise JobError(f"output {prepared.setting.job.output}: {error}") from error
    return progress


def _lost(prepared: Prepared) -> list[StoredObject]:
    """Objects of which some shard never came back: its worker, or a neighbour's, died again and again."""
    assert prepared.folder is not None
    return [item for item in prepared.todo if not prepared.folder.is_done(item, prepared.setting.names)]


def _fan_out(prepared: Prepared, assets: Sequence[StoredObject], resources: Mapping[str, float],
             progress: Progress, show: Callable[[Progress], None], alone: bool = False) -> None:
    from pipeline import graph

    assert prepared.folder is not None
    setting = prepared.setting
    planned = graph.plan_shards(assets, setting, prepared.choice.limits, prepared.folder.waiting, alone)
    kind = "GPU" if prepared.choice.gpus else "CPU"
    if prepared.choice.gpus and not resources.get("GPU"):
        raise JobError("engine: 'device: cuda' needs a GPU, and there is none here: use 'device: cpu', or a cluster")
    workers = setting.job.engine.workers or max(1, int(resources.get(kind, 1)))
    last_fold = time.monotonic()
    for receipt in graph.run_shards(planned, setting, prepared.choice, workers, alone):
        if receipt.error is not None:
            progress.errors[receipt.shard_id] = receipt.error
            continue
        prepared.folder.add(graph.published_name(setting, receipt), receipt.parts)
        _count(progress, receipt)
        if time.monotonic() - last_fold > FOLD_EVERY_SECONDS:
            progress.assets_done += prepared.folder.fold()
            last_fold = time.monotonic()
        show(progress)


def _count(progress: Progress, receipt: Receipt) -> None:
    progress.shards += 1
    progress.units += receipt.units
    progress.failures += receipt.failures


def _account_for_the_lost(prepared: Prepared, progress: Progress) -> None:
    """Give every object whose shard killed its worker again and again its row: it is quarantined, not forgotten."""
    from pipeline.graph import published_name
    from pipeline.probing import plan_assets
    from pipeline.rendering import Helpers
    from pipeline.units import UnreadableError
    from pipeline.work import is_published, lost_shard

    setting, folder = prepared.setting, prepared.folder
    assert folder is not None
    lost = _lost(prepared)
    if not lost:
        return
    helpers = Helpers(1, setting.job.limits.seconds, setting.job.limits.memory_mb)
    try:
        for shard in plan_assets(lost, setting.job, prepared.choice.limits, setting.names, helpers, alone=True):
            if not is_published(setting, shard):
                why = progress.errors.get(shard.id, "the worker that read or asked it died each time")
                receipt = lost_shard(shard, setting, UnreadableError("crash", f"{why}; see the logs of the engine"))
                folder.add(published_name(setting, receipt), receipt.parts)
                _count(progress, receipt)
    finally:
        helpers.close()


def _record(setting: Setting, started: datetime.datetime, progress: Progress) -> None:
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    append(setting.job.output, "runs", [{
        "run_id": setting.run_id, "job": setting.job.name,
        "status": "interrupted" if progress.interrupted else "finished", "started_at": started,
        "finished_at": datetime.datetime.now(datetime.UTC), "fingerprint": setting.names.engine,
        "questions": json.dumps(setting.names.questions), "versions": json.dumps(versions),
        "assets": progress.assets_done, "shards": progress.shards, "failures": progress.failures}])
