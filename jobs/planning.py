"""`canvass plan`: what a run would read, and how many requests and tokens it would ask."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator

from jobs.running import Prepared, Wish, prepare, ray_session
from jobs.summary import LEFT
from schemas.job import Job


def forecast(job: Job, wish: Wish) -> Iterator[str]:
    """Lines of the plan. Opens every object that is not done, asks no engine, writes nothing. Raises JobError."""
    with prepare(job, wish, write=False) as prepared:
        yield from _lines(prepared)


def _lines(prepared: Prepared) -> Iterator[str]:
    from pipeline.graph import plan_shards
    from pipeline.planning import Shard

    left = prepared.left
    yield (f"{len(prepared.listing)} objects: {left.counts.get('done', 0)} done, {len(left.errands)} to do")
    for name, said in LEFT:
        if left.counts.get(name):
            yield f"  {left.counts[name]:>7} {said}"
    if prepared.newer:
        yield ("  an older Canvass read the others as this one would not: they stand until `run --accept`; "
               "`plan --accept` counts it")
    if not len(left.errands):
        return
    kinds: Counter[str] = Counter()
    units: Counter[str] = Counter()
    budgets: Counter[int] = Counter()
    failures: list[str] = []
    shards = requests = images = tokens = 0
    with ray_session():
        for row in plan_shards(left.errands, prepared.setting, prepared.choice.limits).iter_rows():
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
    yield from prepared.choice.said
    if prepared.setting.names.later:
        yield f"not counted, until it is known whether they apply: {', '.join(sorted(prepared.setting.names.later))}"
    if failures:
        yield f"{len(failures)} cannot be read:"
        yield from failures
