"""Folds: every published row reaches its table once, whatever is replayed, cut short or changed."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import fold as one_fold
from pipeline import stores
from pipeline.fingerprints import Fingerprints
from pipeline.fold import ORDER, TRANSACTION
from pipeline.folding import Folder
from pipeline.publishing import Published, publish
from pipeline.tables import dataset, open_table
from schemas.checklist import Question
from schemas.records import PUBLISHED

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def names_of(*questions: str, judged: str = "j") -> Fingerprints:
    """Names of a job that transcribes, and asks questions of which each one's fingerprint is its id."""
    items: dict[str, str | None] = {"transcribe": None, **{name: name.rstrip("'") for name in questions}}
    return Fingerprints("f", "s", {name.rstrip("'"): name for name in questions}, items, {}, judged, "t")


NAMES = names_of()


def shard(name: str, assets: dict[str, tuple[int, int]], version: str = "v1", text: str = "x", *, round: int = 1,
          asked: str = "transcribe", replaces: tuple[str, ...] = (), failed: str | None = None,
          answers: dict[str, str] | None = None) -> dict[str, Any]:
    """The rows of a shard: for each asset (part, parts) one transcript, its answers, and one row of the ledger.

    `answers` maps the fingerprint of a question, which is its id and perhaps a prime, to its value.
    """
    rows: dict[str, Any] = {table: [] for table in PUBLISHED}
    for asset, (part, parts) in assets.items():
        common = {"asset": asset, "version": version, "fingerprint": "f", "run_id": "r", "shard_id": name}
        if "transcribe" in asked:
            rows["transcripts"].append({**common, "page": part + 1, "text": text, "markdown": text, "source": "ocr",
                                        "budget": 280, "engine": "embedded", "blocks": [], "words": []})
        for question, value in (answers or {}).items():
            rows["answers"].append({
                **common, "question": question.rstrip("'"), "question_fingerprint": question, "level": "chunk",
                "chunk_id": f"p{part}", "answer_type": "text", "status": "answered", "value": value,
                "confidence": 0.9, "verdict": None, "severity": "medium", "evidence": [], "engine": "e"})
        if failed:
            rows["failures"].append({**common, "page": part + 1, "phase": "render", "category": "timeout",
                                     "retryable": True, "message": failed, "attempts": round})
        rows["requests"].append({**common, "chunk_id": f"p{part}", "engine": "e", "budget": 280, "images": 1,
                                 "input_tokens": 9, "render_seconds": 0.0, "ask_seconds": 0.0, "finish_reason": "stop"})
        rows["shards"].append({**common, "part": part, "parts": parts, "kind": "pdf", "media_type": "application/pdf",
                               "bytes": 9, "units": parts, "units_failed": int(failed is not None), "repaired": False,
                               "published_at": MOMENT, "asked": asked, "tried": "t", "stamp": "s", "plan": "p",
                               "round": round, "attempt": round, "replaces": list(replaces)})
    return rows


def fold(output: str, names: Fingerprints = NAMES, checklist: tuple[Question, ...] = ()) -> int:
    folder = Folder(output, checklist, names)
    folder.add_published()
    return folder.fold()


def read(output: str, name: str, *columns: str) -> list[tuple[Any, ...]]:
    found = dataset(output, name).to_table(columns=list(columns)).to_pylist()
    return sorted(tuple(row.values()) for row in found)


def test_shards_of_whole_assets_are_folded_once(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b's": (0, 1)}))
    assert fold(output) == 2
    assert fold(output) == 0
    assert read(output, "transcripts", "asset", "page") == [("/a", 1), ("/b's", 1)]
    assert read(output, "assets", "asset", "status", "shards") == [("/a", "ok", ["s1"]), ("/b's", "ok", ["s1"])]
    assert read(output, "shards", "shard_id", "asset") == [("s1", "/a"), ("s1", "/b's")]


def test_an_asset_is_folded_only_with_its_last_part(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 2)}))
    folder = Folder(output, (), NAMES)
    folder.add_published()
    assert (folder.fold(), folder.waiting) == (0, {"s1"})
    assert read(output, "transcripts", "page") == []
    publish(output, Published("f", "s2"), shard("s2", {"/a": (1, 2)}))
    assert fold(output) == 1
    assert read(output, "transcripts", "page") == [(1,), (2,)]
    assert read(output, "assets", "asset", "shards") == [("/a", ["s1", "s2"])]


