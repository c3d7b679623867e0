"""`canvass plan`: what a run would read, and how many requests and tokens it would ask."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator

from jobs.running import prepare, ray_session
from schemas.job import Job


def forecast(job: Job, limit: int | None) -> Iterator[str]:
    """Lines of the plan. Opens every object that is not done, asks no engine, writes nothing. Raises JobError."""
    from pipeline.graph import plan_shards
    from pipeline.planning import Shard

    prepared = prepare(job, limit, write=False)
    yield f"{prepared.done + len(prepared.todo)} objects: {prepared.done} done, {len(prepared.todo)} to do"
    if not prepared.todo:
        return
    kinds: Counter[str] = Counter()
    units: Counter[str] = Counter()
    budgets: Counter[int] = Counter()
    failures: list[str] = []
    shards = requests = images = tokens = 0
    with ray_session():
        for row in plan_shards(prepared.todo, prepared.setting, prepared.choice.limits).iter_rows():
            shard: Shard = pickle.loads(row["shard"])
            shards += 1
            for part in shard.parts:
                if part.part == 0:
                    kinds[part.kind.name] += 1
                    units[part.kind.name] += part.units
                if part.failure:
                    failures.append(f"  {part.asset.uri!r}: {part.failure.category}: {part.failure.message}")
                for chunk in part.chunks:
                    requests += 1
                    images += chunk.images
                    tokens += chunk.tokens
                    budgets[chunk.budget] += chunk.images
    for kind in sorted(kinds):
        yield f"  {kinds[kind]:>7} {kind}" + (f": {units[kind]} {'frames' if kind == 'video' else 'pages'}"
                                             if units[kind] else "")
    seconds = images * prepared.choice.limits.seconds_per_image
    yield f"{shards} shards, {requests} requests, {images} images, at most {tokens:,} prompt tokens"
    yield "images by budget: " + ", ".join(f"{count} at {budget}" for budget, count in sorted(budgets.items()))
    yield f"engine {prepared.choice.name}: about {seconds:.0f} s of one worker"
    if failures:
        yield f"{len(failures)} cannot be read:"
        yield from failures
