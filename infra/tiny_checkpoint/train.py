"""Train the tiny checkpoint on the CPU, in stages: ``python -m infra.tiny_checkpoint.train OUT``.

``--start FOLDER --stages NAME,NAME`` goes on from saved weights; stopping at any time leaves the last saved ones.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing
from transformers import DiffusionGemmaForBlockDiffusion

from infra.tiny_checkpoint import build
from infra.tiny_checkpoint.aids import Aid, cells
from infra.tiny_checkpoint.corpus import BUDGET, FONTS, HELD_OUT, MORE_FONTS, SIZES, clip, degraded, page
from infra.tiny_checkpoint.examples import Batch, Example, Writer, batch_of
from infra.tiny_checkpoint.learning import encode, loss_of, optimizers
from model_actors.engine import Pixels

SAVE_EVERY = 150
WARM_UP = 20
AID_SHARE = 0.5

LARGE_BUDGET = 280
LARGE_FONT_SIZES = (9.0, 14.0)

Shape = tuple[tuple[float, float], tuple[int, int] | None]
"""The size of pages in points, and in px where a budget does not say it."""

STRIP: tuple[Shape, ...] = (((144, 24), (288, 48)),)
SHORT: tuple[Shape, ...] = (((150, 40), (336, 96)), ((144, 24), (288, 48)), ((120, 60), (288, 144)))
PAGES: tuple[Shape, ...] = tuple((size, None) for size in SIZES)


@dataclass(frozen=True)
class Stage:
    """A stretch of training: what is shown, what is asked, and learning rates at its start and end.

    `clips` and `large` are the shares of batches of clips and of pages at LARGE_BUDGET, `hard` that of pages degraded.
    """

    name: str
    steps: int
    batch: int
    shapes: tuple[Shape, ...]
    lines: int
    fonts: tuple[str, ...]
    sizes: tuple[float, float]
    questions: bool
    rates: tuple[float, float]
    clips: float = 0.0
    large: float = 0.0
    hard: float = 0.0


STAGES = (
    Stage("strips", 400, 32, STRIP, 1, ("helv",), (15, 18), False, (1.0, 1.0)),
    Stage("fonts", 300, 32, STRIP, 1, FONTS, (15, 18), False, (1.0, 1.0)),
    Stage("lines", 450, 20, SHORT, 3, FONTS, (15, 22), True, (1.0, 1.0)),
    Stage("pages", 650, 10, PAGES, 4, FONTS, (18, 28), True, (1.0, 0.7), clips=0.06),
    Stage("last", 1500, 10, PAGES, 4, FONTS, (18, 28), True, (0.7, 0.01), clips=0.06),
    Stage("polish", 420, 10, PAGES, 4, FONTS, (18, 28), True, (0.35, 0.01), clips=0.04),
    Stage("hard", 2950, 10, PAGES, 4, (*FONTS, *FONTS, *MORE_FONTS), (18, 28), True, (0.6, 0.4), clips=0.06,
          large=0.12, hard=0.5),
    Stage("end", 1500, 10, PAGES, 4, (*FONTS, *FONTS, *MORE_FONTS), (18, 28), True, (0.4, 0.01), clips=0.06,
          large=0.12, hard=0.5),
)


Told = list[tuple[torch.Tensor, torch.Tensor]]


def batches(stage: Stage, writer: Writer, first_seed: int, rng: random.Random) -> Iterator[tuple[Batch, Told]]:
    """Endless batches of a stage, each of one size of image, with what stands where in the images of its first rows."""
    vocabulary = writer.tokenizer.get_vocab()
    seed = first_seed
    while True:
        if rng.random() < stage.clips:
            clips = [clip(seed + number, most=8 if rng.random() < 0.1 else 4) for number in range(stage.batch // 2)]
            images: list[Pixels] = []
            examples: list[Example] = []
            for made in clips:
                examples.append(writer.clip_read(made, len(images), rng))
                images += [view.pixels for view in made.views]
            seed += stage.batch
            yield batch_of(examples, images, writer.special.pad), []
            continue
        size, pixels = rng.choice(stage.shapes)
        lines = None if stage.lines > 3 else rng.randint(1, stage.lines)
        large = rng.random() < stage.large
        pages = [page(seed + number, font=rng.choice(stage.fonts), size=size, pixels=pixels, lines=lines,
                      fields=None if stage.questions else rng.random() < 0.2,
                      budget=LARGE_BUDGET if large else BUDGET, sizes=LARGE_FONT_SIZES if large else stage.sizes)
                 for number in range(max(1, stage.batch // 3) if large else stage.batch)]
        pages = [replace(made_page, pixels=degraded(made_page.pixels, rng.random(), seed + number))
                 if rng.random() < stage.hard else made_page for number, made_page in enumerate(pages)]
        seed += stage.batch
        examples = [writer.transcript(made_page, number, rng) for number, made_page in enumerate(pages)]
        for number, made_page in enumerate(pages):
            if stage.questions and made_page.questions:
                examples.append(writer.page_read(made_page, number, rng))
            if stage.questions and made_page.form and rng.random() < 0.7:
                examples.append(writer.form(made_page, number, rng))
        told = [cells(made_page, vocabulary) for made_page in pages]
        yield batch_of(examples, [made_page.pixels for made_page in pages], writer.special.pad), told


@torch.no_grad()
def probe(model: Any, batch: Batch, writer: Writer) -> tuple[float, float]:
    """Share of characters and of letters right in one step from random canvases."""
    model.eval()
    cache, _ = encode(model, batch.ids, batch.pixels, batch.positions, batch.images)
    length, width = batch.ids.shape[1], batch.clean.shape[1]
    mask = torch.cat([torch.arange(length)[None] < batch.starts[:, None],
                      torch.arange(width)[None] < batch.widths[:, None]], dim=1)[:, None, None].expand(-1, 1, width, -1)
    noise = torch.randint(writer.vocabulary, batch.clean.shape)
    noise = torch.where(batch.pinned[:, None] & ~batch.open, batch.clean, noise)
    logits = model(
        past_key_values=cache, decoder_input_ids=noise,
        decoder_position_ids=batch.starts[:, None] + torch.arange(width)[None],
        decoder_attention_mask={"full_attention": mask, "sliding_attention": mask}).logits
    right = logits.argmax(-1) == batch.clean
    written = ~batch.pinned[:, None] & (batch.clean != writer.special.pad)
    model.train()
    return right[written].float().mean().item(), right[batch.open].float().mean().item()


class Trainer:
    """One process of a training; processes see pages of their own and share their gradients at every step."""

    def __init__(self, given: argparse.Namespace, rank: int) -> None:
        self.given, self.rank, self.began = given, rank, time.monotonic()
        self.tokenizer = build.tokenizer()
        self.config = build.configuration(self.tokenizer.get_vocab())
        self.model = build.model(self.config, given.seed)
        if given.start:
            loaded = DiffusionGemmaForBlockDiffusion.from_pretrained(given.start, dtype=torch.float32)
            self.model.load_state_dict(loaded.state_dict())
        self.model.train()
        self.writer = Writer(self.tokenizer, self.config)
        self.aid = Aid(self.model)
        if given.start and given.start.with_suffix(".aid").exists():
            self.aid.load_state_dict(torch.load(given.start.with_suffix(".aid")))
        self.steppers = [*optimizers(self.model), torch.optim.AdamW(self.aid.parameters(), lr=3e-3, weight_decay=0.0)]
        self.bases = [stepper.param_groups[0]["lr"] for stepper in self.steppers]
        torch.manual_seed(1000 * given.seed + rank)

    def learn(self, batch: Batch, told: Told) -> dict[str, float]:
        """The gradients of a batch, and its losses."""
        loss, parts = loss_of(self.model, batch)
        if told:
            helped = self.aid.loss(batch.ids == self.config.image_token_id, told)
            loss, parts["aid"] = loss + AID_SHARE * helped, helped.item()
        loss.backward()
        return parts

    def share(self, done: float) -> float:
        """Give every process the mean of all gradients; the mean of how far the stage is comes back."""
        if self.given.processes == 1:
            return done
        weights = [*self.model.parameters(), *self.aid.parameters()]
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        flat = torch.cat([*(grad.flatten() for grad in grads), torch.tensor([done])])
        distributed.all_reduce(flat)
        flat /= self.given.processes
        parts = flat[:-1].split([grad.numel() for grad in grads])
        for weight, part in zip(weights, parts, strict=True):
            weight.grad = part.view_as(weight)
        return float(flat[-1])

    def run(self, number: int, stage: Stage, minutes: float) -> None:
        """One stage, cut short after some minutes."""
        entered = time.monotonic()
        rng = random.Random(f"{self.given.seed} {stage.name} {self.rank}")
        stage = replace(stage, batch=max(1, stage.batch // self.given.processes))
        held, _ = next(batches(replace(stage, batch=24, clips=0.0), self.writer, HELD_OUT, random.Random(1)))
        seen: dict[str, float] = {}
        first_seed = self.given.seed * 50_000_000 + number * 5_000_000 + self.rank * 2_500_000
        done = 0.0
        for step, (batch, told) in enumerate(batches(stage, self.writer, first_seed, rng), 1):
            rate = stage.rates[0] + (stage.rates[1] - stage.rates[0]) * done
            for stepper, base in zip(self.steppers, self.bases, strict=True):
                stepper.param_groups[0]["lr"] = base * rate * min(1.0, step / WARM_UP)
            parts = self.learn(batch, told)
            done = self.share(min(1.0, max(step / stage.steps, (time.monotonic() - entered) / (60 * minutes))))
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            for stepper in self.steppers:
                stepper.step()
                stepper.zero_grad()
            for name, value in parts.items():
                seen[name] = value if name not in seen else 0.95 * seen[name] + 0.05 * value
            last = done > 0.9999
            if self.rank == 0 and step % 25 == 0:
                text = " ".join(f"{name} {value:.3f}" for name, value in seen.items())
                print(f"{stage.name} {step} {done:.3f} {time.monotonic() - self.began:.0f} s {text}", flush=True)
            if self.rank == 0 and (step % SAVE_EVERY == 0 or last):
                self.save(held)
            if last:
                break

    def save(self, held: Batch) -> None:
        """Measure and write the weights, in the place of those written before."""
        figures = probe(self.model, held, self.writer)
        print("one step from noise: characters {:.3f}, letters {:.3f}".format(*figures), flush=True)
        out = self.given.out
        build.save(self.model, self.tokenizer, out.with_suffix(".new"))
        shutil.rmtree(out, ignore_errors=True)
        out.with_suffix(".new").rename(out)
        torch.save(self.aid.state_dict(), out.with_suffix(".aid"))


def train(rank: int, given: argparse.Namespace) -> None:
    """What one process does."""
    torch.set_num_threads(1)
    if given.processes > 1:
        meeting = f"file://{given.out.absolute()}.meeting"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=given.processes)
    trainer = Trainer(given, rank)
    chosen = [(number, stage) for number, stage in enumerate(STAGES) if stage.name in given.stages.split(",")]
    planned = sum(stage.steps for _, stage in chosen)
    for number, stage in chosen:
        trainer.run(number, stage, given.minutes * stage.steps / planned)
    if given.processes > 1:
        distributed.destroy_process_group()


def main() -> None:
    """Train, printing progress and saving regularly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="a folder of weights to go on from")
    parser.add_argument("--stages", default=",".join(stage.name for stage in STAGES))
    parser.add_argument("--minutes", type=float, default=math.inf, help="cut stages short to fit, in proportion")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{given.out.absolute()}.meeting").unlink(missing_ok=True)
    if given.processes == 1:
        train(0, given)
    else:
        multiprocessing.spawn(train, (given,), nprocs=given.processes)


if __name__ == "__main__":
    main()
