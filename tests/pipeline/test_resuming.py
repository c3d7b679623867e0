"""What a second run asks: exactly what is new, changed, asked otherwise or to be tried again, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from engines import LIMITS, Scripted
from pipelines import Runner, Tables

from jobs.running import DEFAULT, Wish, prepare
from model_actors.choosing import EngineChoice
from pipeline import probing, storage
from pipeline.resuming import Listing
from pipeline.storage import StoredObject
from pipeline.stores import StorageError
from pipeline.units import UnreadableError
from schemas.job import Job

Q = {"id": "q", "ask": "When?", "answer": "date"}
R = {"id": "r", "ask": "Who?", "answer": "text"}
ALL = {"checklist": [Q, R]}
PAGES = {"id": "page", "ask": "Which page?", "answer": "number", "scope": "page"}

Asked = list[tuple[str, tuple[str, ...], bool]]


class Asker:
    """Runs a job again and again, and tells what each run asked: of which file, which questions, and its transcript."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._engine = folder, Scripted()
        self._runner = Runner(self._engine)
        (folder / "in").mkdir()

    def __call__(self, wish: Wish = DEFAULT, **settings: Any) -> tuple[Asked, Tables]:
        """What one run asked, and what the tables hold then."""
        self._engine.asked.clear()
        tables = self._runner(self.folder, wish, **settings)
        return sorted((request.asset.partition("@")[0].rpartition("/")[2],
                       tuple(question.id for question in request.questions), request.transcribe)
                      for request in self._engine.asked), tables

    def write(self, name: str, pages: int = 1, words: int = 3) -> Path:
        """Put a document of some pages among the inputs."""
        path = self.folder / "in" / name
        bad_inputs.text_pdf(path, pages, words)
        return path

    def close(self) -> None:
        """End the engine and its helpers."""
        self._runner.close()


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asker]:
    asker = Asker(tmp_path)
    yield asker
    asker.close()


def state(tables: Tables) -> dict[str, list[Any]]:
    """All that tables say of assets but when and how it was cut into requests."""
    passing = {"run_id", "shard_id", "shards", "rounds", "finished_at", "render_seconds", "ask_seconds", "stamp",
               "missing_since", "chunk_id"}
    return {name: sorted(repr({key: value for key, value in row.items() if key not in passing}) for row in rows)
            for name, rows in tables.items() if name not in ("shards", "requests")}


@pytest.fixture
def from_scratch(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, list[Any]]]:
    def run(asker: Asker, **settings: Any) -> dict[str, list[Any]]:
        """What a run of these settings makes of the same inputs in an empty output."""
        runner = Runner(Scripted())
        try:
            output = tmp_path_factory.mktemp("scratch")
            return state(runner(output, inputs=[str(asker.folder / "in")], **settings))
        finally:
            runner.close()
    return run


def test_nothing_is_asked_twice(ask: Asker) -> None:
    ask.write("a.pdf")
    ask.write("b.pdf", 2)
    assert ask(**ALL)[0] == [("a.pdf", ("q", "r"), True), ("b.pdf", (), True), ("b.pdf", (), True),
                             ("b.pdf", ("q", "r"), False)]
    assert ask(**ALL)[0] == []


def test_an_object_that_two_inputs_name_is_asked_once(ask: Asker) -> None:
    path = ask.write("a.pdf")
    assert ask(**ALL, inputs=[str(path.parent), str(path), f"{path.parent}/*.pdf"])[0] == [("a.pdf", ("q", "r"), True)]


def test_an_added_object_is_asked_alone(ask: Asker) -> None:
    ask.write("a.pdf")
    ask(**ALL)
    ask.write("b.pdf")
    assert ask(**ALL)[0] == [("b.pdf", ("q", "r"), True)]


def test_a_changed_object_is_asked_alone_and_its_old_rows_give_way(
        ask: Asker, from_scratch: Callable[..., dict[str, list[Any]]]) -> None:
    ask.write("a.pdf")
    ask.write("b.pdf", 3)
    ask(**ALL)
    ask.write("b.pdf", 1, 4)
    asked, tables = ask(**ALL)
    assert asked == [("b.pdf", ("q", "r"), True)]
    assert state(tables) == from_scratch(ask, **ALL)


def test_a_touched_object_is_not_asked_and_its_new_time_is_remembered(ask: Asker) -> None:
    path = ask.write("a.pdf")
    ask(**ALL)
    os.utime(path, ns=(1, 1))
    asked, tables = ask(**ALL)
    assert asked == []
    assert tables["assets"][0]["stamp"] == f"1:{path.stat().st_size}"
    assert tables["assets"][0]["rounds"] == 1


