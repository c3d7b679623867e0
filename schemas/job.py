"""The job file: what to read, what to ask, which engine, where to write."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from schemas.checklist import JsonSchema, Label, Question, condition
from schemas.strict import Strict


class JobError(Exception):
    """The job itself is wrong; nothing was run."""


class Frames(Strict):
    """How a video is sampled: one frame `every` so many seconds, but none that looks like the one before.

    With a `budget` (`600/h`) at most so many an hour are asked about: in each window those that differ most.
    """

    every: float = Field(default=1.0, gt=0, le=3600)
    budget: float | None = Field(default=None, gt=0, description="frames an hour")

    @field_validator("every", mode="before")
    @classmethod
    def _seconds(cls, every: Any) -> Any:
        if isinstance(every, str):
            for suffix, factor in (("ms", 0.001), ("s", 1.0), ("min", 60.0)):
                number = every.removesuffix(suffix)
                if number != every and re.fullmatch(r"\d+(\.\d+)?\s*", number):
                    return float(number) * factor
            raise ValueError("write seconds, milliseconds or minutes: 2s, 500ms or 1min")
        return every

    @field_validator("budget", mode="before")
    @classmethod
    def _an_hour(cls, budget: Any) -> Any:
        rate = re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(h|min)", budget) if isinstance(budget, str) else None
        if budget is not None and rate is None:
            raise ValueError("write frames an hour or a minute: 600/h or 10/min")
        return float(rate[1]) * {"h": 1, "min": 60}[rate[2]] if rate else None


class Limits(Strict):
    """What one page, one window of frames or one probe may cost before it is given up."""

    seconds: int = Field(default=60, ge=1, le=3600)
    memory_mb: int = Field(default=4096, ge=512)


class EmbeddedSpec(Strict):
    """`kind: embedded` runs on any machine: OCR, retrieval and rules; it never guesses."""

    kind: Literal["embedded"] = "embedded"
    workers: int | None = Field(default=None, ge=1, description="actors; by default one a CPU core")


class SamplerSpec(Strict):
    """Settings of the diffusion sampler; what is not given is the checkpoint's own.

    Source: https://huggingface.co/docs/transformers, DiffusionGemmaGenerationConfig.
    """

    steps: int | None = Field(default=None, ge=1, le=1024, description="denoising steps of a canvas at most")
    entropy_bound: float | None = Field(default=None, gt=0, description="how much is accepted in one step, in nats")
    t_min: float | None = Field(default=None, gt=0, description="temperature of the last step")
    t_max: float | None = Field(default=None, gt=0, description="temperature of the first step")
    stability: int | None = Field(default=None, ge=0, description="equal steps before a canvas may stop early")
    confidence: float | None = Field(default=None, gt=0, description="mean entropy below which it may, in nats")
    seed: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _cools_down(self) -> SamplerSpec:
        if self.t_min is not None and self.t_max is not None and self.t_max <= self.t_min:
            raise ValueError(f"t_max ({self.t_max}) must be above t_min ({self.t_min}): the temperature falls")
        return self


class TransformersSpec(Strict):
    """`kind: transformers` runs a DiffusionGemma checkpoint, the reference implementation, on a CPU or a GPU.

    `canvases` bounds how long a form or a transcript may become, `batch` the canvases that are denoised together.
    """

    kind: Literal["transformers"] = "transformers"
    model: str
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    workers: int | None = Field(default=None, ge=1, description="actors; by default one a GPU, or a CPU core")
    batch: int = Field(default=16, ge=1, le=256)
    canvases: int = Field(default=8, ge=1, le=256)
    thinking: bool = False
    sampler: SamplerSpec = SamplerSpec()


class VllmSpec(Strict):
    """`kind: vllm` runs a model under vLLM: DiffusionGemma with our own worker, any other with structured output.

    `worker: stock` leaves DiffusionGemma to vLLM as it comes. `images` says where an image sees the whole of itself: as
    in the reference, in sliding layers only, or nowhere. `options` override what is derived.
    """

    kind: Literal["vllm"] = "vllm"
    model: str
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: str | None = None
    workers: int | None = Field(default=None, ge=1, description="engines; by default as many as the GPUs allow")
    tensor_parallel: int = Field(default=1, ge=1, le=64, description="GPUs of one engine")
    worker: Literal["canvass", "stock"] = "canvass"
    images: Literal["reference", "sliding", "causal"] = "reference"
    canvases: int = Field(default=8, ge=1, le=256)
    thinking: bool = False
    sampler: SamplerSpec = SamplerSpec()
    options: dict[str, Any] = Field(default={}, description="engine arguments of vLLM")

    @model_validator(mode="after")
    def _stock_is_as_it_comes(self) -> VllmSpec:
        if self.worker == "stock" and self.images != "reference":
            raise ValueError("'images' is for our own worker: leave it out, or leave 'worker: stock' out")
        return self


class OpenAISpec(Strict):
    """`kind: openai` asks any server with the OpenAI protocol: vLLM, SGLang, TensorRT-LLM, a NIM.

    The key is read from the environment variable that `key_from` names. `schema_support` says whether the server holds
    replies to a JSON Schema; where it does not, replies are checked alone.
    """

    kind: Literal["openai"] = "openai"
    model: str
    url: str = Field(pattern=r"^https?://", description="base address, /v1 included")
    key_from: str = "OPENAI_API_KEY"
    workers: int | None = Field(default=1, ge=1)
    concurrency: int = Field(default=16, ge=1, le=1024, description="requests under way of one worker")
    requests_per_minute: int | None = Field(default=None, ge=1, description="of one worker")
    retries: int = Field(default=5, ge=0, le=20)
    timeout: int = Field(default=600, ge=1, description="seconds for one reply")
    schema_support: bool = True
    logprobs: bool = True
    max_tokens: int = Field(default=4096, ge=16, le=131_072, description="tokens written at most")
    context: int = Field(default=32_768, ge=2_048, le=262_144)


EngineSpec = EmbeddedSpec | TransformersSpec | VllmSpec | OpenAISpec
ENGINES: dict[str, type[EmbeddedSpec] | type[TransformersSpec] | type[VllmSpec] | type[OpenAISpec]] = {
    "embedded": EmbeddedSpec, "transformers": TransformersSpec, "vllm": VllmSpec, "openai": OpenAISpec}


class Job(Strict):
    """A job file, validated. Paths are absolute after `load_job`.

    `stop_if_failed_over` is the share of objects, or of stretches of large ones, that may fail. `single_writer` says
    that nobody else writes to the output, whose store may then overlook the conditions of conditional writes.
    `grounding` says what answers are checked by: a page's text layer, else its OCR (`ocr`, which costs about half a
    second of CPU for each page without a layer); a text layer alone (`layer`); or nothing.
    """

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")
    inputs: tuple[str, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=1)
    output: str
    checklist: tuple[Question, ...] = ()
    transcribe: bool = False
    instructions: str = ""
    page_text: Literal["none", "layer", "ocr"] = "layer"
    grounding: Literal["ocr", "layer", "none"] = "ocr"
    passwords: tuple[SecretStr, ...] = ()
    frames: Frames = Frames()
    context: int = Field(default=32_768, ge=2_048, le=262_144)
    limits: Limits = Limits()
    stop_if_failed_over: float | None = None
    single_writer: bool = False
    engine: EngineSpec = EmbeddedSpec()

    @field_validator("inputs", "exclude", mode="before")
    @classmethod
    def _one_input_is_a_list(cls, inputs: Any) -> Any:
        return [inputs] if isinstance(inputs, str) else inputs

    @field_validator("stop_if_failed_over", mode="before")
    @classmethod
    def _share(cls, share: Any) -> Any:
        if isinstance(share, str) and re.fullmatch(r"\d+(\.\d+)?\s*%", share):
            share = float(share.rstrip("% ")) / 100
        if share is not None and not (isinstance(share, float) and 0 < share < 1):
            raise ValueError("write a share between 0 and 1, or a percentage between 0% and 100%")
        return share

    @field_validator("engine", mode="before")
    @classmethod
    def _of_its_kind(cls, engine: Any) -> Any:
        if not isinstance(engine, dict):
            return engine
        kind = engine.get("kind", "embedded")
        if kind not in ENGINES:
            raise ValueError(f"unknown kind {kind!r}: one of {', '.join(ENGINES)}")
        return ENGINES[kind].model_validate(engine)

    @model_validator(mode="after")
    def _asks_something(self) -> Job:
        if not self.checklist and not self.transcribe:
            raise ValueError("nothing to do: give a checklist, or 'transcribe: true'")
        ids = [question.id for question in self.checklist]
        doubled = [name for name, count in Counter(ids).items() if count > 1]
        if doubled:
            raise ValueError(f"question ids must differ: {', '.join(doubled)}")
        for place, question in enumerate(self.checklist):
            needs = condition(question)
            if needs and needs.question not in ids[:place]:
                raise ValueError(f"only_if of {question.id!r} names {needs.question!r}, which is no earlier question")
            if needs:
                _check_value(self.checklist[ids.index(needs.question)], needs.value, f"only_if of {question.id!r}")
            if question.expect is not None:
                _check_value(question, question.expect, f"expect of {question.id!r}")
        if re.search(r"[%\[\]]", self.output):
            raise ValueError("output: tables cannot lie below a name with '%', '[' or ']'; choose another")
        return self


def _check_value(question: Question, value: str, place: str) -> None:
    """Refuse a value that no answer to a question can equal."""
    forms = {"number": r"-?\d+(\.\d+)?", "money": r"(-?\d+(\.\d+)?( [A-Z]{3})?)|([A-Z]{3} -?\d+(\.\d+)?)",
             "date": r"\d{4}-\d{2}-\d{2}", "yes/no": "yes|no"}
    examples = {"number": "1234.5", "money": "1234.50 or 1234.50 EUR", "date": "2026-02-03", "yes/no": "yes or no"}
    form = forms.get(question.answer.type)
    if form and not re.fullmatch(form, value):
        example = examples[question.answer.type]
        raise ValueError(f"{place}: {value!r} is no {question.answer.type}: write it like {example}")
    if isinstance(question.answer, Label) and value not in question.answer.labels:
        raise ValueError(f"{place}: {value!r} is none of the labels {', '.join(question.answer.labels)}")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values (`yes`, 12:30, 010 and 2026-02-03 are texts) and no silently doubled keys."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        doubled = [key for key, count in keys.items() if count > 1]
        if doubled:
            raise yaml.composer.ComposerError(None, None, f"key {doubled[0]!r} is given twice", node.start_mark)
        return node


_Loader.yaml_implicit_resolvers = {}
for _tag, _words, _first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(?:0|[1-9][0-9]{0,99})", list("-+0123456789")),
        ("float", r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
        ("merge", r"<<", ["<"])):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_words})$"), _first)


def load_job(path: Path) -> Job:
    """Read and validate a job file; relative inputs, exclusions, schemas and output are resolved beside it.

    Raises JobError, whose text names the file, the place in it and what is wrong there.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the latter two of a false tag and of deep nesting
        raise JobError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise JobError(f"{path}: a job file is a mapping with name, inputs, output and a checklist")
    try:
        job = Job.model_validate(data)
    except ValidationError as error:
        raise JobError("\n".join(f"{path}: {_explain(item)}" for item in error.errors())) from error
    return job.model_copy(update={
        "inputs": tuple(_beside(path, text) for text in job.inputs),
        "exclude": tuple(_beside(path, text) for text in job.exclude),
        "output": _beside(path, job.output),
        "checklist": tuple(_with_schema(path, question) for question in job.checklist),
        "engine": _with_model(path, job.engine),
    })


def _explain(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _beside(path: Path, text: str) -> str:
    if "://" in text:
        return text
    folder = "/" if text.endswith("/") else ""
    return os.path.normpath(path.absolute().parent / text) + folder


def _with_model(path: Path, engine: EngineSpec) -> EngineSpec:
    """A model that lies in a folder beside the job file is found there; any other name is left as it is."""
    if isinstance(engine, TransformersSpec | VllmSpec) and Path(_beside(path, engine.model)).is_dir():
        return engine.model_copy(update={"model": _beside(path, engine.model)})
    return engine


def _with_schema(path: Path, question: Question) -> Question:
    if not isinstance(question.answer, JsonSchema):
        return question
    schema = Path(_beside(path, question.answer.path))
    try:
        definition = json.loads(schema.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: checklist {question.id!r}: schema {schema}: {error}") from error
    if not isinstance(definition, dict):
        raise JobError(f"{path}: checklist {question.id!r}: schema {schema}: a JSON Schema is an object")
    answer = question.answer.model_copy(update={"path": str(schema), "definition": definition})
    return question.model_copy(update={"answer": answer})
