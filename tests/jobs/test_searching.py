"""Full-text search: what is found and where, how queries read, and that an index goes on from where it was."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import bad_inputs
import numpy as np
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from pipelines import Runner

from jobs.cli import main
from jobs.searching import FOUND, SCHEMA, expression, print_hits, search, spaced
from pipeline.tables import append
from schemas.job import JobError

NOTICE = {"id": "notice", "ask": "How many days of notice?", "answer": "number", "look_for": "Notice period"}
PAGES = {"a.pdf": ["Notice period: 60 days", "", "", "Delivery note DN-20581 at Café Zürich"],
         "b.pdf": ["The rent is 1,250.00 a month", "and the period of notice is long"]}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def output(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of a job over two documents and a video."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "in").mkdir()
    for name, lines in PAGES.items():
        bad_inputs._write_page(folder / "in" / name, bad_inputs._show(lines, 56, 770))
    bad_inputs.video(folder / "in" / "gate.mp4", 6, 5, (640, 360), draw=lambda seconds: np.asarray(
        bad_inputs._picture(["Gate 4 closed" if seconds < 3 else "Gate 4 open"], (640, 360), 48)))
    run(folder, checklist=[NOTICE])
    return str(folder / "out")


def found(output: str, query: str) -> list[tuple[str, str, int | None, float | None]]:
    return sorted((hit.kind, hit.asset.rpartition("/")[2], hit.page, hit.second) for hit in search(output, query, 50))


A, B = ("page", "a.pdf", 1, None), ("page", "b.pdf", 1, None)


@pytest.mark.parametrize(("query", "hits"), [
    ("rent", [B]), ("RENT", [B]), ("notice period", [A, B]), ('"notice period"', [A]), ('"period of notice"', [B]),
    ("deliv*", [A]), ('"delivery no"*', [A]), ("DN-20581", [A]), ("DN-205*", [A]), ("1,250.00", [B]), ("1,250.01", []),
    ("cafe zurich", [A]), ("Café", [A]), ("Cafe\u0301", [A]), ("period NOT rent", [A]),
    ("rent OR delivery", [A, B]), ("(rent OR delivery) AND month", [B]), ("NEAR(rent month, 5)", [B]),
    ("NEAR(rent long, 3)", []), ("near", []), ("gate", [("video", "gate.mp4", None, at) for at in (0.0, 3.0)]),
    ("open - gate", [("video", "gate.mp4", None, 3.0)]), ("60", [A, ("answer", "a.pdf", 1, None)]), ("unsure", []),
])
def test_what_a_query_finds(output: str, query: str, hits: list[tuple[str, str, int | None, float | None]]) -> None:
    assert found(output, query) == sorted(hits)


def test_a_hit_has_the_box_and_the_words_of_the_block_that_holds_it(output: str) -> None:
    (hit,) = search(output, '"delivery note"', 5)
    (above,) = search(output, '"notice period"', 5)
    assert hit.box is not None
    assert above.box is not None
    assert above.box[3] < hit.box[1] < hit.box[3] < 0.2
    assert "\x02Delivery note\x03 DN-20581 at Café Zürich" in hit.snippet
    (answer,) = (each for each in search(output, "60", 5) if each.kind == "answer")  # said once, though also quoted
    assert (answer.question, answer.page, answer.snippet) == ("notice", 1, "\x0260\x03")


@pytest.mark.parametrize(("query", "message"), [
    ("", "names no word"), ("- & …", "names no word"), ("AND", "names no word"), ('"open', "is not closed"),
    ("AND rent", 'syntax error near "AND"'), ("(rent", "syntax error"), ("rent )", "syntax error"),
])
def test_a_bad_query_is_said_to_be_one(output: str, query: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        search(output, query, 5)


def test_an_output_without_tables_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="run the job first"):
        search(str(tmp_path / "none"), "rent", 5)


def transcript(asset: str, text: str) -> dict[str, Any]:
    return {"asset": asset, "version": "v", "page": 1, "text": text, "markdown": text, "blocks": [], "source": "model",
            "budget": 70, "engine": "e", "fingerprint": "f", "run_id": "r", "shard_id": "s"}


@pytest.mark.parametrize(("query", "assets"), [
    ("契約", ["/zh"]), ("契約書", ["/zh"]), ("約契", []), ("本契約は2026年", ["/zh"]), ("계약", ["/ko"]),
    ("지불 계약서", ["/ko"]), ("カメラ", ["/ja"]), ("契約 OR カメラ", ["/ja", "/zh"]), ("Ωμέγα", ["/el"])])
def test_words_are_found_within_scripts_that_write_no_blanks(tmp_path: Path, query: str, assets: list[str]) -> None:
    append(str(tmp_path), "transcripts", [
        transcript("/zh", "甲乙間の本契約は2026年に契約書として"), transcript("/ko", "이 계약서는 지불을 정한다"),
        transcript("/ja", "第四カメラの映像"), transcript("/el", "ΩΜΈΓΑ")], "one")
    hits = search(str(tmp_path), query, 9)
    assert sorted(hit.asset for hit in hits) == assets
    assert all("\u200b" not in hit.snippet for hit in hits)


def indexed(cache: Path) -> dict[str, tuple[int, int]]:
    """The files in the one index there is, with the units that came of each."""
    (path,) = (cache / "canvass").iterdir()
    with sqlite3.connect(path) as index:
        return {name: (first, last) for name, first, last in index.execute("select * from files")}


def test_only_new_files_are_indexed_and_those_that_are_gone_leave_it(tmp_path: Path, cache: Path) -> None:
    output = str(tmp_path)
    append(output, "transcripts", [transcript(f"/{number}", f"page {number}") for number in range(3)], "one")
    assert len(search(output, "page", 9)) == 3
    before = indexed(cache)
    append(output, "transcripts", [transcript("/3", "page 3")], "two")
    assert len(search(output, "page", 9)) == 4
    assert before.items() < indexed(cache).items()
    DeltaTable(str(tmp_path / "transcripts")).delete("asset = '/1'")
    assert sorted(hit.asset for hit in search(output, "page", 9)) == ["/0", "/2", "/3"]
    assert len(indexed(cache)) == 2
    assert not before.keys() & indexed(cache).keys()


def test_the_command_prints_a_line_a_hit_or_json(
        output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = {"name": "t", "inputs": ["in"], "output": output, "transcribe": True}
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    assert main(["search", str(tmp_path / "job.yaml"), "rent"]) == 0
    asset = f"{Path(output).parent}/in/b.pdf"
    assert capsys.readouterr().out == (
        f"{asset}, page 1: The rent is 1,250.00 a month and the period of notice is long\n")
    assert main(["search", str(tmp_path / "job.yaml"), "60 days", "--json", "--limit", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    hit = json.loads(line)
    assert [hit[name] for name in ("kind", "page", "second", "question")] == ["page", 1, None, None]
    assert "Notice period: 60 days" in hit["snippet"]


def test_what_is_found_gives_a_terminal_no_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = transcript("/\x1b[2J.pdf", "\x1b]0;title\x07 \x9b31m the needle \u202efdp")
    append(str(tmp_path), "transcripts", [hostile], "one")
    print_hits(str(tmp_path), "needle", 9, False)
    said = capsys.readouterr().out
    assert "needle" in said
    assert "/\ufffd[2J.pdf, page" in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)


LETTER = st.characters(max_codepoint=0x24F, exclude_categories=["Cc"]) | st.sampled_from("契約カ계Ωж\u0301\u200b…🦊")
WORD = st.text(LETTER, min_size=1, max_size=8)


@given(st.lists(WORD, min_size=1, max_size=6), st.data())
def test_any_words_of_a_text_find_it_whatever_they_hold(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    with sqlite3.connect(":memory:") as index:
        index.executescript(SCHEMA)
        index.execute("insert into units values (1, 'page', '/a', null, '[]')")
        index.execute("insert into texts (rowid, body) values (1, ?)", (spaced(text),))
        wanted = data.draw(st.sampled_from(words)).replace('"', '""')
        try:
            query = expression(f'"{wanted}"')
        except JobError:  # it holds no letter and no digit
            assert not any(map(str.isalnum, wanted))
            return
        ((*_, whole, _),) = index.execute(FOUND, (9, query, 9)).fetchall()
        assert "\x02" in whole
        bare = text.casefold().translate(dict.fromkeys(map(ord, '()"')))
        index.execute(FOUND, (9, expression(f"x {bare}"), 9))  # no word of it is taken for syntax