def test_content_that_changes_under_the_same_size_is_noticed(ask: Asker) -> None:
    path = ask.write("a.pdf")
    ask(**ALL)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"%PDF-1.", b"%PDF-2."))
    assert path.stat().st_size == len(content)
    assert ask(**ALL)[0] == [("a.pdf", ("q", "r"), True)]


def test_a_vanished_object_is_marked_and_its_answers_are_kept_and_back_again_it_is_not_asked(ask: Asker) -> None:
    path = ask.write("a.pdf")
    ask.write("b.pdf")
    before = ask(**ALL)[1]
    kept = path.read_bytes()
    path.unlink()
    asked, tables = ask(**ALL)
    assert asked == []
    assert [row["missing_since"] is not None for row in sorted(tables["assets"], key=lambda row: row["asset"])] == [
        True, False]
    assert state(tables) == state(before)
    path.write_bytes(kept)
    asked, tables = ask(**ALL)
    assert asked == []
    assert [row["missing_since"] for row in tables["assets"]] == [None, None]


def test_objects_past_the_limit_of_a_job_are_not_taken_for_vanished(ask: Asker) -> None:
    ask.write("a.pdf")
    ask.write("b.pdf")
    ask(**ALL)
    tables = ask(**ALL, limit=1)[1]
    assert [row["missing_since"] for row in tables["assets"]] == [None, None]


def test_a_renamed_object_is_a_new_one_and_a_vanished_one(ask: Asker) -> None:
    path = ask.write("a.pdf")
    ask(**ALL)
    path.rename(path.with_name("z.pdf"))
    asked, tables = ask(**ALL)
    assert asked == [("z.pdf", ("q", "r"), True)]
    assert {Path(row["asset"]).name: row["missing_since"] is None for row in tables["assets"]} == {
        "a.pdf": False, "z.pdf": True}


@pytest.mark.parametrize("changed", [
    {**ALL, "checklist": [{**Q, "ask": "When is it due?"}, R]}, {**ALL, "checklist": [Q, {**R, "look_for": "Name"}]},
], ids=["another wording", "another hint"])
def test_a_changed_question_is_asked_alone(ask: Asker, from_scratch: Callable[..., dict[str, list[Any]]],
                                           changed: dict[str, Any]) -> None:
    ask.write("a.pdf")
    ask.write("b.pdf", 2)
    ask(**ALL)
    asked, tables = ask(**changed)
    name = "q" if changed["checklist"][1] == R else "r"
    assert asked == [("a.pdf", (name,), False), ("b.pdf", (name,), False)]
    assert state(tables) == from_scratch(ask, **changed)
    assert ask(**changed)[0] == []


def test_an_added_question_is_asked_alone_and_a_removed_one_asks_nothing(
        ask: Asker, from_scratch: Callable[..., dict[str, list[Any]]]) -> None:
    ask.write("a.pdf")
    ask(checklist=[Q])
    asked, tables = ask(**ALL)
    assert asked == [("a.pdf", ("r",), False)]
    assert state(tables)["answers"] == from_scratch(ask, **ALL)["answers"]
    asked, tables = ask(checklist=[R])
    assert asked == []
    assert {row["question"] for row in tables["answers"]} == {"r"}
    assert ask(checklist=[R])[0] == []


def test_transcripts_are_added_and_go_again_without_asking_anything_else(ask: Asker) -> None:
    ask.write("a.pdf")
    assert ask(**ALL, transcribe=False)[0] == [("a.pdf", ("q", "r"), False)]
    assert ask(**ALL, transcribe=True)[0] == [("a.pdf", (), True)]
    assert ask(**ALL, transcribe=False)[0] == []
    assert ask(**ALL, transcribe=True)[0] == [("a.pdf", (), True)]


def test_another_sampling_rate_asks_videos_alone(ask: Asker) -> None:
    ask.write("a.pdf")
    bad_inputs.video(ask.folder / "in" / "film.mp4", 3)
    ask(**ALL)
    assert ask(**ALL, frames={"every": 2})[0] == [("film.mp4", ("q", "r"), True)]


@pytest.mark.parametrize("changed", [
    {"instructions": "Be brief."}, {"page_text": "none"}, {"context": 4096},
    {"choice": EngineChoice("scripted", LIMITS, {"model": "another"}, {}, Scripted)},
], ids=["instructions", "page text", "context", "model"])
def test_another_model_and_what_it_is_told_ask_everything_again_and_nothing_is_mixed(
        ask: Asker, changed: dict[str, Any]) -> None:
    ask.write("a.pdf")
    ask.write("b.pdf")
    one = {**ALL, "choice": EngineChoice("scripted", LIMITS, {"model": "one"}, {}, Scripted)}
    before = ask(**one)[1]
    asked, tables = ask(**{**one, **changed})
    assert [name for name, _, _ in asked] == ["a.pdf", "b.pdf"]
    for name in ("assets", "answers", "requests"):
        assert len({row["fingerprint"] for row in tables[name]}) == 1
        assert tables[name][0]["fingerprint"] != before[name][0]["fingerprint"]


