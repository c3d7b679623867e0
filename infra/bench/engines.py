"""Any set of configured engines on one corpus: how far they agree, how long a page takes, pages a second.

    python infra/bench/engines.py ENGINES.yaml CORPUS/ [--pages 100]

ENGINES.yaml maps names to what a job's `engine` says, and may hold `checklist` and `page_text` of a job:

    engines:
      bf16:   {kind: vllm, model: google/diffusiongemma-26B-A4B-it}
      fp8:    {kind: vllm, model: an/fp8-checkpoint, quantization: fp8}
      server: {kind: openai, model: name, url: "http://localhost:8000/v1"}

Without arguments it compares the tiny checkpoint under transformers and, where vLLM is installed, under vLLM with our
worker and with the stock one. Every engine sees the same drawn pages. Agreement is with the first engine: the share of
equal answers, and one minus the edit distance of the transcripts over their length. An engine that cannot be run here
says so and why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiny
import yaml
from rapidfuzz.distance import Levenshtein

from infra.tiny_checkpoint import corpus
from model_actors.choosing import EngineChoice, choose
from model_actors.engine import Engine, EngineError, Reply, Request, RequestError, StartError
from pipeline.fingerprints import of_job
from pipeline.planning import Errand
from pipeline.probing import plan_assets
from pipeline.rendering import Helpers, local_copy, render
from pipeline.sources import list_inputs
from schemas.job import Job, JobError

TINY: dict[str, Any] = {
    "page_text": "none", "checklist": [question.model_dump() for question in (corpus.KIND, corpus.PAID)], "engines": {
        "transformers": {"kind": "transformers", "model": str(tiny.CHECKPOINT), "device": "cpu"},
        "vllm": {"kind": "vllm", "model": str(tiny.CHECKPOINT)},
        "vllm, stock worker": {"kind": "vllm", "model": str(tiny.CHECKPOINT), "worker": "stock"}}}

AT_ONCE = 16
"""Requests under way with one engine."""


def main() -> None:
    """Ask every engine, print a line each and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", type=Path, nargs="?")
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--pages", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="4 pages")
    options = parser.parse_args()
    pages = 4 if options.quick else options.pages
    configured = yaml.safe_load(options.engines.read_text()) if options.engines else TINY
    with tempfile.TemporaryDirectory(prefix="canvass-bench-") as folder:
        inputs = options.corpus or folder
        if not options.corpus:
            for number in range(pages):
                corpus.save_pdf(corpus.page(corpus.HELD_OUT + number, fields=True), Path(folder) / f"{number:04}.pdf")
        figures = compare(configured, inputs, pages)
    for name, found in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    print(json.dumps(figures))


def compare(configured: dict[str, Any], inputs: str, pages: int) -> dict[str, dict[str, Any]]:
    """What every engine took, and how far it agrees with the first that ran."""
    figures: dict[str, dict[str, Any]] = {}
    first: list[Reply | None] | None = None
    requests: list[Request] | None = None
    for name, engine in configured["engines"].items():
        job = Job.model_validate({"name": "bench", "inputs": [inputs], "output": "/nowhere", "transcribe": True,
                                  "context": configured.get("context", 4096), "engine": engine,
                                  **{key: configured[key] for key in ("checklist", "page_text") if key in configured}})
        try:
            choice = choose(job)
            requests = requests or _requests(job, choice, pages)
            replies, seconds, whole = asyncio.run(_asked(choice.build(), requests))
        except (JobError, StartError) as error:
            figures[name] = {"not run": str(error)}
            continue
        first = first or replies
        spent = sorted(seconds)
        figures[name] = {
            "pages_a_second": round(len(requests) / whole, 2), "median_s": round(statistics.median(spent), 3),
            "p95_s": round(spent[int(0.95 * (len(spent) - 1))], 3), "failed": replies.count(None),
            **_agreement(first, replies)}
    return figures


def _requests(job: Job, choice: EngineChoice, pages: int) -> list[Request]:
    """The requests of the first pages of a corpus, drawn once for all engines."""
    helpers = Helpers(1, job.limits.seconds, job.limits.memory_mb)
    questions = {question.id: question for question in job.checklist}
    made: list[Request] = []
    limits, names = choice.limits, of_job(job, choice)
    try:
        for shard in plan_assets((Errand(item, item.version) for item in list_inputs(job.inputs)), job, limits, names,
                                 helpers):
            for part in shard.parts:
                with local_copy(part) as path:
                    waiting = list(part.chunks)
                    while waiting and len(made) < pages:
                        drawn = render(waiting, part, path, job, limits, helpers)
                        made += [Request(f"{part.asset.uri}:{chunk.id}", part.asset.uri, each.views,
                                         tuple(questions[name] for name in chunk.questions), chunk.transcribe,
                                         job.instructions, each.budget)
                                 for chunk, each in zip(waiting, drawn, strict=False) if each.views]
                        del waiting[: len(drawn)]
    finally:
        helpers.close()
    return made[:pages]


async def _asked(engine: Engine, requests: Sequence[Request]) -> tuple[list[Reply | None], list[float], float]:
    """Replies, seconds of each, and of all."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(request: Request) -> tuple[Reply | None, float]:
        async with room:
            started = time.monotonic()
            try:
                return await engine.ask(request), time.monotonic() - started
            except (RequestError, EngineError):
                return None, time.monotonic() - started

    await one(requests[0])  # what is compiled or cached at the first is not the engine's speed
    started = time.monotonic()
    found = await asyncio.gather(*(one(request) for request in requests))
    whole = time.monotonic() - started
    await engine.close()
    return [reply for reply, _ in found], [seconds for _, seconds in found], whole


def _agreement(first: Sequence[Reply | None], replies: Sequence[Reply | None]) -> dict[str, float]:
    equal = answers = wrong = length = 0
    for one, other in zip(first, replies, strict=True):
        if one is None or other is None:
            continue
        values = {answer.question: answer.value for answer in other.answers}
        answers += len(one.answers)
        equal += sum(values.get(answer.question) == answer.value for answer in one.answers)
        texts = ["\n".join(transcript.text for transcript in reply.transcripts) for reply in (one, other)]
        wrong += Levenshtein.distance(*texts)
        length += max(map(len, texts))
    return {"equal_answers": round(equal / answers, 3) if answers else 1.0,
            "equal_text": round(1 - wrong / length, 3) if length else 1.0}


if __name__ == "__main__":
    main()
