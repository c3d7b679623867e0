"""The progress line."""

from __future__ import annotations

import pytest

from jobs.progress import line, shown
from jobs.running import Progress


def test_the_line_counts_what_is_committed_and_says_how_long_is_left() -> None:
    progress = Progress(assets=30, already_done=10, assets_done=5, shards=7, units=120, failures=2, started=1000.0)
    assert line(progress, 1060.0) == (
        "15/30 objects committed · 7 shards · 120 pages and frames · 120 a minute · 2 failures · 1:00 · 3:00 left")


def test_nothing_committed_yet_has_no_time_left() -> None:
    assert line(Progress(assets=3, already_done=0, started=0.0), 5.0).endswith("· 0:05 · counting")


def test_hours_are_shown_as_hours() -> None:
    progress = Progress(assets=2, already_done=0, assets_done=1, started=0.0)
    assert line(progress, 3700.0).endswith("· 1:01:40 · 1:01:40 left")


def test_a_run_with_nothing_to_do_counts_nothing() -> None:
    assert line(Progress(assets=3, already_done=3, started=0.0), 5.0).endswith("· 0:05 · folded")


def test_without_a_terminal_the_last_line_tells_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(assets=2, already_done=0)
    with shown() as show:
        show(progress)
        progress.assets_done = 2
        show(progress)
    assert [said.partition(" objects")[0] for said in capsys.readouterr().err.splitlines()] == ["0/2", "2/2"]
