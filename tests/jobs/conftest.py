"""What tests of reviews share: a finished job with doubtful answers, and copies of its output."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from doubtful_job import CHECKLIST, write_inputs
from pipelines import Runner


@pytest.fixture(scope="session")
def doubtful(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished job over two documents."""
    folder = tmp_path_factory.mktemp("doubtful")
    write_inputs(folder)
    run(folder, checklist=CHECKLIST)
    return folder


@pytest.fixture
def audited(doubtful: Path, tmp_path: Path) -> Path:
    """A folder with a copy of its output, the documents themselves being out of reach."""
    shutil.copytree(doubtful / "out", tmp_path / "out")
    return tmp_path
