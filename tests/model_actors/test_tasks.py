"""What becomes of a model's replies: the times that it names are those of frames that it was shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import model

from model_actors.engine import Answer, Evidence, Request, View
from model_actors.tasks import Outcome, reply_of, tasks_of
from schemas.checklist import Question

PIXELS = np.zeros((48, 48, 3), np.uint8)
VIEWS = tuple(View(PIXELS, time_s=start, until_s=until) for start, until in ((60.0, 61.0), (61.0, 64.0), (66.0, 67.0)))
OPEN = Question.model_validate({"id": "open", "ask": "Is it open?", "answer": "event"})


def replied(*stretches: tuple[float, float], value: str = "yes") -> Answer:
    """What is made of stretches that a model names."""
    request = Request("r", "a@v", VIEWS, (OPEN,), False, "", 280)
    found = Answer("open", value, confidence=0.9, evidence=tuple(Evidence(time_s=a, end_s=b) for a, b in stretches))
    [answer] = reply_of(request, [Outcome((found,))]).answers
    return answer


@pytest.mark.parametrize(("named", "shown"), [
    ((60.0, 60.0), (60.0, 61.0)), ((60.0, 61.0), (60.0, 64.0)), ((62.0, 63.0), (61.0, 64.0)),
    ((0.0, 99.0), (60.0, 67.0)), ((64.5, 66.0), (66.0, 67.0))])
def test_a_stretch_is_that_of_the_frames_in_it(named: tuple[float, float], shown: tuple[float, float]) -> None:
    assert replied(named).evidence == (Evidence(time_s=shown[0], end_s=shown[1]),)


def test_times_that_no_frame_shows_are_not_believed() -> None:
    assert replied((5.0, 9.0), (66.0, 66.0)).evidence == (Evidence(time_s=66.0, end_s=67.0),)
    answer = replied((5.0, 9.0), (64.2, 65.0))
    assert (answer.value, answer.evidence, answer.confidence) == (None, (), 0.9)
    assert "times of which it was shown no frame" in (answer.reason or "")


def test_an_event_that_is_not_seen_stays_unseen() -> None:
    assert (replied(value="no").value, replied(value="no").evidence) == ("no", ())


def test_a_frame_of_the_window_before_is_shown_and_not_transcribed() -> None:
    views = (replace(VIEWS[0], leads=True), *VIEWS[1:])
    groups = tasks_of(Request("r", "a@v", views, (OPEN,), True, "", 280), model().tokenizer, model().special,
                      model().canvas)
    asked = [task for group in groups for task in group]
    assert [task.views for task in asked if task.read is not None] == [views]
    assert [task.views for task in asked if task.read is None] == [(VIEWS[1],), (VIEWS[2],)]
