"""Cuts assets into chunks and gathers chunks into shards: a pure function of what a probe found.

Everything here is deterministic, so that a run that resumes plans the same shards under the same names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

from model_actors import canvas
from model_actors.budgets import image_size, image_tokens, text_tokens
from model_actors.engine import Limits
from model_actors.prompts import PAGE_TEXT
from pipeline.fingerprints import Fingerprints, digest
from pipeline.legibility import choose_budget
from pipeline.sources import UNKNOWN, Kind
from pipeline.storage import StoredObject
from pipeline.units import DocumentProbe, PageShape, UnreadableError, VideoProbe
from schemas.checklist import Event, Question, applies, select_pages
from schemas.job import Job, JobError

PROMPT_TOKENS = 512
"""Tokens reserved for what stands around the question texts: chat template, roles, the words of the tasks."""

QUESTION_TOKENS = 8
"""Tokens reserved for the number of each question."""

STAMP_TOKENS = 24
"""Tokens reserved for the page number or timestamp before each image."""

TEXT_TOKENS = text_tokens(f"\n{PAGE_TEXT}\n\n")
"""Tokens reserved for the words around a page's text layer."""

WINDOW_FRAMES = 60
"""Frames of one window, the one that it shares with the window before among them: the model's stated regime is up to 60
frames at one a second."""

WINDOW_SECONDS = 600.0
"""Longest window of a video of which a budget says how many frames are shown: what its answers say of time is no
finer."""

MAX_SAMPLES = 1_000_000
"""Samples of one video at most: 11 days at one a second."""

FRAME_BUDGET = 280
"""Budget of a video frame: a 16:9 frame is drawn at 1056 x 576 px."""

SHARD_SECONDS = 10.0
"""Expected engine time after which a shard is full."""

MAX_SHARD_ASSETS = 64
"""Small assets in one shard at most, so that a lost shard is little work."""


@dataclass(frozen=True)
class Chunk:
    """What one request sees: pages (from 1) of a document, or `frames` samples of a video from `first_s` on.

    Of these samples at most `most` are shown, if it is given, and `lead` samples before them again.

    `sizes` are the pixel sizes (width, height) of the images, one each page, or one for all frames; `tokens` bounds
    the whole request, canvas included.
    """

    id: str
    questions: tuple[str, ...]
    transcribe: bool
    budget: int
    sizes: tuple[tuple[int, int], ...]
    tokens: int
    pages: tuple[int, ...] = ()
    first_s: float = 0.0
    step_s: float = 0.0
    frames: int = 0
    most: int | None = None
    lead: int = 0

    @property
    def images(self) -> int:
        """Images of the request at most."""
        return len(self.pages) or self.lead + (self.frames if self.most is None else min(self.frames, self.most))


@dataclass(frozen=True)
class Again:
    """What of an asset is tried again: the parts that failed, where it is still cut alike (`plan`), else all.

    `items` are asked. `failed` maps a part to its shard, `shards` are all shards of the attempt that give way with it,
    `attempt` is its number. Of the asset's `units` it could not see those `lost`.
    """

    items: frozenset[str]
    plan: str
    failed: Mapping[int, str]
    shards: tuple[str, ...]
    attempt: int
    units: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Errand:
    """What is to be asked of one object, and which time that is; without `items`, all that waits for no other answer.

    `stamp` is what the listing showed; `asset.version` names the content, but for a local file that is yet to be read,
    of which it is the stamp too. `kind` is what it was found to be before.
    """

    asset: StoredObject
    stamp: str
    kind: Kind = UNKNOWN
    round: int = 1
    items: frozenset[str] | None = None
    again: Again | None = None


@dataclass(frozen=True)
class Part:
    """One part of an asset: its chunks, and what the tables say of it. A failed probe is a part without chunks.

    `units` counts the pages or frames of the whole asset that are to be seen. `parts` are asked in this `round`, `plan`
    names the cut, and the rows of the shards that it `replaces` give way. Where it has a `failure`, `lost` of the units
    are known not to be seen. `shape` is the width and height in px of a video as displayed.
    """

    asset: StoredObject
    kind: Kind
    chunks: tuple[Chunk, ...]
    asked: str = ""
    stamp: str = ""
    round: int = 1
    attempt: int = 1
    replaces: tuple[str, ...] = ()
    plan: str = ""
    part: int = 0
    parts: int = 1
    units: int = 0
    lost: int = 0
    duration: float | None = None
    shape: tuple[int, int] | None = None
    repaired: bool = False
    password: str | None = None
    failure: UnreadableError | None = None


@dataclass(frozen=True)
class Shard:
    """What is scheduled, published and resumed: one part of a large asset, or several whole small ones."""

    id: str
    parts: tuple[Part, ...]


def question_tokens(question: Question) -> int:
    """An upper bound of the prompt tokens of one question."""
    line = canvas.member(question) if isinstance(question.answer, Event) else canvas.line(question)  # it is the longer
    return QUESTION_TOKENS + text_tokens(line)


