"""Whole jobs under real vLLM read as well as under transformers; what the stock worker reads is printed beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
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
        settings: dict[str, Any] = {"page_text": "none", "grounding": "none", "engine": engine, "context": 4096,
                                    "checklist": [question.model_dump() for question in QUESTIONS]}
        job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", **settings})
        run = Runner(choose(job).build())
        tables[name] = run(folder, **settings)
        run.close()
    return tables


def characters_and_lines(tables: Tables) -> list[tuple[float, float]]:
    """Of every page the shares of characters and of whole lines that its transcript has right."""
    shares = []
    for row in sorted(tables["transcripts"], key=lambda row: Path(row["asset"]).stem):
        true = made(int(Path(row["asset"]).stem)).text
        lines = true.split("\n")
        right = sum(mine == its for mine, its in zip(row["text"].split("\n"), lines, strict=False))
        shares.append((1 - Levenshtein.distance(row["text"], true) / len(true), right / len(lines)))
    return shares


def assert_not_worse(ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Ours are as good as theirs, page by page, but for what two draws of noise differ by.

    The engines draw different noise, so the mean of the differences counts only beyond three of its standard errors.
    """
    differences = [mine - its for mine, its in zip(ours, theirs, strict=True)]
    assert fmean(differences) >= -3 * stdev(differences) / len(differences) ** 0.5


def answers(tables: Tables) -> dict[tuple[str, str], Any]:
    return {(Path(row["asset"]).stem, row["question"]): row["value"] for row in tables["answers"]
            if row["level"] == "asset"}


def share_right(tables: Tables) -> float:
    """The share of labels that are right, of those that the page tells."""
    judged = [value == made(int(name)).answers[question] for (name, question), value in answers(tables).items()
              if question in made(int(name)).answers]
    assert len(judged) >= 25
    return sum(judged) / len(judged)


def forms_right(tables: Tables) -> list[bool]:
    """Whether each name and total is right, of those that the page was drawn to be asked for."""
    judged = []
    for (name, question), value in sorted(answers(tables).items()):
        true = (made(int(name)).form or {}).get(question, "")
        if question in ("name", "total") and true != "" and not isinstance(true, dict):
            judged.append(value == true if not isinstance(true, float) else value is not None and float(value) == true)
    assert len(judged) >= 15
    return judged


def test_every_page_is_answered_and_none_failed(found: dict[str, Tables]) -> None:
    for tables in found.values():
        assert tables["failures"] == []
        assert len(tables["transcripts"]) == PAGES
        assert {row["status"] for row in tables["assets"]} == {"ok"}


def test_our_worker_reads_as_well_as_transformers(found: dict[str, Tables]) -> None:
    shares = {name: characters_and_lines(tables) for name, tables in found.items()}
    for name, pages in shares.items():
        print(name, *(f"{fmean(share):.1%} of {what} right" for what, share in zip(
            ("characters", "lines"), zip(*pages, strict=True), strict=True)), sep=", ")
    for ours, theirs in zip(zip(*shares["vllm"], strict=True), zip(*shares["transformers"], strict=True), strict=True):
        assert_not_worse(ours, theirs)


def test_labels_are_those_of_the_transformers_engine(found: dict[str, Tables]) -> None:
    ours, theirs = ({key: value for key, value in answers(found[name]).items() if key[1] in LABELS}
                    for name in ("vllm", "transformers"))
    assert sum(ours[key] == theirs[key] for key in theirs) >= 0.99 * len(theirs)
    assert share_right(found["vllm"]) >= 0.9


def test_forms_are_as_often_right_as_those_of_the_transformers_engine(found: dict[str, Tables]) -> None:
    assert_not_worse(forms_right(found["vllm"]), forms_right(found["transformers"]))


def test_requests_tell_their_passes_steps_and_entropy(found: dict[str, Tables]) -> None:
    for row in found["vllm"]["requests"]:
        assert row["engine"] == "vllm"
        assert row["forwards"] > row["steps"] > 0
        assert row["mean_entropy"] > 0
        assert row["tokens_per_forward"] == pytest.approx(row["output_tokens"] / row["forwards"])
