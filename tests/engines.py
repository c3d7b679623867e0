"""Engines of the tests' own, to the engine contract: they answer nothing, refuse, or die as they are told."""

from __future__ import annotations

import os
from dataclasses import replace

from model_actors.budgets import BUDGETS
from model_actors.engine import Answer, EngineError, Limits, Reply, Request, RequestError, Usage

LIMITS = Limits(context=262_144, canvas=256, images=8, budgets=BUDGETS, pixels_per_em=11.0, text_in_prompt=True,
                seconds_per_image=0.5)


class Scripted:
    """Answers what the name of the asset says: `refuse` is refused, `invalid` gets a date that is none, `break` ends
    the engine, `kill` the whole process, `bug` is an exception that nobody foresaw; anything else gets no answer."""

    name = "scripted"
    busy = True

    def __init__(self, lead: int = 0) -> None:
        self.asked: list[Request] = []
        self._limits = replace(LIMITS, lead=lead)

    def limits(self) -> Limits:
        return self._limits

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        name = os.path.basename(request.asset.partition("@")[0])
        if "refuse" in name:
            raise RequestError("the prompt is not to my liking: shorten it")
        if name == "busy.pdf" and self.busy:
            raise RequestError("the server is busy", "server")
        if name == "busy at 12.pdf" and self.busy and request.views[0].page == 12:
            raise RequestError("the server is busy", "server")
        if "bug" in name:
            raise ZeroDivisionError("no frames to divide by")
        if "break" in name:
            raise EngineError("out of memory")
        if "kill" in name:
            os._exit(9)
        if "invalid" in name:
            return Reply(answers=tuple(Answer(question.id, "30 February") for question in request.questions))
        return Reply(answers=tuple(Answer(question.id, None, reason="nothing") for question in request.questions))

    async def close(self) -> None:
        pass


class Doubtful(Scripted):
    """Answers as Scripted does, or else `yes` to everything and never surely, for so many tokens each time."""

    WRITTEN = 7

    async def ask(self, request: Request) -> Reply:
        await super().ask(request)
        found = tuple(Answer(question.id, "yes", confidence=0.5, confidence_source="label_probability")
                      for question in request.questions)
        return Reply(answers=found, usage=Usage(input_tokens=100, output_tokens=self.WRITTEN))
