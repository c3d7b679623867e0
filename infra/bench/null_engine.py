"""An engine that answers nothing and wants nothing, so that a run costs what the pipeline itself costs.

Told to echo, it transcribes: the words of each page's own text layer, as they are.
"""

from __future__ import annotations

import functools
import sys
import uuid
from pathlib import Path

from model_actors.budgets import BUDGETS
from model_actors.choosing import EngineChoice
from model_actors.engine import Block, Limits, Reply, Request, Transcript, Usage, View
from pipeline.asking import Setting
from pipeline.fingerprints import of_job
from schemas.job import Job

SECONDS_PER_IMAGE = 0.1
"""What a GPU is expected to take, by which work is cut into shards: 50 pages or frames each."""


def limits(seconds_per_image: float = SECONDS_PER_IMAGE) -> Limits:
    """Limits like those of DiffusionGemma."""
    return Limits(context=262_144, canvas=256, images=60, budgets=BUDGETS, pixels_per_em=11.0, text_in_prompt=False,
                  seconds_per_image=seconds_per_image)


class NullEngine:
    """Takes every request and says nothing, or what the page says itself."""

    name = "null"

    def __init__(self, seconds_per_image: float, echo: bool) -> None:
        self._limits = limits(seconds_per_image)
        self._echo = echo

    def limits(self) -> Limits:
        """What a request may hold."""
        return self._limits

    async def ask(self, request: Request) -> Reply:
        """At once; the size of the first view is left in the usage, where a benchmark can read it."""
        height, width = request.views[0].pixels.shape[:2]
        transcripts = tuple(_echoed(view) for view in request.views) if self._echo else ()
        return Reply(transcripts, usage=Usage(output_tokens=width, steps=height))

    async def close(self) -> None:
        """Nothing to release."""


def _echoed(view: View) -> Transcript:
    text = "" if view.words is None else " ".join(view.words.texts)
    blocks = (Block("paragraph", text, (0.0, 0.0, 1.0, 1.0), None),)
    return Transcript(view.page, view.time_s, text, text, blocks, view.words, "text_layer", None, None, view.note)


def choice(seconds_per_image: float = SECONDS_PER_IMAGE, echo: bool = False) -> EngineChoice:
    """The null engine as a run takes it."""
    return EngineChoice(NullEngine.name, limits(seconds_per_image), {"null": 1}, {},
                        functools.partial(NullEngine, seconds_per_image, echo))


def setting_of(inputs: Path, output: Path, workers: int, chosen: EngineChoice) -> Setting:
    """A job that transcribes everything below a folder, reading the pages' own words."""
    job = Job.model_validate({
        "name": "bench", "inputs": [f"{inputs}/"], "output": str(output), "transcribe": True, "page_text": "layer",
        "engine": {"kind": "embedded", "workers": workers}})
    return Setting(job, uuid.uuid4().hex[:12], of_job(job, chosen))


def run_on_ray(inputs: Path, output: Path, workers: int, chosen: EngineChoice) -> None:
    """The whole run of such a job. Exits where anything failed."""
    from jobs.running import prepare, run

    with prepare(setting_of(inputs, output, workers, chosen).job, choice=chosen) as prepared:
        ended = run(prepared, lambda _: None)
        objects = len(prepared.listing)
    if ended.failures or ended.assets_done != objects:
        sys.exit(f"the run went wrong: {ended}")