def check_job(job: Job, limits: Limits) -> None:
    """Raise JobError where not even one page can be asked within the context."""
    fixed = _fixed_tokens(job, job.checklist, limits)
    needed = fixed + STAMP_TOKENS + max(limits.budgets) + 2
    context = min(job.context, limits.context)
    if needed > context:
        raise JobError(f"the checklist and instructions take up to {fixed:,} tokens, so that no page fits a context of "
                       f"{context:,}: shorten them, ask in several jobs, or raise 'context'")


def _fixed_tokens(job: Job, questions: Iterable[Question], limits: Limits) -> int:
    return (PROMPT_TOKENS + limits.canvas + text_tokens(job.instructions)
            + sum(question_tokens(question) for question in questions))


class _DocumentPlan:
    def __init__(self, probe: DocumentProbe, job: Job, limits: Limits) -> None:
        self.pages, self.job, self.limits = probe.pages, job, limits
        self.context = min(job.context, limits.context)
        self.budgets = [choose_budget(page, limits.budgets, limits.pixels_per_em) for page in probe.pages]

    def chunk(self, numbers: Sequence[int], questions: Sequence[Question], transcribe: bool) -> Chunk:
        budget = max(self.budgets[number - 1] for number in numbers)
        sizes = tuple(image_size(self.pages[number - 1].width, self.pages[number - 1].height, budget)
                      for number in numbers)
        tokens = _fixed_tokens(self.job, questions, self.limits) + sum(
            image_tokens(size) + STAMP_TOKENS + self.text(self.pages[number - 1])
            for number, size in zip(numbers, sizes, strict=True))
        return Chunk(f"p{numbers[0]}-{numbers[-1]}", tuple(question.id for question in questions), transcribe, budget,
                     sizes, tokens, pages=tuple(numbers))

    def text(self, page: PageShape) -> int:
        return page.text_bytes + TEXT_TOKENS if self.job.page_text == "layer" and page.text_bytes else 0

    def fits(self, chunk: Chunk) -> bool:
        return chunk.tokens <= self.context and len(chunk.pages) <= self.limits.images

    def pack(self, numbers: Sequence[int], questions: Sequence[Question]) -> Iterator[Chunk]:
        """Consecutive pages, as many to a chunk as the context and the images of a request allow."""
        taken: list[int] = []
        for number in numbers:
            if taken and not self.fits(self.chunk([*taken, number], questions, False)):
                yield self.chunk(taken, questions, False)
                taken = []
            taken.append(number)
        if taken:
            yield self.chunk(taken, questions, False)


def plan_document(probe: DocumentProbe, job: Job, limits: Limits) -> list[Chunk]:
    """Chunks of a document: page by page for transcription and page questions, packed for document questions.

    A chunk of document questions that sees one page only is joined to that page's own chunk, so that all share one
    prefill. Raises UnreadableError where one page with its text layer does not fit the context.
    """
    plan = _DocumentPlan(probe, job, limits)
    count = len(probe.pages)
    selected = {question.id: set(select_pages(question.pages, count)) for question in job.checklist}
    by_page = [question for question in job.checklist if question.scope == "page"]
    groups: dict[tuple[int, ...], list[Question]] = {}
    for question in job.checklist:
        if question.scope == "document" and applies(question, "pdf") and selected[question.id]:
            groups.setdefault(tuple(sorted(selected[question.id])), []).append(question)
    packed = [(chunk, questions) for numbers, questions in groups.items() for chunk in plan.pack(numbers, questions)]
    chunks = []
    for number in range(1, count + 1):
        asked = [question for question in by_page if number in selected[question.id]]
        for item in [item for item in packed if item[0].pages == (number,)]:
            if job.transcribe or asked:
                joined = plan.chunk([number], [*asked, *item[1]], job.transcribe)
                if plan.fits(joined):
                    asked += item[1]
                    packed.remove(item)
        if job.transcribe or asked:
            chunks.append(plan.chunk([number], asked, job.transcribe))
    chunks += [replace(chunk, id=f"d{place}:{chunk.id}") for place, (chunk, _) in enumerate(packed)]
    for chunk in chunks:
        if not plan.fits(chunk):
            raise UnreadableError("too_large", f"page {chunk.pages[0]} with its text takes up to {chunk.tokens:,} "
                                  f"tokens, over the context of {plan.context:,}: raise 'context' or use "
                                  "'page_text: none'")
    return sorted(chunks, key=lambda chunk: chunk.pages[0])


