"""The review queue as Label Studio's tasks, checked by its own library, and its annotations back."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from doubtful_job import job
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image

from jobs.label_studio import TASKS_A_FILE, read_annotations, write_tasks
from jobs.querying import connect
from jobs.review_queue import Correction, queue
from jobs.reviewing import import_reviews
from schemas.job import JobError


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    """The tasks of the queue, written below a folder."""
    (folder / "tasks").mkdir()
    assert write_tasks(job(folder).output, queue(job(folder)), folder / "tasks") == 5
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks" / "tasks-001.json").read_text("utf-8"))
    return tasks


def test_tasks_are_as_label_studio_has_them_with_boxes_in_percent_on_the_kept_page(audited: Path) -> None:
    tasks = tasks_of(audited)
    interface = LabelInterface((audited / "tasks" / "config.xml").read_text("utf-8"))
    interface.validate()
    for task in tasks:
        assert interface.validate_task({"data": task["data"]})
        assert [interface.validate_prediction(each, return_errors=True) for each in task["predictions"]] == [[]]
    (notice,) = (task for task in tasks if task["data"]["question"] == "notice")
    url = notice["data"]["picture"].removeprefix("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(url)))
    box, said = notice["predictions"][0]["result"]
    assert (box["original_width"], box["original_height"]) == picture.size
    assert said["value"] == {"text": ["60"]}
    (((left, top, right, bottom),),) = connect(str(audited / "out")).execute(
        "select evidence[1].box from answers where level = 'asset' and question = 'notice' and value = '60'").fetchall()
    value = box["value"]
    assert [value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"]] == pytest.approx(
        [100 * left, 100 * top, 100 * right, 100 * bottom])


def test_annotations_of_label_studio_come_back_as_corrections(audited: Path) -> None:
    tasks = tasks_of(audited)

    def done(task: dict[str, Any], at: str, *said: tuple[str, str, str], **entries: Any) -> dict[str, Any]:
        result = [region for region in task["predictions"][0]["result"] if region["from_name"] == "evidence"]
        result += [{"type": "relation", "from_id": "evidence-0", "to_id": "evidence-1", "direction": "right"}]
        result += [{"from_name": name, "to_name": "why", "type": kind, "value": {key: [text]}}
                   for name, key, text in said for kind in ("choices" if key == "choices" else "textarea",)]
        return {"result": result, "was_cancelled": False, "updated_at": at, "completed_by": {"email": "ada@x.org"},
                **entries}

    for number, task in enumerate(tasks, 1):
        name = f"{Path(task['data']['asset']).stem}_{task['data']['question']}"
        task |= {"id": number, "annotations": {
            "a_notice": [done(task, "2026-02-01", ("text", "text", "60"), ("note", "text", "as printed"))],
            "a_total": [done(task, "2026-02-02", ("text", "text", "1 EUR")),
                        done(task, "2026-02-01", ("text", "text", "2 EUR"))],
            "b_kind": [done(task, "2026-02-01", ("choice", "choices", "loan"), completed_by=7),
                       done(task, "2026-02-09", ("choice", "choices", "lease"), was_cancelled=True)],
            "a_paid": [done(task, "2026-02-01", ("choice", "choices", "?"))], "b_paid": []}[name]}
    path = audited / "export.json"
    path.write_text(json.dumps(tasks), "utf-8")
    assert [(each.place, each.asset[-5:], each.value, each.note, each.reviewer) for each in read_annotations(path)] == [
        ("task 1, notice", "a.pdf", "60", "as printed", "ada@x.org"),
        ("task 2, total", "a.pdf", "1 EUR", None, "ada@x.org"),
        ("task 3, kind", "b.pdf", "loan", None, "7"), ("task 4, paid", "a.pdf", None, None, "ada@x.org")]
    assert import_reviews(job(audited), path, None).reviews == 4
    assert connect(str(audited / "out")).execute(
        "select question, value, currency, reviewer, note from reviews order by 1").fetchall() == [
        ("kind", "loan", None, "7", None), ("notice", "60", None, "ada@x.org", "as printed"),
        ("paid", None, None, "ada@x.org", None), ("total", "1", "EUR", "ada@x.org", None)]


def test_many_tasks_are_cut_into_files_that_can_be_imported(audited: Path) -> None:
    (audited / "tasks").mkdir()
    one = next(queue(job(audited)))
    assert write_tasks(str(audited / "out"), [one] * (TASKS_A_FILE + 1), audited / "tasks") == TASKS_A_FILE + 1
    counts = {path.name: len(json.loads(path.read_text("utf-8"))) for path in (audited / "tasks").glob("*.json")}
    assert counts == {"tasks-001.json": TASKS_A_FILE, "tasks-002.json": 1}


NAMES = st.sampled_from(["data", "annotations", "result", "value", "from_name", "choices", "text", "asset", "choice"])
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(JSON)
def test_any_json_is_refused_or_holds_no_correction(data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.json"
        path.write_text(json.dumps(data), "utf-8")
        try:
            found: list[Correction] = list(read_annotations(path))
        except JobError:
            found = []
    assert found == []