@pytest.mark.parametrize("reached", range(len(ORDER) + 1))
def test_a_fold_that_was_cut_short_after_any_table_is_finished_by_the_next_run(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: int) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, text="old"))
    fold(output)
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1)}, "v2", "new", round=2))
    begun = 0
    real = one_fold.CommitProperties

    def dies(**options: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun > reached:
            raise KeyboardInterrupt
        return real(**options)

    monkeypatch.setattr(one_fold, "CommitProperties", dies)
    if reached < len(ORDER):
        with pytest.raises(KeyboardInterrupt):
            fold(output)
    else:
        fold(output)
    monkeypatch.setattr(one_fold, "CommitProperties", real)
    assert fold(output) == 0
    assert read(output, "transcripts", "asset", "version", "text") == [("/a", "v2", "new")]
    assert read(output, "assets", "asset", "version") == [("/a", "v2")]
    assert read(output, "shards", "shard_id", "version") == [("s1", "v1"), ("s2", "v2")]


def test_every_table_knows_the_last_fold(tmp_path: Path) -> None:
    output = str(tmp_path)
    for number in (1, 2):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {f"/{number}": (0, 1)}))
        fold(output)
    reached = [table.transaction_version(TRANSACTION) for name in ORDER if (table := open_table(output, name))]
    assert reached == [2] * len(ORDER)


def test_two_folders_at_once_are_told_apart(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}))
    first, second = Folder(output, (), NAMES), Folder(output, (), NAMES)
    first.add_published()
    second.add_published()
    assert first.fold() == 1
    with pytest.raises(stores.StorageError, match="another run is folding"):
        second.fold()
    assert read(output, "transcripts", "asset") == [("/a",)]


def test_a_fold_cut_by_ctrl_c_is_finished_from_storage_and_doubles_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}))
    folder = Folder(output, (), NAMES)
    folder.add_published()
    with monkeypatch.context() as patch:
        patch.setattr(one_fold, "Transaction", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            folder.fold()
    again = Folder(output, (), NAMES)
    again.add_published()
    assert again.fold() == 0
    assert read(output, "transcripts", "asset", "page") == [("/a", 1)]


def test_an_asset_in_two_unfolded_shards_has_its_rows_once(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b": (0, 1)}))
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1), "/c": (0, 1)}))
    fold(output)
    assert read(output, "assets", "asset") == [("/a",), ("/b",), ("/c",)]
    assert read(output, "transcripts", "asset", "page") == [("/a", 1), ("/b", 1), ("/c", 1)]


def test_parts_that_were_asked_otherwise_never_make_one_asset(tmp_path: Path) -> None:
    output = str(tmp_path)
    old, new = shard("s1", {"/a": (0, 2)}, text="old"), shard("s2", {"/a": (1, 2)}, text="new", asked="b")
    publish(output, Published("f", "s1"), old)
    publish(output, Published("f", "s2"), new)
    assert fold(output) == 0
    assert read(output, "assets", "asset") == []


@pytest.mark.parametrize("name", ["a b", "ünï", "a#b?c+d"])
def test_an_output_may_have_any_name(tmp_path: Path, name: str) -> None:
    output = str(tmp_path / name)
    for number, version in ((1, "v1"), (2, "v2")):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {"/a": (0, 1)}, version, round=number))
        fold(output)
    assert read(output, "assets", "asset", "version") == [("/a", "v2")]


def ask(name: str, **entries: Any) -> Question:
    return Question.model_validate({"id": name, "ask": "?", "answer": "text", **entries})


def test_what_is_asked_later_joins_what_was_asked_before(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, asked="transcribe q", answers={"q": "one"}))
    fold(output, names_of("q"), (ask("q"),))
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1)}, asked="r", round=2, answers={"r": "two"}))
    assert fold(output, names_of("q", "r"), (ask("q"), ask("r"))) == 1
    assert read(output, "assets", "asset", "asked", "rounds", "shards") == [("/a", "q r transcribe", 2, ["s1", "s2"])]
    assert read(output, "answers", "level", "question", "value") == [
        ("asset", "q", "one"), ("asset", "r", "two"), ("chunk", "q", "one"), ("chunk", "r", "two")]
    assert read(output, "transcripts", "shard_id") == [("s1",)]
    assert read(output, "requests", "shard_id") == [("s1",), ("s2",)]


def test_a_changed_question_gives_way_and_the_others_stay(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, asked="transcribe q r",
                                                answers={"q": "old", "r": "stays"}))
    fold(output, names_of("q", "r"), (ask("q"), ask("r")))
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1)}, asked="q'", round=2, answers={"q'": "new"}))
    fold(output, names_of("q'", "r"), (ask("q"), ask("r")))
    assert read(output, "answers", "level", "question", "question_fingerprint", "value") == [
        ("asset", "q", "q'", "new"), ("asset", "r", "r", "stays"),
        ("chunk", "q", "q'", "new"), ("chunk", "r", "r", "stays")]
    assert read(output, "assets", "asked", "shards") == [("q' r transcribe", ["s1", "s2"])]


