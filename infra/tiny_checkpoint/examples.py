"""Training examples: prompts and canvases of a page's tasks, made by the functions that the engines use."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from infra.tiny_checkpoint.build import CANVAS
from infra.tiny_checkpoint.corpus import READS, Clip, Page
from model_actors import canvas, prompts
from model_actors.diffusion_gemma import patches_of
from model_actors.engine import Pixels, View
from schemas.checklist import Question

INSTRUCTIONS = "You audit pages."


@dataclass(frozen=True)
class Example:
    """One prompt over an image or several, and one canvas of its answer.

    `target` is the whole answer, `start` where in it the canvas begins, `clean` the canvas' true ids, and `slots` its
    positions that a read leaves open (empty where nothing is pinned). `images` indexes the batch's images.
    """

    prompt: list[int]
    target: list[int]
    start: int
    clean: list[int]
    slots: tuple[int, ...]
    images: tuple[int, ...]


class Writer:
    """Writes examples with one tokenizer and configuration."""

    def __init__(self, tokenizer: Any, config: Any) -> None:
        self.tokenizer = tokenizer
        self.special = prompts.special_tokens(tokenizer, config)
        self.vocabulary = config.text_config.vocab_size

    def prompt(self, views: Sequence[View], task: str, rng: random.Random) -> list[int]:
        """A prompt, now and then with instructions."""
        instructions = INSTRUCTIONS if rng.random() < 0.1 else ""
        return prompts.prompt_ids(self.tokenizer, self.special, instructions, views, task)

    def free(self, views: Sequence[View], task: str, text: str, images: tuple[int, ...], rng: random.Random) -> Example:
        """A text written freely: one of its canvases by lot, the first of them more often."""
        target = [*self.tokenizer.encode(text, add_special_tokens=False), self.special.end_of_turn]
        canvases = -(-len(target) // CANVAS)
        start = CANVAS * (rng.randrange(canvases) if rng.random() < 0.7 else 0)
        clean = target[start : start + CANVAS]
        clean += [self.special.pad] * (CANVAS - len(clean))
        return Example(self.prompt(views, task, rng), target, start, clean, (), images)

    def transcript(self, page: Page, image: int, rng: random.Random) -> Example:
        """The transcript of a page."""
        return self.free([View(page.pixels, page=1)], prompts.TRANSCRIBE, page.text, (image,), rng)

    def form(self, page: Page, image: int, rng: random.Random) -> Example:
        """The form of a page."""
        task = canvas.form_task(page.form_questions)
        return self.free([View(page.pixels, page=1)], task, page.form_text, (image,), rng)

    def read(self, views: Sequence[View], questions: Sequence[Question], answers: dict[str, str],
             images: tuple[int, ...], rng: random.Random) -> Example:
        """The first canvas of a read with the true letters at its slots."""
        read = canvas.reads(self.tokenizer, questions, CANVAS, self.special.end_of_turn, self.special.pad)[0]
        clean = list(read.ids)
        for slot in read.slots:
            clean[slot.position] = slot.ids[canvas.labels(slot.question).index(answers[slot.question.id])]
        slots = tuple(slot.position for slot in read.slots)
        return Example(self.prompt(views, canvas.read_task(questions), rng), clean, 0, clean, slots, images)

    def page_read(self, page: Page, image: int, rng: random.Random) -> Example:
        """A read of a page's questions: all of them, or some, in the order of the corpus."""
        questions = list(page.questions)
        if rng.random() < 0.4:
            questions = rng.sample(questions, rng.randint(1, len(questions)))
            questions.sort(key=READS.index)
        return self.read([View(page.pixels, page=1)], questions, page.answers, (image,), rng)

    def clip_read(self, clip: Clip, first: int, rng: random.Random) -> Example:
        """The read of a clip's question."""
        images = tuple(range(first, first + len(clip.views)))
        return self.read(clip.views, [clip.question], {clip.question.id: clip.answer}, images, rng)


def patches(pixels: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
    """An image as the processor gives it: patches in 0..1 and their positions (x, y)."""
    cut, places = patches_of(pixels[None])
    return torch.from_numpy(cut[0]), torch.from_numpy(places[0])


@dataclass(frozen=True)
class Batch:
    """Examples as tensors: sequences padded at their ends, canvases at theirs; images all of one size."""

    ids: torch.Tensor
    lengths: torch.Tensor
    starts: torch.Tensor
    clean: torch.Tensor
    widths: torch.Tensor
    open: torch.Tensor
    pinned: torch.Tensor
    pixels: torch.Tensor
    positions: torch.Tensor
    images: torch.Tensor


def batch_of(examples: Sequence[Example], images: Sequence[Pixels], pad: int) -> Batch:
    """A batch of examples over these images."""
    rows = [example.prompt + example.target for example in examples]
    longest, widest = max(map(len, rows)), max(len(example.clean) for example in examples)
    ids, clean = (torch.full((len(rows), width), pad) for width in (longest, widest))
    opened = torch.zeros((len(rows), widest), dtype=torch.bool)
    for number, (row, example) in enumerate(zip(rows, examples, strict=True)):
        ids[number, : len(row)] = torch.tensor(row)
        clean[number, : len(example.clean)] = torch.tensor(example.clean)
        opened[number, list(example.slots)] = True
    cut = [patches(image) for image in images]
    shown = torch.tensor([index for example in examples for index in example.images])
    return Batch(
        ids, torch.tensor([len(example.prompt) for example in examples]),
        torch.tensor([len(example.prompt) + example.start for example in examples]), clean,
        torch.tensor([len(example.clean) for example in examples]), opened,
        torch.tensor([bool(example.slots) for example in examples]), torch.stack([one[0] for one in cut]),
        torch.stack([one[1] for one in cut]), shown)
