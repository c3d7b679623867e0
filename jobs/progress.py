"""Shows a run while it goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from jobs.running import Progress

PLAIN_EVERY_SECONDS = 10.0


def line(progress: Progress, now: float) -> str:
    """One line: assets, shards, units a minute, time left, failures."""
    elapsed = max(now - progress.started, 1e-6)
    ended = progress.assets_done + progress.already_done
    share = progress.assets_done / (progress.assets - progress.already_done or 1) if ended < progress.assets else 1.0
    left = f"{_clock(elapsed / share - elapsed)} left" if 0 < share < 1 else "counting" if not share else "folded"
    return (f"{ended}/{progress.assets} objects committed · {progress.shards} shards · {progress.units} pages and "
            f"frames · {60 * progress.units / elapsed:.0f} a minute · {progress.failures} failures · "
            f"{_clock(elapsed)} · {left}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """A function that shows the progress of a run, for as long as the context lasts."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(Text(line(progress, time.monotonic())))
        return
    last = 0.0
    latest: Progress | None = None

    def plain(progress: Progress) -> None:
        nonlocal last, latest
        latest = progress
        if time.monotonic() - last >= PLAIN_EVERY_SECONDS:
            last, latest = time.monotonic(), None
            print(line(progress, last), file=sys.stderr, flush=True)

    yield plain
    if latest is not None:
        print(line(latest, time.monotonic()), file=sys.stderr, flush=True)