def test_a_question_that_is_asked_no_more_is_gone_once_its_asset_is_judged_again(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b": (0, 1)}, asked="transcribe q r",
                                                answers={"q": "one", "r": "two"}))
    fold(output, names_of("q", "r"), (ask("q"), ask("r")))
    Folder(output, (ask("r", expect="two"),), names_of("r", judged="k")).judge_again([("/a", 1)])
    assert read(output, "answers", "asset", "level", "question", "verdict") == [
        ("/a", "asset", "r", "pass"), ("/a", "chunk", "r", "pass"), ("/b", "asset", "q", None),
        ("/b", "asset", "r", None), ("/b", "chunk", "q", None), ("/b", "chunk", "r", None)]
    assert read(output, "assets", "asset", "asked", "judged") == [
        ("/a", "r transcribe", "k"), ("/b", "q r transcribe", "j")]
    assert read(output, "transcripts", "asset") == [("/a",), ("/b",)]
    assert read(output, "shards", "asset") == [("/a",), ("/b",)]


def test_a_retried_part_replaces_the_failed_one_and_no_other(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 2)}))
    publish(output, Published("f", "s2"), shard("s2", {"/a": (1, 2)}, failed="took too long"))
    fold(output)
    assert read(output, "assets", "status", "reason") == [("partial", "took too long")]
    publish(output, Published("f", "s3"), shard("s3", {"/a": (1, 1)}, text="again", round=2, replaces=("s2",)))
    assert fold(output) == 1
    assert read(output, "assets", "status", "rounds", "shards") == [("ok", 2, ["s1", "s3"])]
    assert read(output, "transcripts", "page", "text") == [(1, "x"), (2, "again")]
    assert read(output, "failures", "page") == []
    assert read(output, "requests", "shard_id") == [("s1",), ("s3",)]


def test_a_shard_of_an_earlier_round_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, text="first"))
    fold(output)
    publish(output, Published("f", "s2"), shard("s2", {"/a": (0, 1)}, "v2", text="second", round=2))
    fold(output)
    publish(output, Published("f", "late"), shard("late", {"/a": (0, 1), "/b": (0, 1)}, text="late"))
    assert fold(output) == 1
    assert read(output, "transcripts", "asset", "version", "text") == [("/a", "v2", "second"), ("/b", "v1", "late")]
    assert read(output, "shards", "shard_id", "asset") == [("late", "/a"), ("late", "/b"), ("s1", "/a"), ("s2", "/a")]
    assert fold(output) == 0


def test_what_a_listing_shows_is_noted_in_the_assets_alone(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1), "/b": (0, 1), "/c": (0, 1)}))
    fold(output)
    folder = Folder(output, (), NAMES)
    folder.note_listing([("/a", "touched"), ("/b", None)])
    assert [(asset, stamp, missing is not None) for asset, stamp, missing in read(
        output, "assets", "asset", "stamp", "missing_since")] == [
        ("/a", "touched", False), ("/b", "s", True), ("/c", "s", False)]
    folder.note_listing([("/b", "back")])
    assert read(output, "assets", "asset", "stamp", "missing_since")[1] == ("/b", "back", None)
    assert read(output, "transcripts", "asset") == [("/a",), ("/b",), ("/c",)]


