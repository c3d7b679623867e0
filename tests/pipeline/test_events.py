"""Events at known times, found by a model that reads: placed within a sampling step, none doubled, none invented."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from pipelines import Runner, Tables
from tiny_model import CHECKPOINT, SIGN_PIXELS, corpus, sign

from model_actors.choosing import choose
from schemas.job import Job

av: Any = bad_inputs.av
STEP = 2.0
ENGINE = {"kind": "transformers", "model": CHECKPOINT, "device": "cpu"}
EVENT = {"id": "stop", "ask": corpus.STOP.ask, "answer": "event"}
SHOWN = {"seam": [(4.0, 8.0)], "twice": [(2.0, 4.0), (10.0, 14.0)], "ends": [(0.0, 2.0), (22.0, 24.0)], "still": []}
"""In each video, when it says STOP; windows are of three frames, six seconds, and the one before them. The still one
never changes.
"""

CONTEXT = 2300
"""Four frames at budget 280, and the prompt."""


def film(path: Path, stops: list[tuple[float, float]], is_still: bool) -> None:
    """24 seconds at five frames a second, with another word every two seconds, or the same for ever."""
    rng = random.Random(path.stem)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"g": "10", "crf": "12", "threads": "1"})
        (stream.width, stream.height), stream.pix_fmt = SIGN_PIXELS, "yuv420p"
        for index in range(120):
            second = index / 5
            if index == 0 or (not is_still and index % 10 == 0):
                says_stop = any(first <= second < last for first, last in stops)
                drawn = sign("STOP" if says_stop else rng.choice(("GO", "WAIT", "OPEN", *corpus.WORDS[:200])), rng)
            frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("events")
    (folder / "in").mkdir()
    for name, stops in SHOWN.items():
        film(folder / "in" / f"{name}.mp4", stops, name == "still")
    settings: dict[str, Any] = {"engine": ENGINE, "context": CONTEXT, "checklist": [EVENT], "transcribe": False,
                                "frames": {"every": STEP}}
    job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", **settings})
    run = Runner(choose(job).build())
    found = run(folder, **settings)
    run.close()
    return found


@pytest.mark.parametrize("name", SHOWN)
def test_events_are_found_when_they_happen_once_each_and_none_besides(tables: Tables, name: str) -> None:
    found = sorted((row["start_s"], row["end_s"]) for row in tables["events"] if Path(row["asset"]).stem == name)
    assert found == SHOWN[name]


def test_a_video_is_cut_into_windows_of_which_each_is_asked_once(tables: Tables) -> None:
    asked = sorted((Path(row["asset"]).stem, row["chunk_id"]) for row in tables["requests"])
    assert asked == sorted((name, chunk) for name in SHOWN
                           for chunk in ("t0-2", "t3-5", "t6-8", "t9-11"))


def test_an_event_names_how_sure_it_is_and_the_frames_that_show_it(tables: Tables) -> None:
    [event] = [row for row in tables["events"] if Path(row["asset"]).stem == "seam"]
    assert [(item["time_s"], item["end_s"]) for item in event["evidence"]] == [(4.0, 6.0), (6.0, 8.0)]
    assert all(item["score"] > 0.5 for item in event["evidence"])
    assert event["confidence_source"] == "label_probability"


def test_the_frames_of_evidence_are_kept(tables: Tables) -> None:
    [event] = [row for row in tables["events"] if Path(row["asset"]).stem == "seam"]
    kept = Path(event["asset"]).parents[1] / "out" / "evidence"
    assert {path.name for path in kept.glob("*/*.jpg")} >= {"4.000.jpg", "6.000.jpg", "22.000.jpg"}
