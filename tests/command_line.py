"""Runs commands as a user types them, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def canvass(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, run in a folder, and what it printed."""
    return subprocess.run([sys.executable, "-m", "jobs.cli", *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=180, check=False)


def query(folder: Path, sql: str) -> list[dict[str, object]]:
    """The rows that a query on the tables of a folder's job.yaml gives."""
    ended = canvass(folder, "sql", "job.yaml", sql, "--json")
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
