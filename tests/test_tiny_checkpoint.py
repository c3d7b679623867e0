"""The whole pipeline on the tiny checkpoint: what it reads by the job is what it reads by hand, and forms are valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from pipelines import Runner, Tables
from rapidfuzz.distance import Levenshtein
from tiny_model import CHECKPOINT, as_form, corpus, model, page, paper, prompt, request

from model_actors import canvas
from model_actors.choosing import choose
from model_actors.denoising import noise_of
from model_actors.diffusion_gemma import patches_of
from model_actors.engine import Reply
from schemas.job import Job

PAGES = 96
ENGINE = {"kind": "transformers", "model": CHECKPOINT, "device": "cpu"}
ROOT = Path(__file__).resolve().parents[1]


def corpus_page(number: int) -> corpus.Page:
    return paper(number) if number % 2 else page(number)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """A job over held-out pages as PDFs, whose own text is not used: each asked what the checkpoint was taught."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "in").mkdir()
    for number in range(PAGES):
        corpus.save_pdf(corpus_page(number), folder / "in" / f"{number:03}.pdf")
    job = Job.model_validate({"name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True, "engine": ENGINE})
    run = Runner(choose(job).build())
    yield run(folder, page_text="none", grounding="none", engine=ENGINE, checklist=[
        question.model_dump() for question in (corpus.KIND, corpus.CURRENCY, corpus.PAID, corpus.URGENT)])
    run.close()


def number_of(row: dict[str, Any]) -> int:
    return int(Path(row["asset"]).stem)


def accuracy(written: dict[int, str]) -> float:
    true = {number: corpus_page(number).text for number in written}
    wrong = sum(Levenshtein.distance(text, true[number]) for number, text in written.items())
    return 1 - wrong / sum(map(len, true.values()))


def by_hand(number: int) -> str:
    """A page's text by transformers' own `generate`, from the noise that the engine draws for it."""
    ids, views = prompt(corpus_page(number))
    patches, places = patches_of(views[0].pixels[None])
    tokens = torch.tensor([ids])
    torch.manual_seed(noise_of(0, ids, "transcript", torch.device("cpu")).initial_seed())
    found = model().model.generate(
        tokens, pixel_values=torch.from_numpy(patches), image_position_ids=torch.from_numpy(places),
        mm_token_type_ids=(tokens == model().special.image).long(), max_new_tokens=8 * model().canvas,
        disable_compile=True)
    return str(model().tokenizer.decode(found.sequences[0, len(ids) :], skip_special_tokens=True)).strip()


def test_every_page_is_answered_and_none_failed(tables: Tables) -> None:
    assert tables["failures"] == []
    assert {row["status"] for row in tables["assets"]} == {"ok"}
    assert len(tables["transcripts"]) == PAGES


def test_what_is_read_has_the_probability_of_each_label_and_the_answer_is_the_likeliest(tables: Tables) -> None:
    kinds = [row for row in tables["answers"] if row["question"] == corpus.KIND.id and row["value"] is not None]
    assert len(kinds) == 2 * PAGES  # of the page, and of the asset
    for row in kinds:
        shares = {each["label"]: each["probability"] for each in row["probabilities"]}
        assert tuple(shares) == canvas.labels(corpus.KIND)
        assert sum(shares.values()) == pytest.approx(1)
        assert row["confidence"] == shares[row["value"]] == max(shares.values())


def test_transcripts_of_a_job_are_as_good_as_those_made_by_hand(tables: Tables) -> None:
    job = accuracy({number_of(row): row["text"] for row in tables["transcripts"]})
    hand = accuracy({number: by_hand(number) for number in range(PAGES)})
    assert job >= hand - 0.005


def test_labels_and_yes_or_no_are_right_nine_times_in_ten(tables: Tables) -> None:
    chosen = [row for row in tables["answers"] if row["level"] == "asset"]
    judged = [row["value"] == corpus_page(number_of(row)).answers[row["question"]] for row in chosen
              if row["question"] in corpus_page(number_of(row)).answers]
    assert len(judged) >= 100
    assert sum(judged) >= 0.9 * len(judged)


def test_a_thousand_forms_are_a_thousand_times_valid() -> None:
    """With two denoising steps alone, so that the model is often wrong: what is held to a schema is valid all the same.
    """
    spec = {**ENGINE, "sampler": {"steps": 2}, "canvases": 3}
    made = choose(Job.model_validate(
        {"name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True, "engine": spec})).build()
    asked = [request(paper(10_000 + number % 100), *corpus.FORMS[number % len(corpus.FORMS)], name=str(number))
             for number in range(1000)]

    async def all_of_them() -> list[Reply]:
        replies = await asyncio.gather(*(made.ask(each) for each in asked))
        await made.close()
        return replies

    for each, reply in zip(asked, asyncio.run(all_of_them()), strict=True):
        jsonschema.validate(as_form(each, reply), canvas.form_schema(each.questions))
