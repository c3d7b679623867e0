"""Questions a second when labels are read in one step, over generating the same answers as JSON, by the same engine.

Both ask the same questions of the same held-out pages. The JSON is held to its schema, labels as enums, so that only
the way of asking differs. Without the shared prefill means: with the encoding of image and prompt left out of both;
with it, both pay for it once a page. Timed in CPU seconds of one core.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import tiny
import torch

from model_actors import canvas
from model_actors.constrained import Holder, token_bytes
from model_actors.denoising import Hold, Row, Sampler, noise_of, step
from model_actors.diffusion_gemma import DiffusionGemma, Prefix
from model_actors.engine import View
from model_actors.grammar import automaton
from schemas.checklist import Question

TARGET = 5.0
FORM_CANVASES = 8


def main() -> None:
    """Ask both ways, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(tiny.CHECKPOINT))
    parser.add_argument("--quick", action="store_true", help="8 pages")
    options = parser.parse_args()
    model = tiny.load(options.checkpoint)
    sampler = Sampler(**model.sampler_defaults())
    written = token_bytes(model.tokenizer)
    watch = tiny.Stopwatch()
    asked, right = 0, {"read": 0, "json": 0}
    for page in tiny.papers(8 if options.quick else 200):
        questions = [question for question in page.questions if question.id in page.answers]
        if not questions:
            continue
        asked += len(questions)
        view = View(page.pixels, page=1)
        read_ids, json_ids = (tiny.ids_of(model, page, task) for task in (
            canvas.read_task(questions), _json_task(questions)))
        read_prefix = watch.time("read prefill", lambda ids=read_ids, view=view: model.prefix(ids, [view]))
        json_prefix = watch.time("json prefill", lambda ids=json_ids, view=view: model.prefix(ids, [view]))
        answers = {"read": watch.time("read", lambda prefix=read_prefix, ids=read_ids, questions=questions: _read(
            model, prefix, ids, questions, sampler))}
        holder = Holder(automaton(_schema(questions)), written, model.special.end_of_turn, model.special.pad)
        answers["json"] = watch.time("json", lambda prefix=json_prefix, ids=json_ids, holder=holder: _json(
            model, prefix, ids, holder, sampler, written))
        for way, found in answers.items():
            right[way] += sum(found[question.id] == page.answers[question.id] for question in questions)
    rates = {name: asked / seconds for name, seconds in watch.seconds.items()}
    shared = {way: asked / (watch.seconds[way] + watch.seconds[f"{way} prefill"]) for way in ("read", "json")}
    figures = {"ratio_without_prefill": round(rates["read"] / rates["json"], 2),
               "ratio_with_prefill": round(shared["read"] / shared["json"], 2), "target": TARGET, "questions": asked,
               "read_questions_a_second": round(shared["read"], 1), "json_questions_a_second": round(shared["json"], 1),
               "read_accuracy": round(right["read"] / asked, 4), "json_accuracy": round(right["json"] / asked, 4)}
    print(f"reads / JSON: {figures['ratio_without_prefill']} times the questions a second without the prefill "
          f"(target: at least {TARGET}), {figures['ratio_with_prefill']} with it")
    print(json.dumps(figures, sort_keys=True))


def _read(model: DiffusionGemma, prefix: Prefix, ids: list[int], questions: list[Question], sampler: Sampler) \
        -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for read in canvas.reads(model.tokenizer, questions, model.canvas, model.special.end_of_turn, model.special.pad):
        pinned = torch.tensor(read.ids)
        pinned[[slot.position for slot in read.slots]] = -1
        row = Row(prefix, replace(sampler, steps=1), noise_of(0, ids, "read", model.device), len(read.ids),
                  model.vocabulary, pinned)
        step(model, [row])
        logits = [row.raw[slot.position, list(slot.ids)].tolist() for slot in read.slots]
        found |= {answer.question: answer.value for answer in canvas.read_answers(read, logits)}
    return found


def _json_task(questions: list[Question]) -> str:
    lines = [f"{json.dumps(question.id)}: {question.ask} (one of {', '.join(canvas.labels(question))})"
             for question in questions]
    return "\n".join([canvas.ASK_FORM, *lines])


def _schema(questions: list[Question]) -> dict[str, object]:
    return {"type": "object", "required": [question.id for question in questions],
            "properties": {question.id: {"enum": list(canvas.labels(question))} for question in questions}}


def _json(model: DiffusionGemma, prefix: Prefix, ids: list[int], holder: Holder, sampler: Sampler,
          written: list[bytes | None]) -> dict[str, str]:
    text, state = b"", 0
    noise = noise_of(0, ids, "json", model.device)
    for number in range(FORM_CANVASES):
        room = (FORM_CANVASES - number - 1) * model.canvas
        row = Row(prefix, sampler, noise, model.canvas, model.vocabulary, hold=Hold(holder, state, room))
        while not row.finished:
            step(model, [row])
        settled, _, state = row.committed()
        text += b"".join(written[token] or b"" for token in settled)
        if state == holder.ended:
            break
        prefix = model.followed(prefix, settled)
    found: dict[str, str] = json.loads(text)
    return found


if __name__ == "__main__":
    main()
