"""Outputs: of this schema version, and of the engine that their results were accepted of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import claiming
from pipeline.fingerprints import Fingerprints
from pipeline.stores import StorageError

NAMES = Fingerprints("engine-1", "settings", {}, {}, {}, "judged", "tried")
LATER = replace(NAMES, engine="engine-2")


def test_an_output_is_claimed_again_and_again(tmp_path: Path) -> None:
    claiming.claim(str(tmp_path))
    claiming.claim(str(tmp_path))


def test_an_output_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / claiming.MARKER).write_text('{"schema_version": 99}')
    with pytest.raises(StorageError, match="schema version 99"):
        claiming.claim(str(tmp_path))


def test_results_go_by_the_engine_they_were_accepted_of_until_another_is(tmp_path: Path) -> None:
    output = str(tmp_path)
    assert claiming.accepted(output, NAMES) is NAMES
    claiming.accept(output, NAMES)
    assert claiming.accepted(output, LATER).engine == "engine-1"
    claiming.accept(output, LATER)
    assert claiming.accepted(output, LATER).engine == "engine-2"
    assert claiming.accepted(output, NAMES).engine == "engine-2"
    claiming.accept(output, LATER)
    assert len(list((tmp_path / claiming.ENGINES).iterdir())) == 2


def test_what_another_job_file_says_is_accepted_by_itself(tmp_path: Path) -> None:
    claiming.accept(str(tmp_path), NAMES)
    other = replace(LATER, settings="other")
    assert claiming.accepted(str(tmp_path), other) is other
