"""Finds out what an asset is, opening it as little as possible, and plans it. An unreadable file is a part too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from model_actors.engine import Limits
from pipeline import sources, storage, stores
from pipeline.fingerprints import Fingerprints, asked_text
from pipeline.planning import Errand, Part, Shard, cut_into_parts, gather_shards, plan_document, plan_video
from pipeline.rendering import Helpers, local_copy
from pipeline.stores import StorageError
from pipeline.units import DocumentProbe, UnreadableError, VideoProbe
from schemas.job import Job

LIMITS_MET = ("timeout", "memory", "crash")
"""Failures of a probe that looked at what pages hold; without looking, their sizes are still told."""


def plan_assets(errands: Iterable[Errand], job: Job, limits: Limits, names: Fingerprints, helpers: Helpers,
                alone: bool = False) -> Iterator[Shard]:
    """Shards of some errands. Every asset is in at least one of them, whatever is wrong with it."""
    parts = (part for errand in errands for part in plan_asset(errand, job, limits, names, helpers))
    return gather_shards(parts, limits, names, alone)


def plan_asset(errand: Errand, job: Job, limits: Limits, names: Fingerprints, helpers: Helpers) -> list[Part]:
    """The parts of one asset that are to be asked; a single part with its failure where it cannot be read."""
    asset, kind = errand.asset, errand.kind
    try:
        if stores.is_local(asset.uri) and asset.version == errand.stamp:
            asset = replace(asset, version=sources.local_version(asset.uri))
        head = storage.read_head(asset.uri, sources.HEAD_BYTES)
        if not head:
            raise UnreadableError("empty", "holds no bytes: upload it again")
        found = sources.sniff(head)
        if found.name == "unknown":
            raise UnreadableError("unsupported", f"not a PDF, image or video: {sources.describe(head)}")
        kind = found
        wanted, asking = _asked(errand, kind, job, names)
        whole = Part(asset, kind, (), asked_text(wanted), errand.stamp, errand.round)
        with local_copy(whole) as path:
            return cut_into_parts(_probe(whole, path, asking, limits, helpers), limits, errand.again)
    except StorageError as error:
        failure = UnreadableError(error.category, str(error))
    except UnreadableError as error:
        failure = error
    except Exception as error:  # what a hostile file claims of itself may upset any arithmetic
        failure = UnreadableError("damaged", f"cannot be planned ({type(error).__name__}: {error}); it may be damaged: "
                                             "open it in a viewer and save it again")
    wanted, _ = _asked(errand, kind, job, names)
    again = errand.again
    part = Part(asset, kind, (), asked_text(wanted), errand.stamp, errand.round, failure=failure)
    if again is None:
        return [part]
    return [replace(part, attempt=again.attempt + 1, replaces=tuple(again.failed.values()) or again.shards,
                    units=again.units, lost=again.lost)]


def _asked(errand: Errand, kind: sources.Kind, job: Job, names: Fingerprints) -> tuple[frozenset[str], Job]:
    """The items that are asked of an object of a kind, and the job with these questions alone."""
    items = names.items(kind.name)
    wanted = names.wanted(kind.name, names.later) if errand.items is None else errand.items & items.keys()
    ids = {items[item] for item in wanted}
    questions = tuple(question for question in job.checklist if question.id in ids)
    return wanted, job.model_copy(update={"checklist": questions, "transcribe": None in ids})


def _probe(whole: Part, path: str, job: Job, limits: Limits, helpers: Helpers) -> Part:
    if whole.kind.name == "video":
        video, _ = helpers.call("pipeline.frames:probe", path)
        assert isinstance(video, VideoProbe)
        return replace(whole, chunks=tuple(plan_video(video, job, limits)), duration=video.duration,
                       shape=(video.width, video.height))
    if whole.kind.name == "image":
        found, _ = helpers.call("pipeline.images:probe", path)
    else:
        passwords = [password.get_secret_value() for password in job.passwords]
        every_text = job.page_text == "layer" and limits.text_in_prompt
        try:
            found, _ = helpers.call("pipeline.pages:probe", path, passwords, every_text)
        except UnreadableError as error:
            if error.category not in LIMITS_MET:
                raise
            # one bad page must not lose the others
            found, _ = helpers.call("pipeline.pages:probe", path, passwords, False, False)
    assert isinstance(found, DocumentProbe)
    return replace(whole, chunks=tuple(plan_document(found, job, limits)), repaired=found.repaired,
                   password=found.password)
