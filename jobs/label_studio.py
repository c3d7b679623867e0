"""The review queue as tasks for Label Studio, and its annotations back.

A task is one answer: its page or frame with the evidence as boxes, what was asked, and the engine's answer as a
prediction that a person confirms or corrects. Pictures stand in the tasks as data URLs, which Label Studio shows
without any storage set up (https://github.com/HumanSignal/label-studio/issues/6086).
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from jobs.review_queue import CANNOT_TELL, Correction, Doubt, choices, type_text
from pipeline import storage, stores
from pipeline.evidence import picture_path
from pipeline.stores import StorageError
from schemas.job import JobError

CONFIG = """<View>
  <Header value="$asked"/>
  <Text name="why" value="$why"/>
  <Image name="page" value="$picture" zoomControl="true"/>
  <RectangleLabels name="evidence" toName="page"><Label value="evidence"/></RectangleLabels>
  <Header value="The right answer: one of these, or what you write; ? where you cannot tell either"/>
  <Choices name="choice" toName="why" choice="single" showInline="true" value="$choices"/>
  <TextArea name="text" toName="why" maxSubmissions="1" editable="true"/>
  <Header value="Note"/>
  <TextArea name="note" toName="why" maxSubmissions="1" editable="true"/>
</View>
"""
"""One labelling configuration for all questions: what there is to choose from comes with the task."""

TASKS_A_FILE = 200
"""Tasks of one file: with a page of 150 kB each some 40 MB, where Label Studio takes 250 at once."""


@dataclass(frozen=True)
class _Picture:
    """A JPEG or PNG as a data URL, its size in px, and the boxes on it."""

    url: str
    width: int
    height: int
    boxes: tuple[tuple[float, ...], ...] = ()


def write_tasks(output: str, doubts: Iterable[Doubt], folder: Path) -> int:
    """Write `config.xml` and `tasks-001.json` and so on to a folder; the number of tasks. Raises StorageError."""
    (folder / "config.xml").write_text(CONFIG, encoding="utf-8")
    rest, count = iter(doubts), 0
    for number, group in enumerate(iter(lambda: list(itertools.islice(rest, TASKS_A_FILE)), []), 1):
        tasks = [_task(output, doubt) for doubt in group]
        (folder / f"tasks-{number:03}.json").write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
        count += len(tasks)
    return count


def _task(output: str, doubt: Doubt) -> dict[str, Any]:
    row, first = doubt.row, (doubt.evidence or [{}])[0]
    picture = _picture(output, doubt) or _blank()
    named = (*choices(doubt.question), CANNOT_TELL)
    regions = [_region(picture, number, box) for number, box in enumerate(picture.boxes)]
    if row["value"] in named:
        regions.append(_said("choice", "choices", [row["value"]]))
    elif doubt.value is not None:
        regions.append(_said("text", "textarea", [doubt.value]))
    data = {**{name: row[name] for name in ("asset", "version", "question", "question_fingerprint", "severity",
                                            "confidence", "verdict")},
            "asked": doubt.question.ask, "type": type_text(doubt.question), "value": doubt.value, "why": doubt.why,
            "page": first.get("page"), "second": first.get("time_s"), "quote": first.get("quote"),
            "choices": [{"value": name} for name in named], "picture": picture.url}
    return {"data": data, "predictions": [{"model_version": row["engine"], "score": row["confidence"] or 0.0,
                                           "result": regions}]}


def _said(name: str, kind: str, said: list[str]) -> dict[str, Any]:
    key = "text" if kind == "textarea" else kind
    return {"id": name, "from_name": name, "to_name": "why", "type": kind, "value": {key: said}}


def _region(picture: _Picture, number: int, box: tuple[float, ...]) -> dict[str, Any]:
    """A box of 0..1 as a region in percent of the picture."""
    left, top, right, bottom = (100 * side for side in box)
    return {"id": f"evidence-{number}", "from_name": "evidence", "to_name": "page", "type": "rectanglelabels",
            "original_width": picture.width, "original_height": picture.height, "image_rotation": 0,
            "value": {"x": left, "y": top, "width": right - left, "height": bottom - top, "rotation": 0,
                      "rectanglelabels": ["evidence"]}}


def _picture(output: str, doubt: Doubt) -> _Picture | None:
    """The picture of the first piece of evidence that has one, with the boxes of all that stand there."""
    places = dict.fromkeys((item["page"], item["time_s"]) for item in doubt.evidence)
    for page, time_s in places:
        path = picture_path(doubt.row["asset"], doubt.row["version"], page, time_s)
        try:
            data = storage.read(stores.join(output, path))
        except StorageError as error:
            if error.category == "missing":
                continue
            raise
        boxes = (item["box"] for item in doubt.evidence if (item["page"], item["time_s"]) == (page, time_s))
        return _encoded(data, "jpeg", tuple(tuple(box) for box in boxes if box))
    return None


def _encoded(data: bytes, kind: str, boxes: tuple[tuple[float, ...], ...] = ()) -> _Picture:
    width, height = Image.open(io.BytesIO(data)).size
    return _Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", width, height, boxes)


@functools.cache
def _blank() -> _Picture:
    """What stands where no picture was kept: Label Studio takes no task without one."""
    image = Image.new("L", (320, 60), 235)
    ImageDraw.Draw(image).text((20, 22), "No picture of this answer was kept.", fill=90)
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return _encoded(sink.getvalue(), "png")


def read_annotations(path: Path) -> Iterator[Correction]:
    """The corrections of an export in Label Studio's JSON, of each task its newest annotation that was not cancelled.

    Tasks without any are left out. Raises JobError where the file is no such export.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
        for number, task in enumerate(tasks, 1):
            data = task["data"]
            done = [each for each in task.get("annotations", ()) if not each.get("was_cancelled")]
            if not done:
                continue
            newest = max(done, key=lambda each: str(each.get("updated_at") or each.get("created_at") or ""))
            said = {region["from_name"]: _content(region["value"]) for region in newest["result"]
                    if region.get("type") != "relation"}  # an arrow between two boxes, which says nothing here
            value = said.get("choice") or said.get("text")
            if value:
                yield Correction(f"task {task.get('id', number)}, {data['question']}", data["asset"], data["version"],
                                 data["question"], data["question_fingerprint"],
                                 None if value == CANNOT_TELL else value, said.get("note") or None, _who(newest))
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{path}: cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{path}: is no export of Label Studio in the format 'JSON' (not JSON-MIN) of what "
                       f"`canvass review` has written: {type(error).__name__}: {error}") from error


def _content(value: dict[str, Any]) -> str:
    """What a region says: the choice, or the text; nothing for a box."""
    said = value.get("choices") or value.get("text") or []
    return said.strip() if isinstance(said, str) else "\n".join(said).strip()


def _who(annotation: dict[str, Any]) -> str | None:
    """Who annotated: their address, or the number that an export gives instead."""
    by = annotation.get("completed_by")
    who = by.get("email") or by.get("id") if isinstance(by, dict) else by
    return None if who is None else str(who)
