"""Measure a checkpoint on held-out pages: ``python -m infra.tiny_checkpoint.evaluate FOLDER [--pages 120]``.

Transcripts and forms are written by the model's own ``generate()``; reads are one denoising step on pinned canvases.
The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein
from transformers import AutoTokenizer, DiffusionGemmaForBlockDiffusion

from infra.tiny_checkpoint.build import CANVAS
from infra.tiny_checkpoint.corpus import HELD_OUT, UNSEEN_FONT, Page, clip, degraded, page
from infra.tiny_checkpoint.examples import patches
from infra.tiny_checkpoint.learning import encode
from model_actors import canvas, prompts
from model_actors.engine import Pixels, View
from schemas.checklist import Question


class Reader:
    """A checkpoint, asked page by page."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model: Any = DiffusionGemmaForBlockDiffusion.from_pretrained(
            folder, dtype=torch.float32, experts_implementation="grouped_mm").eval()
        self.special = prompts.special_tokens(self.tokenizer, self.model.config)

    def _inputs(self, views: Sequence[View], task: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ids = prompts.prompt_ids(self.tokenizer, self.special, "", views, task)
        cut = [patches(view.pixels) for view in views]
        return torch.tensor([ids]), torch.stack([one[0] for one in cut]), torch.stack([one[1] for one in cut])

    @torch.no_grad()
    def write(self, pixels: Pixels, task: str) -> str:
        """What the model writes freely."""
        ids, pixel_values, places = self._inputs([View(pixels, page=1)], task)
        out = self.model.generate(
            ids, pixel_values=pixel_values, image_position_ids=places,
            mm_token_type_ids=(ids == self.model.config.image_token_id).long(), max_new_tokens=4 * CANVAS)
        written = out.sequences[0, ids.shape[1] :].tolist()
        ends = [place for place, token in enumerate(written) if token in (1, self.special.end_of_turn)]
        return str(self.tokenizer.decode(written[: ends[0]] if ends else written, skip_special_tokens=True))

    @torch.no_grad()
    def read(self, views: Sequence[View], questions: Sequence[Question]) -> dict[str, str | None]:
        """The labels that one step from random slots gives."""
        found: dict[str, str | None] = {}
        for read in canvas.reads(self.tokenizer, questions, CANVAS, self.special.end_of_turn, self.special.pad):
            ids, pixel_values, places = self._inputs(views, read.task)
            cache, _ = encode(self.model, ids, pixel_values, places, torch.arange(len(views)))
            shown = torch.tensor([read.ids])
            for slot in read.slots:
                shown[0, slot.position] = torch.randint(self.model.config.text_config.vocab_size, ())
            logits = self.model(past_key_values=cache, decoder_input_ids=shown).logits[0]
            rows = [logits[slot.position, list(slot.ids)].tolist() for slot in read.slots]
            found |= {answer.question: answer.value for answer in canvas.read_answers(read, rows)}
        return found


def held_out(count: int, **held: Any) -> Iterator[Page]:
    """Pages of seeds that were never trained on; every fourth text is longer than one canvas."""
    seed = HELD_OUT + 1000
    for number in range(count):
        while True:
            made = page(seed, **held)
            seed += 1
            if (len(made.text) >= CANVAS) == (number % 4 == 3):
                break
        yield made


def agreement(pairs: Sequence[tuple[str, str]]) -> float:
    """Share of characters right: one less the edits over the true length, over all texts together, none below 0."""
    edits = sum(min(len(true), Levenshtein.distance(true, read)) for true, read in pairs)
    return round(1 - edits / max(1, sum(len(true) for true, _ in pairs)), 4)


def share(hits: Sequence[bool]) -> float:
    """Share of hits."""
    return round(sum(hits) / max(1, len(hits)), 4)


def parsed(text: str) -> Any:
    """The JSON of a text, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def transcripts(reader: Reader, pages: Sequence[Page], strength: float = 0.0) -> list[tuple[str, str]]:
    """True and read texts of pages."""
    return [(made.text, reader.write(degraded(made.pixels, strength, seed), prompts.TRANSCRIBE))
            for seed, made in enumerate(pages)]


def measure(reader: Reader, count: int) -> dict[str, Any]:
    """Every figure of a checkpoint."""
    pages, few = list(held_out(count)), max(8, count // 5)
    began = time.monotonic()
    pairs = transcripts(reader, pages)
    figures: dict[str, Any] = {
        "pages": count, "characters": agreement(pairs), "exact": share([true == read for true, read in pairs]),
        "seconds_per_transcript": round((time.monotonic() - began) / count, 3)}
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for made, pair in zip(pages, pairs, strict=True):
        groups[f"characters_{made.text.count(chr(10)) + 1}_lines"].append(pair)
        groups[f"characters_{'long' if len(made.text) >= CANVAS else 'one_canvas'}"].append(pair)
        groups[f"characters_{made.font}"].append(pair)
    figures |= {name: agreement(group) for name, group in sorted(groups.items())}
    right: dict[str, list[bool]] = defaultdict(list)
    papers = [made for made in held_out(count, fields=True) if made.questions]
    for made in papers:
        for name, value in reader.read([View(made.pixels, page=1)], made.questions).items():
            right[f"read_{name}"].append(value == made.answers[name])
    figures["reads"] = share([hit for hits in right.values() for hit in hits])
    figures |= {name: share(hits) for name, hits in right.items()}
    forms = [made for made in papers if made.form][: max(20, count // 2)]
    written = [parsed(reader.write(made.pixels, canvas.form_task(made.form_questions))) for made in forms]
    figures["forms"] = share([read == made.form for read, made in zip(written, forms, strict=True)])
    figures["forms_parsed"] = share([isinstance(read, dict) for read in written])
    figures["form_fields"] = share([
        isinstance(read, dict) and read.get(key, "") == value
        for read, made in zip(written, forms, strict=True) for key, value in (made.form or {}).items()])
    for strength in (0.25, 0.5, 1.0):
        figures[f"characters_degraded_{strength}"] = agreement(transcripts(reader, pages[:few], strength))
    figures["characters_unseen_font"] = agreement(transcripts(reader, list(held_out(few, font=UNSEEN_FONT))))
    wide = [page(HELD_OUT + number, budget=280, size=(200, 150), sizes=(9, 14)) for number in range(max(4, few // 3))]
    figures["characters_budget_280"] = agreement(transcripts(reader, wide))
    clips = [clip(HELD_OUT + number) for number in range(few)]
    figures["read_frames"] = share([reader.read(made.views, [made.question])[made.question.id] == made.answer
                                    for made in clips])
    return figures


def main() -> None:
    """Print figures, and the same as one JSON object on the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    random.seed(0)
    figures = measure(Reader(given.folder), given.pages)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