def test_a_fold_is_tried_again_where_a_compaction_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compaction joins the files of `answers` just before the fold replaces rows in them."""
    output = str(tmp_path)
    for number in (1, 2):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {f"/{number}": (0, 1)}, asked="transcribe q",
                                                            answers={"q": "one"}))
        fold(output, names_of("q"), (ask("q"),))
    real, compacted = one_fold.Staged.commit, []

    def commit(staged: Any, table: Any, *others: Any) -> None:
        if table.table_uri.rstrip("/").endswith("answers") and not compacted:
            compacted.append(open_table(output, "answers").optimize.compact())  # type: ignore[union-attr]
        real(staged, table, *others)

    monkeypatch.setattr(one_fold.Staged, "commit", commit)
    publish(output, Published("f", "s3"), shard("s3", {"/1": (0, 1)}, "v2", asked="transcribe q", round=2,
                                                answers={"q": "two"}))
    assert fold(output, names_of("q"), (ask("q"),)) == 1
    assert compacted[0]["numFilesRemoved"] == 2
    assert read(output, "answers", "asset", "level", "value") == [
        ("/1", "asset", "two"), ("/1", "chunk", "two"), ("/2", "asset", "one"), ("/2", "chunk", "one")]
    assert read(output, "transcripts", "asset", "version") == [("/1", "v2"), ("/2", "v1")]


@pytest.mark.parametrize("reached", range(len(ORDER) + 1))
@pytest.mark.parametrize("change", ["question", "retry", "judged"])
def test_a_fold_that_adds_to_what_is_there_and_was_cut_short_is_finished_by_the_next_run(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: int, change: str) -> None:
    """Whatever table it came to, the rows are those of a fold that nobody cut; also with another checklist since."""
    def made(output: str, cut: bool) -> dict[str, list[Any]]:
        publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 2)}, asked="transcribe q", answers={"q": "one"}))
        publish(output, Published("f", "s2"), shard("s2", {"/a": (1, 2)}, asked="transcribe q", failed="too slow"))
        names = names_of("q", "r") if change == "question" else names_of("q", judged="k")
        checklist = (ask("q", expect="one"), ask("r")) if change == "question" else (ask("q", expect="one"),)
        fold(output, names_of("q"), (ask("q"),))
        if change == "question":
            publish(output, Published("f", "s3"), shard("s3", {"/a": (0, 1)}, asked="r", round=2, answers={"r": "two"}))
        elif change == "retry":
            publish(output, Published("f", "s3"), shard("s3", {"/a": (1, 1)}, asked="transcribe q", round=2,
                                                        answers={"q": "one"}, replaces=("s2",)))
        with monkeypatch.context() as patch:
            begun, real = 0, one_fold.CommitProperties

            def dies(**options: Any) -> Any:
                nonlocal begun
                begun += 1
                if cut and begun > reached:
                    raise KeyboardInterrupt
                return real(**options)

            patch.setattr(one_fold, "CommitProperties", dies)
            try:
                folder = Folder(output, checklist, names)
                folder.add_published()
                folder.fold()
                if change == "judged":
                    folder.judge_again([("/a", 2)])
            except KeyboardInterrupt:
                assert cut
        if cut:
            Folder(output, (ask("q", answer="event"),), names_of("q"))  # finishes it as its record says
        return {name: sorted(map(repr, dataset(output, name).to_table().to_pylist())) for name in ORDER}

    assert made(str(tmp_path / "cut"), cut=True) == made(str(tmp_path / "whole"), cut=False)


def test_a_round_that_asks_the_same_of_the_same_content_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    """As of a file that was seen half written, and was whole again when it was read."""
    output = str(tmp_path)
    for number in (1, 2):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {"/a": (0, 1)}, asked="transcribe q",
                                                            round=number, answers={"q": "one"}))
        fold(output, names_of("q"), (ask("q"),))
    assert read(output, "assets", "rounds", "shards") == [(2, ["s2"])]
    assert [len(read(output, name, "asset")) for name in ("transcripts", "answers", "requests")] == [1, 2, 1]


def test_parts_that_were_tried_with_other_limits_never_make_one_asset(tmp_path: Path) -> None:
    output = str(tmp_path)
    old, new = shard("s1", {"/a": (0, 2)}, failed="too slow"), shard("s2", {"/a": (1, 2)})
    new["shards"][0]["tried"] = "with more time"
    publish(output, Published("f", "s1"), old)
    publish(output, Published("f", "s2"), new)
    assert fold(output) == 0


def test_another_run_that_has_folded_meanwhile_is_noticed_before_anything_is_committed(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}))
    folder = Folder(output, (), NAMES)
    for number in (2, 3):
        publish(output, Published("f", f"s{number}"), shard(f"s{number}", {f"/{number}": (0, 1)}))
        fold(output)
    for path in (tmp_path / "_folds").iterdir():
        path.unlink()  # as a compaction does
    folder.add_published()
    with pytest.raises(stores.StorageError, match="another run has folded"):
        folder.fold()
    assert fold(output) == 0
    assert read(output, "transcripts", "asset") == [("/2",), ("/3",), ("/a",)]


def test_answers_go_where_their_question_is_no_longer_for_objects_of_the_kind(tmp_path: Path) -> None:
    output = str(tmp_path)
    publish(output, Published("f", "s1"), shard("s1", {"/a": (0, 1)}, asked="a b", answers={"a": "x", "b": "y"}))
    first, other = (Question.model_validate({"id": name, "ask": "?", "answer": "text"}) for name in "ab")
    fold(output, names_of("a", "b"), (first, other))
    names = replace(names_of("a", "b"), documents={"b": "b"})
    Folder(output, [first.model_copy(update={"of": "videos"}), other], names).judge_again([("/a", 1)])
    assert read(output, "answers", "question", "level") == [("b", "asset"), ("b", "chunk")]
    assert read(output, "assets", "asset", "asked") == [("/a", "b")]
