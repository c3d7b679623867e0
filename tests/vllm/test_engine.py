"""The vLLM engine: what it is asked comes back as the canvases have it, counted as the plan counted it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any

import jsonschema
import numpy as np
import pytest
from engines_made import OneLoop, engine_of, job_of
from tiny_model import CHECKPOINT, as_form, corpus, model, page, paper, request, sign

from model_actors import canvas, prompts
from model_actors.budgets import BUDGETS, IMAGE_MARKS, image_size, image_tokens
from model_actors.choosing import choose
from model_actors.engine import Reply, Request, RequestError, Usage, View
from model_actors.vllm_engine import VllmEngine
from pipeline.planning import plan_document
from pipeline.units import DocumentProbe, PageShape
from schemas.checklist import Question

FORMS = int(os.environ.get("FORMS", "50"))


def all_of(loop: OneLoop, engine: Any, requests: list[Request]) -> list[Reply]:
    async def ask() -> list[Reply]:
        return await asyncio.gather(*(engine.ask(each) for each in requests))

    return loop(ask())


def blank(budget: int, number: int = 1) -> View:
    width, height = image_size(210, 297, budget)
    return View(np.full((height, width, 3), 255, np.uint8), page=number)


def test_reads_are_those_of_the_transformers_engine(loop: OneLoop, engine: VllmEngine) -> None:
    asked = [request(paper(number), corpus.KIND, corpus.PAID, name=str(number)) for number in range(8)]
    reference = choose(job_of().model_copy(update={"engine": _reference()})).build()
    ours, theirs = all_of(loop, engine, asked), all_of(loop, reference, asked)
    loop(reference.close())
    for mine, other in zip(ours, theirs, strict=True):
        assert [answer.value for answer in mine.answers] == [answer.value for answer in other.answers]
        assert [answer.confidence for answer in mine.answers] == pytest.approx(
            [answer.confidence for answer in other.answers], abs=1e-3)
        assert mine.usage.input_tokens == other.usage.input_tokens


def test_an_event_is_located_in_the_frames_that_show_it(loop: OneLoop, engine: VllmEngine) -> None:
    """Of four frames, at budget 280: by reads whose prompts begin alike."""
    event = Question(id="stop", ask=corpus.STOP.ask, answer="event")  # type: ignore[arg-type]
    rng = random.Random(1)
    asked = []
    for shown in ((), (0,), (1, 2), (0, 3)):
        views = tuple(View(sign("STOP" if place in shown else rng.choice(("GO", "WAIT", "OPEN")), rng),
                           time_s=2.0 * place, until_s=2.0 * place + 2) for place in range(4))
        asked.append(Request(str(shown), "a@v", views, (event,), False, "", 280))
    found = [reply.answers[0] for reply in all_of(loop, engine, asked)]
    assert [answer.value for answer in found] == ["no", "yes", "yes", "yes"]
    assert [[item.time_s for item in answer.evidence] for answer in found] == [[], [0], [2, 4], [0, 6]]


def _reference() -> Any:
    from schemas.job import TransformersSpec

    return TransformersSpec(model=CHECKPOINT, device="cpu")


def test_forms_are_valid_by_their_schemas(loop: OneLoop) -> None:
    """With two denoising steps alone, so that the model is often wrong, and many at a time."""
    made = engine_of(sampler={"steps": 2}, canvases=3)
    asked = [request(paper(10_000 + number), *corpus.FORMS[number % len(corpus.FORMS)], name=str(number))
             for number in range(FORMS)]
    for each, reply in zip(asked, all_of(loop, made, asked), strict=True):
        assert {answer.reason for answer in reply.answers} <= {None, "the model finds nothing stated"}
        jsonschema.validate(as_form(each, reply), canvas.form_schema(each.questions))
    loop(made.close())


def test_forms_that_are_preempted_go_on_in_their_text(loop: OneLoop) -> None:
    made = engine_of(context=2048, options={"worker_cls": "preempted_worker.PreemptedWorker",
                                            "num_gpu_blocks_override": 40})
    questions = [Question(id=f"what_is_the_{name}", ask="What is the total?", answer="number") for name in "abcdefgh"]
    asked = [request(paper(number), *questions, name=str(number)) for number in range(16)]
    replies = all_of(loop, made, asked)
    assert loop(made._llm.collective_rpc("count_resumed"))[0] > 0
    for each, reply in zip(asked, replies, strict=True):
        jsonschema.validate(as_form(each, reply), canvas.form_schema(each.questions))
        assert {answer.reason for answer in reply.answers} <= {None, "the model finds nothing stated"}
        assert (reply.usage.forwards or 0) > (reply.usage.steps or 0) > 0
    loop(made.close())


def test_a_form_that_cannot_fit_its_canvases_says_so(loop: OneLoop, engine: VllmEngine) -> None:
    questions = [Question(id=f"a_question_with_a_long_name_{number}", ask="What is the total?", answer="number")
                 for number in range(14)]  # their names alone take more than 8 canvases of 48
    [reply] = all_of(loop, engine, [request(paper(1), *questions)])
    assert {answer.value for answer in reply.answers} == {None}
    assert all("does not fit 8 canvases" in (answer.reason or "") for answer in reply.answers)


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_budget_takes_the_tokens_that_were_planned(loop: OneLoop, engine: VllmEngine, budget: int) -> None:
    view = blank(budget)
    [seen] = all_of(loop, engine, [Request("r", "a@1", (view,), (corpus.PAID,), False, "", budget)])
    [least] = all_of(loop, engine, [Request("r", "a@1", (blank(70),), (corpus.PAID,), False, "", 70)])
    tokens = image_tokens((view.pixels.shape[1], view.pixels.shape[0]))
    smallest = image_tokens(image_size(210, 297, 70))
    assert (seen.usage.input_tokens or 0) - (least.usage.input_tokens or 0) == tokens - smallest
    assert tokens <= budget + IMAGE_MARKS


def test_what_is_counted_of_a_request_is_what_the_engine_counts(loop: OneLoop, engine: VllmEngine) -> None:
    """A read takes one prefill and one step; a transcript a prefill, its steps, and a pass to commit each canvas."""
    seen: list[tuple[Any, Usage]] = []
    generate = engine._generate

    async def noting(*args: Any) -> Any:
        found = await generate(*args)
        seen.append(found)
        return found

    engine._generate = noting  # type: ignore[method-assign]
    try:
        [reply] = all_of(loop, engine, [request(page(1), corpus.PAID, transcribe=True)])
    finally:
        del engine._generate  # type: ignore[attr-defined]
    (_, read), (written, transcript) = seen
    assert (read.forwards, read.steps) == (2, 1)
    canvases = -(-len(written.token_ids) // model().canvas)
    assert transcript.forwards == 1 + (transcript.steps or 0) + canvases
    assert reply.usage.steps == 1 + (transcript.steps or 0)
    assert 0 < (transcript.mean_entropy or 0) < np.log(model().vocabulary)


def test_thirty_two_thousand_tokens_of_many_images_are_planned_and_answered(loop: OneLoop) -> None:
    import parity

    with parity.checkpoint(longest=40_000) as folder:
        made = engine_of(model=folder, context=40_000)
        job = job_of(context=40_000).model_copy(update={"checklist": (corpus.PAID, corpus.KIND),
                                                            "transcribe": False})
        pages = tuple(PageShape(595, 842, em=7.5) for _ in range(60))
        [chunk] = plan_document(DocumentProbe(pages, False, None), job, made.limits())
        views = tuple(View(np.full((height, width, 3), 255, np.uint8), page=number)
                      for number, (width, height) in zip(chunk.pages, chunk.sizes, strict=True))
        [reply] = all_of(loop, made, [Request("long", "a@1", views, job.checklist, False, "", chunk.budget)])
        loop(made.close())
    assert [answer.question for answer in reply.answers] == ["paid", "kind"]
    text = tokens_of_text(job.checklist, chunk.pages)
    assert reply.usage.input_tokens == sum(map(image_tokens, chunk.sizes)) + text
    assert 32_000 < (reply.usage.input_tokens or 0) <= chunk.tokens - made.limits().canvas


def tokens_of_text(questions: Sequence[Question], pages: Sequence[int]) -> int:
    """How many ids a read's prompt takes besides the images of these pages and their marks."""
    views = [blank(70, page) for page in pages]
    ids = prompts.prompt_ids(model().tokenizer, model().special, "", views, canvas.read_task(questions))
    return len(ids) - len(views) * image_tokens(image_size(210, 297, 70))


def test_a_request_beyond_the_context_is_refused_and_the_next_one_answered(loop: OneLoop, engine: VllmEngine) -> None:
    views = tuple(blank(1120, number + 1) for number in range(5))
    with pytest.raises(RequestError, match="over the context of 4,096"):
        all_of(loop, engine, [Request("r", "a@1", views, (corpus.PAID,), False, "", 1120)])
    [reply] = all_of(loop, engine, [request(paper(2), corpus.PAID)])
    assert len(reply.answers) == 1


def test_the_sampler_can_be_changed_while_the_engine_runs(loop: OneLoop, engine: VllmEngine) -> None:
    [before] = all_of(loop, engine, [request(page(7), transcribe=True)])
    loop(engine._llm.collective_rpc("set_sampler", args=({"entropy_bound": 1e-9},)))
    [slow] = all_of(loop, engine, [request(page(7), transcribe=True)])
    loop(engine._llm.collective_rpc("set_sampler", args=({"entropy_bound": 0.02},)))
    assert (slow.usage.steps or 0) > (before.usage.steps or 0)
