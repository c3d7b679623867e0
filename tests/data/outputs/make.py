"""Makes an output of this schema version, as `tests/test_past_outputs.py` will read it for good. Run once a version.

    python tests/data/outputs/make.py tests/data/outputs/v1

The inputs lie at an address that says nothing about a machine; the output is what a run, a retry that passes, a changed
question, a vanished object, a compaction and a review leave.
"""

from __future__ import annotations

import datetime
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from jobs.running import prepare  # noqa: E402
from pipeline.tables import dataset  # noqa: E402
from schemas.job import Job  # noqa: E402

INPUTS = Path("/srv/canvass-example")

FIRST = {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": ["Due date"], "expect": "2026-05-03"}
LATER = {**FIRST, "ask": "By when is it due?"}
KIND = {"id": "kind", "ask": "What is it?", "answer": ["letter", "invoice"], "severity": "high"}
OPEN = {"id": "open", "ask": "When is gate 4 open?", "answer": "event", "look_for": ["GATE 4 OPEN"]}


def review(job: Job) -> None:
    """Let a person confirm when the scan is due."""
    with prepare(job) as prepared:
        assets = dataset(job.output, "assets").to_table().to_pylist()
        [scan] = [row for row in assets if row["asset"].endswith("scan.png")]
        assert prepared.folder is not None
        prepared.folder.review([{
            **{name: scan[name] for name in ("asset", "version", "fingerprint", "run_id")}, "question": "due",
            "question_fingerprint": prepared.setting.names.questions["due"], "value": "2026-05-03",
            "note": "as printed", "engine_value": "2026-05-03", "engine_confidence": 0.7, "engine_verdict": "pass"}])


def main() -> None:
    """Build the inputs, run the job three times, and keep the output."""
    import bad_inputs
    from pipelines import Runner

    from model_actors.embedded_engine import EmbeddedEngine
    from pipeline.compacting import compact
    from pipeline.tables import append

    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(INPUTS, ignore_errors=True)
    (INPUTS / "in").mkdir(parents=True)
    bad_inputs.text_pdf(INPUTS / "in" / "two pages.pdf", 2)
    bad_inputs.text_image(INPUTS / "in" / "scan.png", ["Due date: 3 May 2026"], (700, 280))
    bad_inputs.text_image(INPUTS / "in" / "gone.png", ["Letter", "Dear Sir"], (700, 280))
    bad_inputs.wrong_content(INPUTS / "in" / "page.pdf")
    shutil.copy(ROOT / "infra" / "demo" / "corpus" / "dock-camera.mp4", INPUTS / "in" / "dock-camera.mp4")
    run = Runner(EmbeddedEngine())
    try:
        run(INPUTS, checklist=[FIRST, KIND, OPEN])
        (INPUTS / "in" / "gone.png").unlink()
        run(INPUTS, checklist=[LATER, KIND, OPEN])
        compact(str(INPUTS / "out"), keep_hours=0)
        bad_inputs.text_image(INPUTS / "in" / "later.png", ["Due date: 4 May 2026"], (700, 280))
        run(INPUTS, checklist=[LATER, KIND, OPEN])
    finally:
        run.close()
    review(Job.model_validate({"name": "example", "inputs": [str(INPUTS / "in")], "output": str(INPUTS / "out"),
                               "transcribe": True, "checklist": [LATER, KIND, OPEN]}))
    now = datetime.datetime.now(datetime.UTC)
    append(str(INPUTS / "out"), "runs", [{
        "run_id": "r", "job": "example", "status": "finished", "started_at": now, "finished_at": now,
        "fingerprint": "f", "questions": "{}", "versions": "{}", "assets": 1, "shards": 1, "failures": 0}], "r")
    shutil.copytree(INPUTS / "out", target, ignore=shutil.ignore_patterns("_lease.json"))
    shutil.rmtree(INPUTS)


if __name__ == "__main__":
    main()
