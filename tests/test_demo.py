"""The demo's corpus, against the truth that its makers wrote down."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pipelines import Runner, Tables

from schemas.job import load_job

DEMO = Path(__file__).parent.parent / "infra" / "demo"
TRUTH = Path(__file__).parent / "data" / "demo"


@pytest.fixture(scope="module")
def tables(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    job = load_job(DEMO / "audit.yaml").model_dump()
    settings = {name: job[name] for name in ("inputs", "transcribe", "checklist")}
    return run(tmp_path_factory.mktemp("demo"), **settings)


def of(tables: Tables, table: str, name: str) -> list[dict[str, Any]]:
    return [row for row in tables[table] if row["asset"].endswith("/" + name)]


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def recall(rows: list[dict[str, Any]], name: str) -> float:
    truth = words((TRUTH / name).read_text("utf-8"))
    read = words(" ".join(row["text"] for row in rows))
    return (truth & read).total() / truth.total()


@pytest.mark.parametrize(("document", "truth", "source", "least"), [
    ("supply-agreement.pdf", "supply-agreement.txt", "text_layer", 0.95),
    ("scanned-letter.pdf", "scanned-letter.txt", "ocr", 0.90),
    ("photographed-receipt.jpg", "photographed-receipt.txt", "ocr", 0.90),
])
def test_the_words_of_a_page_are_read(tables: Tables, document: str, truth: str, source: str, least: float) -> None:
    rows = of(tables, "transcripts", document)
    assert {row["source"] for row in rows} == {source}
    assert recall(rows, truth) >= least


def test_the_blocks_of_a_page_are_in_reading_order_and_its_headings_are_told(tables: Tables) -> None:
    first = min(of(tables, "transcripts", "supply-agreement.pdf"), key=lambda row: row["page"])
    orders = [block["order"] for block in first["blocks"]]
    assert orders == list(range(len(orders)))
    headings = [block["text"] for block in first["blocks"] if block["kind"] == "heading"]
    assert headings == ["SUPPLY AGREEMENT", "1. Background", "2. Term", "3. Delivery", "4. Inspection and rejection"]
    assert "Effective date:  1 June 2025" in first["text"]


def test_the_cells_of_a_ruled_table_are_told_apart(tables: Tables) -> None:
    second = next(row for row in of(tables, "transcripts", "supply-agreement.pdf") if row["page"] == 2)
    (table,) = [block for block in second["blocks"] if block["kind"] == "table"]
    assert {(cell["row"], cell["column"]) for cell in table["cells"]} == {(r, c) for r in range(7) for c in range(6)}


def test_every_text_on_screen_is_found_at_the_right_seconds(tables: Tables) -> None:
    rows = of(tables, "transcripts", "dock-camera.mp4")
    for item in json.loads((TRUTH / "dock-camera.json").read_text("utf-8")):
        seen = [row["time_s"] for row in rows if item["text"] in row["text"].replace("\n", " ")]
        assert seen == [float(t) for t in range(12) if item["first_s"] <= t < item["last_s"]], item["text"]


def test_the_event_has_the_seconds_of_its_banner(tables: Tables) -> None:
    (event,) = tables["events"]
    assert (event["question"], event["start_s"], event["end_s"]) == ("gate_open", 3.0, 8.0)


def test_answers_by_rule_are_right_and_the_rest_is_unsure(tables: Tables) -> None:
    given = {(Path(row["asset"]).name, row["question"]): (row["value"], row["verdict"]) for row in tables["answers"]
             if row["level"] == "asset" and row["status"] == "answered"}
    assert given == {
        ("supply-agreement.pdf", "total"): ("48750.00", None),
        ("supply-agreement.pdf", "effective_date"): ("2025-06-01", None),
        ("supply-agreement.pdf", "notice_days"): ("60", "fail"),
        ("photographed-receipt.jpg", "delivery_note_no"): ("DN-20581", None),
        ("photographed-receipt.jpg", "doc_type"): ("delivery note", None),
        ("dock-camera.mp4", "gate_open"): ("yes", None),
    }
    assert {row["confidence_source"] for row in tables["answers"] if row["status"] == "answered"} == {"rule", "ocr"}
    assert {row["verdict"] for row in tables["answers"] if row["question"] == "signed"} == {"unsure"}


def test_every_object_is_ok_and_seen_whole(tables: Tables) -> None:
    assert [(row["status"], row["coverage"]) for row in tables["assets"]] == [("ok", 1.0)] * 4
