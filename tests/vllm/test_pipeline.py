"""Whole jobs under real vLLM read as well as under transformers; what the stock worker reads is printed beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipelines import Runner, Tables
from rapidfuzz.distance import Levenshtein
from tiny_model import CHECKPOINT, corpus, page, paper

from model_actors.choosing import choose
from schemas.job import Job

PAGES = 48
LABELS = {"kind", "currency", "paid"}
QUESTIONS = (corpus.KIND, corpus.CURRENCY, corpus.PAID, corpus.NAME, corpus.TOTAL)
ENGINES: dict[str, dict[str, Any]] = {
    "vllm": {"kind": "vllm", "model": CHECKPOINT},
    "vllm, stock worker": {"kind": "vllm", "model": CHECKPOINT, "worker": "stock"},
    "transformers": {"kind": "transformers", "model": CHECKPOINT, "device": "cpu"}}


def made(number: int) -> corpus.Page:
    return paper(number) if number % 2 else page(number)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    """The tables of one job on each engine."""
    tables = {}
    for name, engine in ENGINES.items():
        folder = tmp_path_factory.mktemp("job")
        (folder / "in").mkdir()
        for number in range(PAGES):
            corpus.save_pdf(made(number), folder / "in" / f"{number:03}.pdf")
        settings: dict[str, Any] = {"page_text": "none", "engine": engine, "context": 4096,
                                    "checklist": [question.model_dump() for question in QUESTIONS]}
        job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", **settings})
        run = Runner(choose(job).build())
        tables[name] = run(folder, **settings)
        run.close()
    return tables


def characters_and_lines(tables: Tables) -> tuple[float, float]:
    """Shares of characters and of whole lines that transcripts have right."""
    wrong = length = right = lines = 0
    for row in tables["transcripts"]:
        true = made(int(Path(row["asset"]).stem)).text
        wrong += Levenshtein.distance(row["text"], true)
        length += len(true)
        right += sum(mine == its for mine, its in zip(row["text"].split("\n"), true.split("\n"), strict=False))
        lines += len(true.split("\n"))
    return 1 - wrong / length, right / lines


def answers(tables: Tables) -> dict[tuple[str, str], Any]:
    return {(Path(row["asset"]).stem, row["question"]): row["value"] for row in tables["answers"]
            if row["level"] == "asset"}


def share_right(tables: Tables) -> float:
    """The share of labels that are right, of those that the page tells."""
    judged = [value == made(int(name)).answers[question] for (name, question), value in answers(tables).items()
              if question in made(int(name)).answers]
    assert len(judged) >= 25
    return sum(judged) / len(judged)


def forms_right(tables: Tables) -> float:
    """The share of names and totals that are right, of those that the page was drawn to be asked for."""
    judged = []
    for (name, question), value in answers(tables).items():
        true = (made(int(name)).form or {}).get(question, "")
        if question in ("name", "total") and true != "" and not isinstance(true, dict):
            judged.append(value == true if not isinstance(true, float) else value is not None and float(value) == true)
    assert len(judged) >= 15
    return sum(judged) / len(judged)


def test_every_page_is_answered_and_none_failed(found: dict[str, Tables]) -> None:
    for tables in found.values():
        assert tables["failures"] == []
        assert len(tables["transcripts"]) == PAGES
        assert {row["status"] for row in tables["assets"]} == {"ok"}


def test_our_worker_reads_as_well_as_transformers(found: dict[str, Tables]) -> None:
    shares = {name: characters_and_lines(tables) for name, tables in found.items()}
    for name, (characters, lines) in shares.items():
        print(f"{name}: {characters:.1%} of characters and {lines:.1%} of lines right")
    assert shares["vllm"][0] >= shares["transformers"][0] - 0.02  # two draws of one engine's noise are a point apart
    assert shares["vllm"][1] >= shares["transformers"][1] - 0.05


def test_labels_are_those_of_the_transformers_engine(found: dict[str, Tables]) -> None:
    ours, theirs = ({key: value for key, value in answers(found[name]).items() if key[1] in LABELS}
                    for name in ("vllm", "transformers"))
    assert sum(ours[key] == theirs[key] for key in theirs) >= 0.99 * len(theirs)
    assert share_right(found["vllm"]) >= 0.9


def test_forms_are_as_often_right_as_those_of_the_transformers_engine(found: dict[str, Tables]) -> None:
    assert forms_right(found["vllm"]) >= forms_right(found["transformers"]) - 0.1


def test_requests_tell_their_passes_steps_and_entropy(found: dict[str, Tables]) -> None:
    for row in found["vllm"]["requests"]:
        assert row["engine"] == "vllm"
        assert row["forwards"] > row["steps"] > 0
        assert row["mean_entropy"] > 0
        assert row["tokens_per_forward"] == pytest.approx(row["output_tokens"] / row["forwards"])
