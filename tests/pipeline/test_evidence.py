"""Pictures of evidence: the frames that were shown, kept once, under a name that the tables lead to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import bad_inputs
import numpy as np
import pytest
from PIL import Image
from pipelines import Runner

from model_actors.engine import Evidence, View
from pipeline.evidence import keep_pictures, picture_path
from pipeline.storage import list_prefix

VIEWS = [View(np.full((48, 96, 3), 10 * number, np.uint8), time_s=float(number), until_s=number + 1.0)
         for number in (0, 1, 2, 3, 5)]


def kept(folder: Path, *evidence: Evidence, value: str | None = "yes") -> dict[float, int]:
    """The pictures kept of an answer: their seconds, and how light they are."""
    row = {"level": "chunk", "page": None, "value": value, "verdict": None,
           "evidence": [asdict(each) for each in evidence]}
    keep_pictures(str(folder), "/a.mp4", "v", VIEWS, [row])
    return {float(Path(item.uri).stem): round(float(np.asarray(Image.open(item.uri)).mean()))
            for item in list_prefix(f"{folder}/")}


def test_the_first_the_surest_and_the_last_frame_are_kept(tmp_path: Path) -> None:
    seen = [Evidence(time_s=float(at), score=score) for at, score in ((3, 0.1), (0, 0.2), (1, 0.3), (2, 0.9))]
    assert kept(tmp_path, *seen) == {0: 0, 2: 20, 3: 30}


def test_a_time_that_no_frame_covers_gets_the_next_one(tmp_path: Path) -> None:
    assert kept(tmp_path, Evidence(time_s=1.5), Evidence(time_s=4.5)) == {1.5: 10, 4.5: 50}


def test_a_time_after_every_frame_has_no_picture(tmp_path: Path) -> None:
    assert kept(tmp_path, Evidence(time_s=9.0)) == {}


def test_an_abstention_keeps_no_frame(tmp_path: Path) -> None:
    assert kept(tmp_path, Evidence(time_s=1.0), value=None) == {}


@pytest.mark.parametrize(("level", "verdict", "pages"), [
    ("chunk", None, [2]), ("chunk", "pass", [2]), ("chunk", "fail", [2, 3, 4]), ("chunk", "unsure", [2, 3, 4]),
    ("page", None, []), ("page", "pass", []), ("page", "fail", [3]), ("page", "unsure", [3])])
def test_pages_are_kept_of_what_a_check_fails_or_doubts_and_the_best_of_others(
        tmp_path: Path, level: str, verdict: str | None, pages: list[int]) -> None:
    evidence = [asdict(Evidence(page=page, score=1 / page)) for page in (5, 4, 3, 2)]
    views = [View(np.full((48, 96, 3), 10 * page, np.uint8), page=page) for page in range(1, 7)]
    keep_pictures(str(tmp_path), "/a.pdf", "v", views, [
        {"level": level, "page": 3, "value": "yes", "verdict": verdict, "evidence": evidence}])
    found = {item.uri: round(float(np.asarray(Image.open(item.uri)).mean())) for item in list_prefix(f"{tmp_path}/")}
    assert found == {str(tmp_path / picture_path("/a.pdf", "v", page, None)): 10 * page for page in pages}


def test_every_event_of_a_job_has_its_pictures(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.video(tmp_path / "in" / "gate.mp4", 8, 5, (640, 360), draw=lambda seconds: np.asarray(
        bad_inputs._picture(["Gate 4 open" if 3 <= seconds < 6 else "nothing", f"Car {int(seconds) // 4}"], (640, 360),
                            48)))
    tables = run(tmp_path, checklist=[{"id": "gate", "ask": "Is the gate open?", "answer": "event",
                                       "look_for": "Gate 4 open"}])
    [event] = tables["events"]
    assert (event["start_s"], event["end_s"]) == (3, 6)
    for item in event["evidence"]:
        picture = Image.open(tmp_path / "out" / picture_path(event["asset"], event["version"], None, item["time_s"]))
        assert (picture.format, picture.size) == ("JPEG", (1056, 576))
