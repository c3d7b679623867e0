"""Lets the tests of reports write output tables as the benchmark of reports does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "infra" / "bench"))