def plan_video(probe: VideoProbe, job: Job, limits: Limits) -> list[Chunk]:
    """Windows of at most 60 frames, one sample every `frames.every` seconds from 0 to the claimed end.

    A window also shows the last frame of the one before, where the engine wants it. With a `frames.budget` a window has
    as many samples as it takes to be allowed that many frames, or fewer where that would be over WINDOW_SECONDS.
    """
    questions = [question for question in job.checklist if applies(question, "video")]
    if not questions and not job.transcribe:
        return []
    budget = FRAME_BUDGET if FRAME_BUDGET in limits.budgets else limits.budgets[0]
    size = image_size(probe.width, probe.height, budget)
    fixed = _fixed_tokens(job, questions, limits)
    a_frame = image_tokens(size) + STAMP_TOKENS
    window = min(WINDOW_FRAMES, limits.images, (min(job.context, limits.context) - fixed) // a_frame)
    lead = min(limits.lead, window - 1)
    window -= lead
    step = job.frames.every
    if probe.duration / step > MAX_SAMPLES:
        raise UnreadableError("too_large", f"claims to last {probe.duration:.0f} s, over {MAX_SAMPLES:,} samples: its "
                              "index is damaged, or raise frames.every")
    samples = max(1, math.ceil(probe.duration / step - 1e-9))
    allowed = None if job.frames.budget is None else job.frames.budget * step / 3600  # frames a sample
    if allowed is not None and allowed < 1:
        window = max(1, min(int(window / allowed), int(WINDOW_SECONDS / step)))
    else:
        allowed = None
    chunks = []
    for first in range(0, samples, window):
        frames = min(window, samples - first)
        most = None if allowed is None else max(1, math.floor(frames * allowed + 1e-9))
        chunks.append(Chunk(_window_id(first, frames), tuple(question.id for question in questions), job.transcribe,
                            budget, (size,), fixed + (lead + (most or frames)) * a_frame, first_s=first * step,
                            step_s=step, frames=frames, most=most, lead=lead))
    return chunks


def _window_id(first: int, frames: int) -> str:
    return f"t{first}-{first + frames - 1}"


def end_window(windows: Sequence[Chunk], frames: int) -> list[Chunk]:
    """Windows that see the same samples, of which the first ends after so many: another scene begins there.

    They stay within the frames and tokens of those that were planned.
    """
    first, last, largest = windows[0], windows[-1], max(windows, key=lambda window: window.frames)
    begins = round(first.first_s / first.step_s)
    ends = round(last.first_s / last.step_s) + last.frames
    rest = [replace(largest, id=_window_id(start, min(largest.frames, ends - start)), first_s=start * first.step_s,
                    frames=min(largest.frames, ends - start)) for start in range(begins + frames, ends, largest.frames)]
    return [replace(first, id=_window_id(begins, frames), frames=frames), *rest]


def cut_into_parts(whole: Part, limits: Limits, again: Again | None = None) -> list[Part]:
    """Parts of an asset, each of about SHARD_SECONDS of expected engine time; one part where it is small.

    Of an asset that is tried `again`, those that failed.
    """
    groups: list[list[Chunk]] = [[]]
    seconds = 0.0
    for chunk in whole.chunks:
        cost = chunk.images * limits.seconds_per_image
        if groups[-1] and seconds + cost > SHARD_SECONDS:
            groups.append([])
            seconds = 0.0
        groups[-1].append(chunk)
        seconds += cost
    units = len({page for chunk in whole.chunks for page in chunk.pages}) + sum(chunk.frames for chunk in whole.chunks)
    plan = digest([whole.asked, *([_named(chunk) for chunk in chunks] for chunks in groups)])
    parts = [replace(whole, chunks=tuple(chunks), part=place, parts=len(groups), units=units, plan=plan)
             for place, chunks in enumerate(groups)]
    if again is None:
        return parts
    if again.plan != plan or not again.failed:
        return [replace(part, attempt=again.attempt + 1, replaces=again.shards) for part in parts]
    return [replace(part, attempt=again.attempt + 1, replaces=(again.failed[part.part],), parts=len(again.failed))
            for part in parts if part.part in again.failed]


def _named(chunk: Chunk) -> tuple[object, ...]:
    """What a chunk is, as plans have always named it: a budget is there where it is given, a lead is the engine's."""
    *known, most, _ = astuple(chunk)
    return tuple(known) if most is None else (*known, most)


def gather_shards(parts: Iterable[Part], limits: Limits, names: Fingerprints, alone: bool = False) -> Iterator[Shard]:
    """Shards in the order of the parts: a part of a cut asset alone, small whole assets together unless `alone`."""
    held: list[Part] = []
    seconds = 0.0
    for part in parts:
        cost = sum(chunk.images for chunk in part.chunks) * limits.seconds_per_image
        if held and (alone or part.parts > 1 or seconds + cost > SHARD_SECONDS or len(held) == MAX_SHARD_ASSETS):
            yield _shard(held, names)
            held, seconds = [], 0.0
        held.append(part)
        seconds += cost
        if part.parts > 1:
            yield _shard(held, names)
            held, seconds = [], 0.0
    if held:
        yield _shard(held, names)


def _shard(parts: Sequence[Part], names: Fingerprints) -> Shard:
    named = [(part.asset.uri, part.asset.version, part.asked, part.round, part.plan, part.part) for part in parts]
    return Shard(digest([names.engine, names.tried, named]), tuple(parts))
