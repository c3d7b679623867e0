"""The reference engine: DiffusionGemma through transformers, on a CPU or a GPU, many requests at a time.

Everything that a request asks is a *way*: a generator that yields the canvas it needs denoised and goes on once that
one is finished. One thread steps the canvases of all ways together; a finished one leaves at once and another joins.
The ways of a request share the encoding of its images.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from model_actors import canvas, prompts, tasks
from model_actors.budgets import BUDGETS
from model_actors.constrained import Holder, Holders, NoCanvasError, token_bytes
from model_actors.denoising import Hold, Row, Sampler, noise_of, step
from model_actors.diffusion_gemma import CheckpointError, DiffusionGemma, Prefix, look_up
from model_actors.engine import EngineError, Limits, Reply, Request, RequestError, Usage, View
from model_actors.locating import locate
from model_actors.tasks import Outcome, Task, Written
from schemas.checklist import Question
from schemas.job import JobError, TransformersSpec

NAME = "transformers"
SECONDS_PER_IMAGE = {"cpu": 1.0, "cuda": 0.25}
"""Expected of a page, by which work is cut into shards: on a GPU what 1,000 tokens cost by the model's size alone
(3.8 B active parameters, 16 denoising steps a canvas, an H200), on a CPU what a few million parameters take.
"""

MAX_CONTEXT = 32_768
"""Tokens of a request at most: transformers makes dense attention masks, 1 GB at this length and 40 GB at 200,000."""

T = TypeVar("T")
Way = Generator[Row, None, T]
_Settle = Callable[[Any, Exception | None], Any]


_MakeWay = Callable[[Prefix, list[int]], Way[Outcome]]


class TransformersEngine:
    """One loaded checkpoint and the thread that drives it."""

    name = NAME

    def __init__(self, settings: TransformersSpec, limits: Limits) -> None:
        self._settings = settings
        self._limits = limits
        device = device_of(settings)
        dtype = {"auto": "float32" if device == "cpu" else "bfloat16"}.get(settings.dtype, settings.dtype)
        if device == "cpu":
            torch.set_num_threads(1)  # an actor has one core
        self._model = DiffusionGemma(settings.model, settings.revision, dtype, device)
        asked = settings.sampler.model_dump(exclude_none=True)
        self._sampler = Sampler(**{**self._model.sampler_defaults(), **asked})
        known = token_bytes(self._model.tokenizer)
        self._written = known + [None] * (self._model.vocabulary - len(known))  # a model may have more ids
        self._holders = Holders(self._written, self._model.special.end_of_turn, self._model.special.pad)
        self._waiting: queue.SimpleQueue[tuple[Way[Any], _Settle] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(settings.batch)  # of requests whose encoding is held in memory
        self._thread = threading.Thread(target=self._drive, name="denoise", daemon=True)
        self._thread.start()

    def limits(self) -> Limits:
        """What a request may hold."""
        return self._limits

    async def close(self) -> None:
        """Let what is under way finish, and stop."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    async def ask(self, request: Request) -> Reply:
        """Answer a request: labels as reads, other questions as a form, and a transcript of each view."""
        groups = tasks.tasks_of(request, self._model.tokenizer, self._model.special, self._model.canvas)
        found = await asyncio.gather(*(self._group(request, group) for group in groups))
        reply = tasks.reply_of(request, [outcome for outcomes in found for outcome in outcomes])
        return await locate(request, reply, self.ask)

    async def _group(self, request: Request, group: list[Task]) -> list[Outcome]:
        """Everything that is asked of the same views; they are encoded once, with all that the prompts share."""
        views = group[0].views
        whole = [prompts.prompt_ids(self._model.tokenizer, self._model.special, request.instructions, views, task.words,
                                    self._settings.thinking) for task in group]
        longest = max(map(len, whole)) + self._limits.canvas
        if longest > self._limits.context:
            raise RequestError(f"takes {longest:,} tokens, over the model's {self._limits.context:,}: ask fewer "
                               "questions, or use 'page_text: none'")
        ways = [self._make(task, request.effort) for task in group]
        shared = whole[0][: next((place for place, column in enumerate(zip(*whole, strict=False))
                                  if len(set(column)) > 1), min(map(len, whole)))]
        async with self._room:
            base = await self._run(self._encode(shared, views))
            return await asyncio.gather(*(self._run(self._way(base, ids, len(shared), make))
                                          for ids, make in zip(whole, ways, strict=True)))

    def _make(self, task: Task, effort: int) -> _MakeWay:
        if task.read is not None:
            return functools.partial(self._read, task, task.read, effort)
        if task.questions:
            holder = self._holders.of(canvas.form_schema(task.questions))
            return functools.partial(self._form, task.questions, holder, effort)
        return functools.partial(self._transcribe, task.views[0])

    def _encode(self, ids: Sequence[int], views: Sequence[View]) -> Way[Prefix]:
        yield from ()
        return self._model.prefix(ids, views)

    def _way(self, base: Prefix, ids: list[int], shared: int, make: _MakeWay) -> Way[Outcome]:
        prefix = self._model.followed(base, ids[shared:])
        thought = Written((), (), Usage(), True)
        if self._settings.thinking and self._model.special.end_thought is not None:
            end = self._model.special.end_thought
            thought = yield from self._write(prefix, ids, "thought", self._model.ends | {end})
            ids = [*ids, *(thought.ids[:-1] if thought.ended else thought.ids), end]
            prefix = self._model.followed(prefix, ids[prefix.length :])
        outcome: Outcome = yield from make(prefix, ids)
        return replace(outcome, usage=Usage(len(ids)) + thought.usage + outcome.usage)

    def _read(self, task: Task, read: canvas.Read, effort: int, prefix: Prefix, ids: Sequence[int]) -> Way[Outcome]:
        pinned = torch.tensor(read.ids, device=self._model.device)
        pinned[[slot.position for slot in read.slots]] = -1
        noise = noise_of(self._sampler.seed, ids, f"read {read.slots[0].question.id}", self._model.device)
        row = Row(prefix, replace(self._sampler, steps=effort), noise, len(read.ids), self._model.vocabulary, pinned)
        yield row
        logits = [row.raw[slot.position, list(slot.ids)].tolist() for slot in read.slots]
        return tasks.read(task, read, logits, Usage(None, len(read.slots), row.step))

    def _form(self, questions: Sequence[Question], holder: Holder, effort: int, prefix: Prefix, ids: Sequence[int]) \
            -> Way[Outcome]:
        try:
            written = yield from self._write(prefix, ids, "form", self._model.ends, holder, effort)
        except NoCanvasError:
            return tasks.form_too_long(questions, self._settings.canvases, Usage())
        return tasks.formed(questions, written, self._written)

    def _transcribe(self, view: View, prefix: Prefix, ids: Sequence[int]) -> Way[Outcome]:
        written = yield from self._write(prefix, ids, "transcript", self._model.ends)
        return tasks.transcribed(view, written, self._written, tasks.cut_note(self._settings.canvases))

    def _write(self, prefix: Prefix, ids: Sequence[int], purpose: str, ends: frozenset[int],
               holder: Holder | None = None, effort: int = 1) -> Way[Written]:
        """Canvas after canvas, up to an end id or the last canvas. Raises NoCanvasError."""
        written: list[int] = []
        chances: list[float] = []
        steps = state = 0
        noise = noise_of(self._sampler.seed, ids, purpose, self._model.device)
        sampler = replace(self._sampler, steps=self._sampler.steps * effort)
        for number in range(self._settings.canvases):
            room = (self._settings.canvases - number - 1) * self._model.canvas
            hold = Hold(holder, state, room) if holder is not None else None
            row = Row(prefix, sampler, noise, self._model.canvas, self._model.vocabulary, hold=hold)
            yield row
            settled, sure, state = row.committed()
            steps += row.step
            end = next((place for place, token in enumerate(settled) if token in ends), None)
            written += settled if end is None else settled[: end + 1]
            chances += sure if end is None else sure[: end + 1]
            if end is not None:
                return Written(tuple(written), tuple(chances), Usage(None, len(written), steps), True)
            if number + 1 < self._settings.canvases:
                prefix = self._model.followed(prefix, settled)
        return Written(tuple(written), tuple(chances), Usage(None, len(written), steps), False)

    async def _run(self, way: Way[T]) -> T:
        """What a way returns, from the thread that drives them all."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: Exception | None) -> None:
            if not done.done():  # who asked may have gone
                if error is None:
                    done.set_result(result)
                else:
                    done.set_exception(error)

        def hand_over(result: Any, error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, result, error)

        self._waiting.put((way, hand_over))
        return await done

    def _drive(self) -> None:
        active: list[tuple[Row, Way[Any], _Settle]] = []
        closing = False
        while active or not closing:
            while not closing and (not active or (len(active) < self._settings.batch and not self._waiting.empty())):
                entry = self._waiting.get()
                if entry is None:
                    closing = True
                    break
                active += _next(*entry)
            if not active:
                continue
            try:
                step(self._model, [row for row, _, _ in active])
            except Exception as error:  # memory or the device: none of these canvases can go on
                for _, _, settle in active:
                    settle(None, EngineError(f"{type(error).__name__}: {error}"))
                active = []
            finished = [entry for entry in active if entry[0].finished]
            active = [entry for entry in active if not entry[0].finished]
            for _, way, settle in finished:
                active += _next(way, settle)


def _next(way: Way[Any], settle: _Settle) -> list[tuple[Row, Way[Any], _Settle]]:
    """A way's next canvas, or its end."""
    try:
        return [(next(way), way, settle)]
    except StopIteration as ended:
        settle(ended.value, None)
    except RequestError as error:
        settle(None, error)
    except Exception as error:
        settle(None, EngineError(f"{type(error).__name__}: {error}"))
    return []


def device_of(settings: TransformersSpec) -> str:
    """The device that `auto` means on this machine."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def choice(settings: TransformersSpec) -> tuple[Limits, dict[str, Any]]:
    """What the planner may count on, and what names this engine's results. Raises JobError."""
    try:
        found = look_up(settings.model, settings.revision)
    except CheckpointError as error:
        raise JobError(f"engine: {error}") from None
    written = found.canvas * settings.canvases * (2 if settings.thinking else 1)  # a thought takes as many
    limits = Limits(min(found.context, MAX_CONTEXT), written, images=60, budgets=BUDGETS,
                    pixels_per_em=11.0, text_in_prompt=True, seconds_per_image=SECONDS_PER_IMAGE[device_of(settings)],
                    lead=1, waves=True)
    if settings.thinking and not found.thinks:
        raise JobError(f"engine: model {settings.model!r} has no thinking: leave 'thinking' out")
    identity = {"engine": NAME, "device": device_of(settings), "model": settings.model, "weights": found.weights,
                **settings.model_dump(include={"revision", "dtype", "canvases", "thinking", "sampler"})}
    return limits, identity
