"""The contract between the pipeline and whatever answers: limits, requests, replies and errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.checklist import Question

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Words:
    """Words of a page in reading order, as columns.

    `boxes` is float32 [n, 4], normalised to the page; `confidences` float32 [n]; `lines` int32 [n] numbers the
    line that each word stands in.
    """

    texts: list[str]
    boxes: npt.NDArray[np.float32]
    confidences: npt.NDArray[np.float32]
    lines: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, kept: npt.NDArray[np.intp]) -> Words:
        """The words at these indices, which are in order."""
        if len(kept) == len(self):
            return self
        return Words([self.texts[index] for index in kept], self.boxes[kept], self.confidences[kept], self.lines[kept])


@dataclass(frozen=True)
class View:
    """One unit as an engine sees it: a page, or a frame at a presentation time.

    `pixels` is uint8 [height, width, 3], RGB, at the exact size of the request's budget. `words` is the page's own
    text layer where there is one that can be believed; `note` says why there is none. A frame stands for the time
    from `time_s` until `until_s`; one that `leads` belongs to the window before and is not transcribed.
    """

    pixels: Pixels
    page: int | None = None
    time_s: float | None = None
    until_s: float | None = None
    words: Words | None = None
    note: str | None = None
    leads: bool = False


@dataclass(frozen=True)
class Request:
    """What one request shows and asks. `asset` names the object and version that the views are of.

    `effort` multiplies the denoising steps of an engine that has such.
    """

    id: str
    asset: str
    views: tuple[View, ...]
    questions: tuple[Question, ...]
    transcribe: bool
    instructions: str
    budget: int
    effort: int = 1


@dataclass(frozen=True)
class Evidence:
    """Where an answer stands: a page or a stretch of time, a box in 0..1, the quoted text, a retrieval score."""

    page: int | None = None
    time_s: float | None = None
    end_s: float | None = None
    box: tuple[float, float, float, float] | None = None
    quote: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Answer:
    """One answer. `value` is None where the engine abstained, and `reason` then says why.

    `value` holds the canonical text that schemas.answers checks; `currency` goes with an amount. `probabilities` are
    those of each label, in the order in which they are offered, where a read gives them.
    """

    question: str
    value: str | None
    currency: str | None = None
    confidence: float | None = None
    confidence_source: str | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
    probabilities: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell of a table, rows and columns from 0."""

    row: int
    column: int
    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Block:
    """A block of a transcript: heading, paragraph, list or table."""

    kind: str
    text: str
    box: tuple[float, float, float, float]
    confidence: float | None
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Transcript:
    """The text of one unit, blocks in reading order."""

    page: int | None
    time_s: float | None
    text: str
    markdown: str
    blocks: tuple[Block, ...]
    words: Words | None
    source: str
    confidence: float | None
    confidence_source: str | None
    note: str | None = None


N = TypeVar("N", int, float)


def _plus(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True)
class Usage:
    """What a request cost; None where an engine has no such thing. Costs of several add up.

    `steps` are denoising steps, `forwards` passes of the model, prefills and commits included; `entropy` is the mean
    entropy of a canvas's tokens in nats, summed over the steps.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    steps: int | None = None
    forwards: int | None = None
    entropy: float | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(_plus(self.input_tokens, other.input_tokens), _plus(self.output_tokens, other.output_tokens),
                     _plus(self.steps, other.steps), _plus(self.forwards, other.forwards),
                     _plus(self.entropy, other.entropy))

    @property
    def tokens_per_forward(self) -> float | None:
        """Tokens written per pass of the model, or per denoising step where passes are not counted."""
        passes = self.forwards or self.steps
        return self.output_tokens / passes if self.output_tokens is not None and passes else None

    @property
    def mean_entropy(self) -> float | None:
        """Mean entropy of a token in nats, over all steps."""
        return self.entropy / self.steps if self.entropy is not None and self.steps else None


@dataclass(frozen=True)
class Reply:
    """What came back of a request. `read` are the words of each view that the engine itself read by OCR."""

    transcripts: tuple[Transcript, ...] = ()
    answers: tuple[Answer, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    read: tuple[Words | None, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What an engine can take, for the planner.

    `context` tokens a request, `canvas` tokens of it reserved for what is written, `images` a request, `budgets` it
    knows, `pixels_per_em` below which it cannot read text, `text_in_prompt` where a page's text layer takes part of
    the context, and `seconds_per_image` expected, by which work is cut into shards. `lead` frames of the window before
    are shown again, so that a change between two windows is seen by one. With `waves` a question costs so much that
    one whose `only_if` may not hold waits until that is known.
    """

    context: int
    canvas: int
    images: int
    budgets: tuple[int, ...]
    pixels_per_em: float
    text_in_prompt: bool
    seconds_per_image: float
    lead: int = 0
    waves: bool = False


class RequestError(Exception):
    """This request cannot be answered; the engine is fine.

    `category` is `request` where it is the request's own fault, `server` where its server may answer another day,
    `crash` where the engine died of it.
    """

    def __init__(self, message: str, category: str = "request") -> None:
        super().__init__(message)
        self.category = category


class EngineError(Exception):
    """The engine is broken and must be started again; its requests may be tried once more."""


class StartError(Exception):
    """The engine cannot be started, here or anywhere alike: the job ends with the reason."""


class Engine(Protocol):
    """Turns requests into replies. One instance an actor, driven from one event loop."""

    name: str

    def limits(self) -> Limits:
        """What a request may hold."""
        ...

    async def ask(self, request: Request) -> Reply:
        """Answer one request. Raises RequestError or EngineError."""
        ...

    async def close(self) -> None:
        """Release what the engine holds."""
        ...