def test_a_job_whose_objects_are_all_done_only_in_part_goes_on_where_it_was_limited(ask: Asker) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        ask.write(name)
    assert [name for name, _, _ in ask(Wish(limit=1), **ALL)[0]] == ["a.pdf"]
    assert [name for name, _, _ in ask(**ALL)[0]] == ["b.pdf", "c.pdf"]


def test_retry_asks_what_may_pass_now_and_nothing_else(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.pdf", "busy.pdf", "refuse.pdf"):
        ask.write(name)
    tables = ask(**ALL)[1]
    assert {Path(row["asset"]).name: (row["retryable"], row["attempts"]) for row in tables["failures"]} == {
        "busy.pdf": (True, 1), "refuse.pdf": (False, 1)}
    ask.write("new.pdf")
    asked, tables = ask(Wish(retry=True), **ALL)
    assert asked == [("busy.pdf", ("q", "r"), True)]
    assert {Path(row["asset"]).name: row["attempts"] for row in tables["failures"]} == {
        "busy.pdf": 2, "refuse.pdf": 1}
    assert ask(**ALL)[0] == [("new.pdf", ("q", "r"), True)]
    monkeypatch.setattr(Scripted, "busy", False)
    asked, tables = ask(Wish(retry=True), **ALL)
    assert asked == [("busy.pdf", ("q", "r"), True)]
    assert [Path(row["asset"]).name for row in tables["failures"]] == ["refuse.pdf"]
    assert ask(Wish(retry=True), **ALL)[0] == []


def test_of_a_long_document_the_stretch_that_failed_is_tried_again_alone(ask: Asker) -> None:
    """The 40 pages are four parts; the second one's words are too many for a probe that looks at the first ones."""
    ask.write("busy at 12.pdf", 40)
    tables = ask(transcribe=True)[1]
    assert [row["page"] for row in tables["failures"]] == [12]
    part = next(row for row in tables["shards"] if row["shard_id"] == tables["failures"][0]["shard_id"])
    asked, tables = ask(Wish(retry=True), transcribe=True)
    assert 1 < len(asked) < 40
    assert [(row["page"], row["attempts"]) for row in tables["failures"]] == [(12, 2)]
    again = [row for row in tables["shards"] if row["round"] == 2]
    assert [(row["part"], row["attempt"], row["replaces"]) for row in again] == [(part["part"], 2, [part["shard_id"]])]
    assert len(tables["requests"]) == 40


def test_another_password_asks_what_failed_and_nothing_else(ask: Asker) -> None:
    ask.write("a.pdf")
    bad_inputs.encrypted_pdf(ask.folder / "in" / "secret.pdf", "open sesame")
    assert [name for name, _, _ in ask(**ALL)[0]] == ["a.pdf"]
    assert [name for name, _, _ in ask(**ALL, passwords=["wrong"])[0]] == []
    asked, tables = ask(**ALL, passwords=["open sesame"])
    assert {name for name, _, _ in asked} == {"secret.pdf"}
    assert {row["status"] for row in tables["assets"]} == {"ok"}
    assert tables["failures"] == []


def test_retry_leaves_a_changed_object_to_the_next_run(ask: Asker) -> None:
    ask.write("a.pdf")
    ask(**ALL)
    ask.write("a.pdf", 2)
    assert ask(Wish(retry=True), **ALL)[0] == []
    assert {name for name, _, _ in ask(**ALL)[0]} == {"a.pdf"}


def test_a_retry_in_which_the_object_cannot_even_be_opened_keeps_what_was_read_before(
        ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    ask.write("busy at 12.pdf", 40)
    before = ask(transcribe=True, checklist=[PAGES])[1]
    with monkeypatch.context() as patch:
        patch.setattr(probing, "_probe", _too_slow)
        tables = ask(Wish(retry=True), transcribe=True, checklist=[PAGES])[1]
    (asset,) = tables["assets"]
    assert (asset["status"], asset["units"]) == ("partial", 40)
    assert (len(before["requests"]), len(tables["requests"])) == (40, 40 - 16)
    assert [(row["phase"], row["attempts"]) for row in tables["failures"]] == [("probe", 2)]
    monkeypatch.setattr(Scripted, "busy", False)
    tables = ask(Wish(retry=True), transcribe=True, checklist=[PAGES])[1]
    assert (tables["assets"][0]["status"], len(tables["requests"]), tables["failures"]) == ("ok", 40, [])


def _too_slow(*_: Any) -> Any:
    raise UnreadableError("timeout", "took too long")


def test_a_video_of_which_nothing_could_be_read_is_asked_as_a_video_once_it_can(
        ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    bad_inputs.video(ask.folder / "in" / "film.mp4", 3)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read_head", _broken)
        tables = ask(**ALL)[1]
    assert [(row["kind"], row["status"]) for row in tables["assets"]] == [("unknown", "quarantined")]
    asked, tables = ask(Wish(retry=True), **ALL)
    assert asked == [("film.mp4", ("q", "r"), True)]
    assert [(row["kind"], row["status"]) for row in tables["assets"]] == [("video", "ok")]
    assert ask(**ALL)[0] == []
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read_head", _broken)
        tables = ask(checklist=[Q, R, {**R, "id": "s"}])[1]
    assert [(row["kind"], row["status"]) for row in tables["assets"]] == [("video", "partial")]
    assert ask(Wish(retry=True), checklist=[Q, R, {**R, "id": "s"}])[0] == [("film.mp4", ("s",), False)]


def _broken(*_: Any) -> Any:
    raise StorageError("storage", "the connection broke", passing=True)


def test_what_could_not_be_read_for_want_of_rights_is_retried(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    ask.write("a.pdf")
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read_head", lambda *_: (_ for _ in ()).throw(StorageError("permission", "denied")))
        assert ask(**ALL)[0] == []
    assert ask(Wish(retry=True), **ALL)[0] == [("a.pdf", ("q", "r"), True)]


def test_a_partial_object_that_is_tried_with_other_limits_and_another_question_is_asked_whole(ask: Asker) -> None:
    ask.write("busy at 12.pdf", 40)
    ask(transcribe=True, checklist=[PAGES])
    changed = {**PAGES, "ask": "Which PAGE?"}
    asked, tables = ask(transcribe=True, checklist=[changed], limits={"seconds": 61})
    assert len(asked) == 40
    assert len([row for row in tables["answers"] if row["level"] == "page"]) == 39
    assert len(tables["transcripts"]) == len({row["page"] for row in tables["transcripts"]})


def of_edition(edition: int) -> EngineChoice:
    return EngineChoice("scripted", LIMITS, {}, {"edition": edition}, Scripted)


def test_an_upgrade_alone_asks_nothing_again_until_it_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "a.pdf", 1)
    engine = Scripted()
    runner = Runner(engine)
    first = runner(tmp_path, choice=of_edition(1))
    assert runner(tmp_path, choice=of_edition(2)) == first
    bad_inputs.text_pdf(tmp_path / "in" / "b.pdf", 1)
    beside = runner(tmp_path, choice=of_edition(2))
    assert {row["fingerprint"] for row in beside["assets"]} == {first["assets"][0]["fingerprint"]}
    assert len(engine.asked) == 2
    accepted = runner(tmp_path, Wish(accept=True), choice=of_edition(2))
    assert len(engine.asked) == 4
    assert {row["fingerprint"] for row in accepted["assets"]} != {first["assets"][0]["fingerprint"]}
    assert len({row["fingerprint"] for row in accepted["assets"]}) == 1
    assert runner(tmp_path, choice=of_edition(2)) == accepted
    runner.close()


def test_counts_say_what_is_left_and_why(ask: Asker) -> None:
    for name in ("a.pdf", "b.pdf", "busy.pdf", "gone.pdf"):
        ask.write(name)
    ask(**ALL)
    ask.write("b.pdf", 2)
    ask.write("new.pdf")
    (ask.folder / "in" / "gone.pdf").unlink()
    settings = {"name": "test", "inputs": [str(ask.folder / "in")], "output": str(ask.folder / "out"),
                "transcribe": True, **ALL}
    with prepare(Job.model_validate(settings), write=False) as prepared:
        assert prepared.left.counts == {"done": 2, "changed": 1, "new": 1, "missing": 1, "may_pass": 1}
    with prepare(Job.model_validate({**settings, "checklist": [R, Q]}), write=False) as prepared:
        assert prepared.left.counts == {"done": 0, "judged": 2, "changed": 1, "new": 1, "missing": 1, "may_pass": 1}
    shutil.rmtree(ask.folder / "out")
    with prepare(Job.model_validate(settings), write=False) as prepared:
        assert prepared.left.counts == {"done": 0, "new": 4, "missing": 0, "may_pass": 0}


def test_a_listing_that_fails_in_the_middle_raises_its_own_error() -> None:
    def found() -> Iterator[StoredObject]:
        yield StoredObject("s3://bucket/a.pdf", "1", 1)
        raise StorageError("storage", "s3://bucket/: the store went away")

    with pytest.raises(StorageError, match="the store went away"):
        Listing(found())
