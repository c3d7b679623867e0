"""Accuracy against cost of transcripts as the sampler's steps and entropy bound change: prints the frontier.

Cost is denoising steps a text; accuracy is of characters, on held-out pages. A tiny checkpoint that settles in a step
or two says how the machinery behaves, not how the released model trades steps for quality.
"""

from __future__ import annotations

import argparse
import json

import tiny

STEPS = (1, 2, 4, 8, 16, 48)
BOUNDS = (0.01, 0.1, 1.0)


def main() -> None:
    """Sweep, print a row for each setting, mark those that no other beats in both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(tiny.CHECKPOINT))
    parser.add_argument("--quick", action="store_true", help="16 pages, two settings")
    options = parser.parse_args()
    pages = tiny.pages(16 if options.quick else 64)
    found = []
    for steps in STEPS[::4] if options.quick else STEPS:
        for bound in BOUNDS[1:2] if options.quick else BOUNDS:
            replies = tiny.transcribed(tiny.engine(options.checkpoint, sampler={
                "steps": steps, "entropy_bound": bound}), pages)
            accuracy = tiny.character_accuracy([reply.transcripts[0].text for reply in replies],
                                               [page.text for page in pages])
            cost = sum(reply.usage.steps or 0 for reply in replies) / len(replies)
            found.append({"steps": steps, "entropy_bound": bound, "accuracy": round(accuracy, 4),
                          "steps_a_text": round(cost, 2)})
    for each in found:
        better = [other for other in found if other["accuracy"] >= each["accuracy"]
                  and other["steps_a_text"] <= each["steps_a_text"]
                  and (other["accuracy"], other["steps_a_text"]) != (each["accuracy"], each["steps_a_text"])]
        each["frontier"] = not better
        print(f"at most {each['steps']:2} steps, bound {each['entropy_bound']:<4}: {each['accuracy']:.2%} right, "
              f"{each['steps_a_text']:5.1f} steps a text{'' if better else '  *'}", flush=True)
    print(json.dumps({"settings": found, "texts": len(pages)}, sort_keys=True))


if __name__ == "__main__":
    main()
