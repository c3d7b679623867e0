"""Arrows between the top folders point one way, files stay small, and heavy things stay behind their one module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "schemas": set(),
    "model_actors": {"schemas"},
    "pipeline": {"model_actors", "schemas"},
    "jobs": {"pipeline", "model_actors", "schemas"},
}
SOURCES = sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_folders_below_its_own(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(MAY_IMPORT) <= MAY_IMPORT[folder] | {folder}


def test_pymupdf_stays_behind_one_module() -> None:
    assert [path.name for path in SOURCES if "pymupdf" in imported(path)] == ["pages.py"]


def test_pyav_stays_behind_two_modules() -> None:
    assert {path.name for path in SOURCES if "av" in imported(path)} == {"decoding.py", "videos.py"}


def test_no_file_is_longer_than_400_lines() -> None:
    written = [path for folder in (*MAY_IMPORT, "tests", "infra") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in written if len(path.read_text("utf-8").splitlines()) > 400] == []


def test_the_command_line_starts_without_ray_torch_or_a_reader_library() -> None:
    heavy = "ray torch vllm pymupdf av cv2 duckdb rapidocr deltalake".split()
    code = f"import sys, jobs.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
