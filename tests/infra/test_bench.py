"""The benchmarks run, on their smallest inputs, and end in one JSON object of figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "infra" / "bench"


def figures(script: str, *options: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, BENCH / script, "--quick", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("script", "options", "names"), [
    ("throughput.py", (), {"ratio", "pipeline_ms_a_page", "loop_ms_a_page", "target"}),
    ("memory.py", ("--echo",), {"pdf_ratio", "video_ratio", "target"}),
    ("ocr.py", (), {"cost_ratio", "error_ratio", "cost_target"}),
    ("reads.py", (), {"ratio_without_prefill", "ratio_with_prefill", "read_accuracy", "json_accuracy", "target"}),
    ("batching.py", (), {"ratio", "stock_ratio", "target"}),
    ("sampler.py", (), {"settings", "texts"}),
    ("engines.py", (), {"transformers", "vllm"}),
    ("video.py", (), {"1 s, keyframes every 50", "bytes, index at the end", "slides missed"}),
    ("confidence.py", (), {"all_auroc", "all_wrong", "target"}),
    ("grounding.py", (), {"text_layer_digit_caught", "ocr_columns_caught", "ocr_cpu_ms_a_page"}),
    ("degraded.py", (), {"confidence_falls", "fax_clean", "video_rank_correlation"})])
def test_a_benchmark_gives_its_figures(script: str, options: tuple[str, ...], names: set[str]) -> None:
    assert names <= set(figures(script, *options))
