"""Whether confidence tells right answers from wrong ones: AUROC and a reliability table on pages that are hard to read.

Held-out papers are blurred, faded and made noisy by degrees, or set in a font that was never trained on, and asked
their questions, read and formed, by the engine as a job would. AUROC is the chance that a right answer is surer than a
wrong one (Mann and Whitney, 1947; ties count half).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from dataclasses import dataclass

import numpy as np
import tiny

from model_actors.engine import Engine, Reply, Request, View

TARGET = 0.9
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
BINS = (0.0, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Judged:
    """One answer: how sure, right or not, and whether it was read or formed."""

    confidence: float
    right: bool
    way: str


def main() -> None:
    """Ask, judge, print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(tiny.CHECKPOINT))
    parser.add_argument("--quick", action="store_true", help="20 pages")
    options = parser.parse_args()
    found = asyncio.run(_ask(tiny.engine(options.checkpoint), 20 if options.quick else 600))
    figures: dict[str, object] = {"target": TARGET, "answers": len(found)}
    for way in ("all", "label_probability", "min_word_probability"):
        some = [each for each in found if way in ("all", each.way)]
        wrong = sum(not each.right for each in some)
        figures |= {f"{way}_auroc": round(auroc(some), 4), f"{way}_wrong": wrong, f"{way}_answers": len(some)}
    print("confidence     answers  mean   right")
    for low, high in itertools.pairwise(BINS):
        inside = [each for each in found if low <= each.confidence < high or each.confidence == high == 1.0]
        if inside:
            print(f"{low:4.2f} to {high:4.2f}   {len(inside):6}   {np.mean([each.confidence for each in inside]):.3f}  "
                  f"{np.mean([each.right for each in inside]):.3f}")
    print(f"AUROC {figures['all_auroc']} (target: at least {TARGET}) with {figures['all_wrong']} wrong answers")
    print(json.dumps(figures, sort_keys=True))


async def _ask(engine: Engine, count: int) -> list[Judged]:
    pages = [tiny.corpus.page(tiny.corpus.HELD_OUT + 2_000_000 + number, fields=True,
                              font=tiny.corpus.UNSEEN_FONT if number % 6 == 5 else None) for number in range(count)]
    requests = []
    for number, page in enumerate(pages):
        unseen = number % 6 == 5
        pixels = page.pixels if unseen else tiny.corpus.degraded(page.pixels, STRENGTHS[number % 6], number)
        requests.append(Request(str(number), f"{number}@1", (View(pixels, page=1),),
                                (*page.questions, *page.form_questions), False, "", tiny.corpus.BUDGET))
    replies = await asyncio.gather(*(engine.ask(request) for request in requests))
    await engine.close()
    return [each for page, reply in zip(pages, replies, strict=True) for each in _judged(page, reply)]


def _judged(page: tiny.corpus.Page, reply: Reply) -> list[Judged]:
    found = []
    for answer in reply.answers:
        true = page.answers[answer.question] if answer.question in page.answers else _written(
            (page.form or {})[answer.question])
        said = f"{answer.value} {answer.currency}" if answer.currency else answer.value
        found.append(Judged(answer.confidence or 0.0, said == true, answer.confidence_source or ""))
    return found


def _written(value: object) -> str | None:
    """A form's value as an answer writes it."""
    if isinstance(value, dict):
        return f"{json.dumps(value['amount'])} {value['currency']}"
    return value if isinstance(value, str) or value is None else json.dumps(value)


def auroc(found: list[Judged]) -> float:
    """The chance that a right answer is surer than a wrong one; NaN where there are none of either."""
    right = np.array([each.confidence for each in found if each.right])
    wrong = np.array([each.confidence for each in found if not each.right])
    if not len(right) or not len(wrong):
        return float("nan")
    surer = (right[:, None] > wrong[None]).mean() + (right[:, None] == wrong[None]).mean() / 2
    return float(surer)


if __name__ == "__main__":
    main()
