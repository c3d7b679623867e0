"""A job over two documents, of whose answers some are doubtful and some fail a severe check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bad_inputs

from schemas.job import Job

CHECKLIST: list[dict[str, Any]] = [
    {"id": "due", "ask": "When is it due?", "answer": "date", "look_for": "Due date", "expect": "2026-05-03"},
    {"id": "notice", "ask": "How many days of notice?", "answer": "number", "look_for": "Notice period", "expect": "90",
     "severity": "high"},
    {"id": "total", "ask": "What is the total?", "answer": "money", "look_for": "Total value", "expect": "1.00 EUR",
     "severity": "high"},
    {"id": "kind", "ask": "What is it?", "answer": ["lease", "loan"], "look_for": "Kind of paper"},
    {"id": "paid", "ask": "Is it paid?", "answer": "yes/no", "severity": "low"},
]
PAGES = {"a.pdf": ["Due date: 3 May 2026", "Notice period: 60 days", "Total value: EUR 48,750.00",
                   "Kind of paper: loan"],
         "b.pdf": ["-2+3 is no formula", "Due date: 3 May 2026", "Notice period: 90 days", "Total value: EUR 1.00"]}


def job(folder: Path, checklist: list[dict[str, Any]] = CHECKLIST) -> Job:
    return Job.model_validate({"name": "test", "inputs": [str(folder / "in")], "output": str(folder / "out"),
                               "transcribe": True, "checklist": checklist})


def write_inputs(folder: Path) -> None:
    """Its documents, below a folder."""
    (folder / "in").mkdir()
    for name, lines in PAGES.items():
        bad_inputs._write_page(folder / "in" / name, bad_inputs._show(lines, 56, 770))
