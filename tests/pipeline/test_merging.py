"""Merging: an asset's answers, events, verdicts and status from those of its parts, whatever their order."""

from __future__ import annotations

import datetime
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.combining import CLEAR_LEAD, MAX_EVIDENCE
from pipeline.merging import Merged, judge, merge_asset
from schemas.checklist import Question, applies
from schemas.records import rows_to_table

Row = dict[str, Any]
MOMENT = datetime.datetime(2026, 2, 3, tzinfo=datetime.UTC)
COMMON = {"asset": "/in/a.pdf", "version": "1", "fingerprint": "f", "run_id": "r"}


def ask(name: str = "q", answer: Any = "text", **entries: Any) -> Question:
    return Question.model_validate({"id": name, "ask": "?", "answer": answer, **entries})


def part(number: int = 0, count: int = 1, **entries: Any) -> Row:
    return {**COMMON, "shard_id": f"s{number}", "part": number, "parts": count, "kind": "pdf", "bytes": 10, "units": 4,
            "media_type": "application/pdf", "units_failed": 0, "duration_s": None, "repaired": False,
            "published_at": MOMENT + datetime.timedelta(seconds=number), "asked": "all", "tried": "t", "stamp": "s",
            "round": 1, "stretches": None, **entries}


def quote(page: int, score: float | None = None) -> Row:
    return {"page": page, "time_s": None, "end_s": None, "box": None, "quote": f"on page {page}", "score": score}


def answer(value: str | None, confidence: float | None = 0.9, name: str = "q", **entries: Any) -> Row:
    page = entries.get("page", 1)
    return {"question": name, "question_fingerprint": f"fp-{name}", "page": page, "chunk_id": f"p{page}-{page}",
            "status": "unsure" if value is None else "answered", "value": value, "number": None, "currency": None,
            "date": None, "confidence": confidence, "confidence_source": "rule", "verdict": None, "engine": "e",
            "probabilities": None, "shard_id": "s0", "coverage": 1.0,
            "evidence": [quote(page)], "reason": "not found" if value is None else "printed", **entries}


def failure(message: str = "damaged", page: int | None = None, phase: str = "render") -> Row:
    return {"page": page, "time_s": None, "phase": phase, "message": message, "shard_id": "s0"}


def merge(checklist: list[Question], rows: list[Row], failures: list[Row] | None = None,
          parts: list[Row] | None = None) -> Merged:
    """Merge, and hold what comes of it against the schemas of the tables."""
    parts = parts or [part()]
    asked = {question.id for question in checklist if applies(question, parts[0]["kind"])}
    merged = merge_asset(checklist, "now", parts, rows, failures or [], asked)
    rows_to_table("assets", [{**merged.asset, "asked": "all", "missing_since": None, "rounds": 1}]).validate(full=True)
    rows_to_table("answers", merged.answers).validate(full=True)
    rows_to_table("events", merged.events).validate(full=True)
    rows_to_table("scenes", merged.scenes).validate(full=True)
    return merged


def one(question: Question, *rows: Row) -> Row:
    found, = merge([question], list(rows)).answers
    return found


def test_parts_that_agree_give_their_value_with_the_best_confidence() -> None:
    row = one(ask(), answer("x", 0.6, page=1), answer("x", 0.8, page=2), answer(None, None, page=3))
    assert (row["status"], row["value"], row["confidence"]) == ("answered", "x", 0.8)
    assert (row["level"], row["coverage"], row["question_fingerprint"], row["engine"]) == ("asset", 1.0, "fp-q", "e")
    assert row["evidence"] == [quote(2)]


def test_a_clear_lead_decides() -> None:
    row = one(ask(), answer("x", 0.90, page=1), answer("y", 0.90 - CLEAR_LEAD - 0.01, page=2))
    assert (row["status"], row["value"], row["evidence"]) == ("answered", "x", [quote(1)])


def test_a_conflict_without_a_clear_lead_is_unsure_and_shows_both_sides() -> None:
    row = one(ask(expect="x"), answer("x", 0.90, page=1), answer("y", 0.90 - CLEAR_LEAD + 0.01, page=2))
    assert (row["status"], row["reason"]) == ("unsure", "its parts answer differently: x, y")
    assert row["evidence"] == [quote(1), quote(2)]
    assert row.get("value") is None
    assert row["verdict"] == "unsure"


def test_amounts_in_two_currencies_conflict() -> None:
    row = one(ask(answer="money"), answer("5.00", number=5.0, currency="EUR"),
              answer("5.00", number=5.0, currency="USD"))
    assert row["status"] == "unsure"


def test_nothing_found_is_unsure_with_the_best_evidence_first() -> None:
    rows = [answer(None, None, page=page, evidence=[quote(page, score)])
            for page, score in enumerate((0.1, 0.9, None, 0.5, 0.7), 1)]
    row = one(ask(), *rows)
    assert (row["status"], row["reason"], len(row["evidence"])) == ("unsure", "not found", MAX_EVIDENCE)
    assert [item["score"] for item in row["evidence"]] == [0.9, 0.7, 0.5]


def test_a_question_that_no_part_was_asked_has_failed() -> None:
    row = one(ask(expect="x"))
    assert (row["status"], row["reason"], row["verdict"]) == ("failed", "no part of the asset could be asked", "unsure")


ROWS = st.lists(st.builds(answer, st.sampled_from(["x", "y", "z", None]), st.none() | st.floats(0, 1),
                          page=st.integers(1, 9)), min_size=1, max_size=6,
                unique_by=lambda row: row["page"])


@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_the_parts_decides_nothing(orders: tuple[list[Row], list[Row]]) -> None:
    first, second = (one(ask(), *rows) for rows in orders)
    names = ("status", "value", "confidence", "reason") if first["status"] == "answered" else ("status",)
    assert [first.get(name) for name in names] == [second.get(name) for name in names]


@given(ROWS)
def test_the_answer_is_the_most_confident_value_or_none_where_another_is_near(rows: list[Row]) -> None:
    best: dict[str, float] = {}
    for row in rows:
        if row["value"] is not None:
            best[row["value"]] = max(best.get(row["value"], 0.0), row["confidence"] or 0.0)
    near = [value for value, confidence in best.items() if confidence > max(best.values()) - CLEAR_LEAD]
    assert one(ask(), *rows).get("value") == (near[0] if len(near) == 1 else None)


@pytest.mark.parametrize(("expect", "value", "confidence", "verdict"), [
    (None, "x", 0.9, None), ("x", "x", 0.9, "pass"), ("x", "X ", 0.9, "pass"), ("x", "y", 0.9, "fail"),
    ("x", "x", 0.5, "pass"), ("x", "x", 0.49, "unsure"),
    ("x", "y", 0.49, "unsure"), ("x", "x", None, "unsure"), ("x", None, 0.9, "unsure"),
])
def test_verdicts(expect: str | None, value: str | None, confidence: float | None, verdict: str | None) -> None:
    assert judge(ask(expect=expect), answer(value, confidence)) == verdict
    assert one(ask(expect=expect), answer(value, confidence))["verdict"] == verdict


def test_what_does_not_apply_has_no_verdict() -> None:
    assert judge(ask(expect="x"), {"status": "not_applicable"}) is None


@pytest.mark.parametrize(("verdicts", "verdict"), [
    (["pass", "fail", "unsure"], "fail"), (["pass", "unsure"], "unsure"), (["pass", "pass"], "pass"), ([], "unsure"),
])
def test_a_page_question_passes_when_every_page_does(verdicts: list[str], verdict: str) -> None:
    rows = [answer("x", page=page, verdict=found) for page, found in enumerate(verdicts, 1)]
    assert one(ask(scope="page", expect="x"), *rows)["verdict"] == verdict


def test_pages_that_are_combined_by_a_rule_are_judged_as_one() -> None:
    rows = [answer(value, page=page) for page, value in ((1, "yes"), (2, "no"))]
    pages = [{**row, "level": "page", "verdict": "pass" if row["value"] == "yes" else "fail"} for row in rows]
    assert one(ask(answer="yes/no", scope="page", expect="yes", combine="any"), *pages)["verdict"] == "pass"
    assert one(ask(answer="yes/no", scope="page", expect="yes", combine="all"), *pages)["verdict"] == "fail"
    assert one(ask(answer="yes/no", scope="page", expect="yes"), *pages)["verdict"] == "fail"


@pytest.mark.parametrize(("only_if", "value", "status"), [
    ("a == yes", "yes", "answered"), ("a == yes", "no", "not_applicable"), ("a != yes", "no", "answered"),
    ("a != yes", "yes", "not_applicable"), ("a == yes", None, "answered"), ("a != yes", None, "answered"),
])
def test_only_if_hides_an_answer_only_where_its_condition_surely_fails(only_if: str, value: str | None,
                                                                       status: str) -> None:
    checklist = [ask("a", "yes/no"), ask("b", only_if=only_if, expect="x"), ask("c", only_if="b == x")]
    rows = merge(checklist, [answer(value, name="a"), answer("x", name="b"), answer("z", name="c")]).answers
    hidden = status == "not_applicable"
    assert [row["status"] for row in rows] == ["unsure" if value is None else "answered", status,
                                               "not_applicable" if hidden else "answered"]
    assert (rows[1]["value"], rows[1]["verdict"]) == ((None, None) if hidden else ("x", "pass"))
    if hidden:
        assert (rows[1]["reason"], rows[1]["evidence"]) == (f"only_if does not hold: {only_if}", [])


UNSEEN = [part(0, 2, units_failed=1), part(1, 2)]


@pytest.mark.parametrize(("entries", "failures", "verdict"), [
    ({"combine": "all"}, [failure(page=2)], "unsure"), ({"combine": "all"}, [failure(phase="ask")], "unsure"),
    ({"combine": "any", "expect": "no"}, [failure(page=2)], "unsure"), ({"scope": "page"}, [failure(page=2)], "unsure"),
    ({"combine": "all", "pages": "1, 3"}, [failure(page=2)], "pass"),
    ({"scope": "page", "pages": "1, 3-last"}, [failure(page=2)], "pass"),
    ({"combine": "all"}, [{**failure(page=2), "shard_id": "s1"}], "unsure"),
    ({"combine": "all"}, [{**failure(page=2), "shard_id": "later"}], "pass"),
    ({"combine": "all"}, [failure("not all of the page could be drawn", page=3)], "pass")])
def test_what_every_page_must_say_is_not_known_while_one_of_them_failed(
        entries: Row, failures: list[Row], verdict: str) -> None:
    question = ask(answer="yes/no", **{"expect": "yes", **entries})
    value = question.expect
    rows = [answer(value, page=page, verdict="pass") for page in (1, 3)]
    parts = [*UNSEEN, part(2, 1, shard_id="later", asked="another", units_failed=1)]
    assert merge([question], rows, failures, parts).answers[0]["verdict"] == verdict


def test_a_chunk_of_which_a_page_is_missing_is_no_whole_answer() -> None:
    rows = [answer("yes", page=None, chunk_id="d0:p1-3", coverage=coverage) for coverage in (2 / 3,)]
    checklist = [ask(answer="yes/no", expect="yes", combine="all"), ask("r", "yes/no", expect="yes")]
    rows += [{**row, "question": "r"} for row in rows]
    merged = merge(checklist, rows, [failure(page=2)], [part(units_failed=1)])
    assert [row["verdict"] for row in merged.answers] == ["unsure", "pass"]


@pytest.mark.parametrize(("kind", "needs", "value", "typed", "status"), [
    ("number", "90", "90.0", {"number": 90.0}, "answered"), ("number", "90", "91", {"number": 91.0}, "not_applicable"),
    ("money", "48750.00 EUR", "48750", {"number": 48750.0, "currency": "EUR"}, "answered"),
    ("money", "EUR 48750", "48750.00", {"number": 48750.0, "currency": "USD"}, "not_applicable"),
    ("text", "north", "North", {}, "answered")])
def test_a_condition_holds_for_a_value_as_a_verdict_does(kind: str, needs: str, value: str, typed: Row,
                                                         status: str) -> None:
    checklist = [ask("a", kind, expect=needs), ask("b", only_if=f"a == {needs}"), ask("c", only_if=f"a != {needs}")]
    rows = merge(checklist, [answer(value, name="a", **typed), *(answer("x", name=name) for name in "bc")]).answers
    assert (rows[0]["verdict"] == "pass") is (status == "answered")
    assert [rows[1]["status"], rows[2]["status"]] == sorted(["answered", "not_applicable"],
                                                            reverse=status != "answered")


@pytest.mark.parametrize(("parts", "failures", "status", "lost", "coverage"), [
    ([part()], [], "ok", 0, 1.0),
    ([part(units_failed=1)], [failure(page=2)], "partial", 1, 0.75),
    ([part(units_failed=4)], [failure(page=page) for page in (1, 2, 3, 4)], "quarantined", 4, 0.0),
    ([part(0, 2, units_failed=1), part(1, 2, units_failed=1)], [failure(page=2), failure(page=2)], "partial", 1, 0.75),
    ([part(0, 2, units_failed=1), part(1, 2, units_failed=2)], [failure(page=1), failure(page=3), failure(page=4)],
     "partial", 3, 0.25),
    ([part(units=0)], [failure(phase="probe")], "quarantined", 0, 0.0),
    ([part(units=0)], [], "ok", 0, 1.0),
    ([part()], [failure(page=1, phase="ask")], "partial", 0, 1.0),
    ([part(kind="video", units=10, units_failed=5)], [failure()], "partial", 5, 0.5),
    ([part(kind="video", units=10, units_failed=10)], [failure()], "quarantined", 10, 0.0),
])
def test_status_and_coverage_of_an_asset(parts: list[Row], failures: list[Row], status: str, lost: int,
                                         coverage: float) -> None:
    asset = merge([], [], failures, parts).asset
    assert (asset["status"], asset["units_failed"], asset["coverage"]) == (status, lost, coverage)
    assert (asset["reason"] is None) == (not failures)
    assert {name: asset[name] for name in COMMON} == COMMON


def test_an_asset_tells_its_first_failure_and_how_many_more_there_are_and_when_its_last_part_came() -> None:
    failures = [failure("torn", 1), failure("burnt", 2), failure("torn", 3)]
    asset = merge([], [], failures, [part(0, 2, units_failed=3), part(1, 2)]).asset
    assert asset["reason"] == "torn (and 1 more in failures)"
    assert asset["finished_at"] == MOMENT + datetime.timedelta(seconds=1)


def test_an_asset_that_was_not_seen_has_no_answers() -> None:
    assert merge([ask()], [], [failure(phase="probe")], [part(units=0, kind="unknown")]).answers == []


def test_questions_are_answered_only_for_the_kinds_that_they_apply_to() -> None:
    checklist = [ask("doc"), ask("pages", pages="1"), ask("each", scope="page"), ask("event", "event")]
    for kind, names in (("pdf", ["doc", "pages", "each"]), ("image", ["doc", "pages", "each"]),
                        ("video", ["doc", "event"])):
        assert [row["question"] for row in merge(checklist, [], None, [part(kind=kind)]).answers] == names


def seen(start: float, end: float, confidence: float = 0.8) -> Row:
    item = {"page": None, "time_s": start, "end_s": end, "box": None, "quote": "a forklift", "score": None}
    return answer("yes", confidence, page=None, chunk_id=f"t{start}", evidence=[item])


def events(*rows: Row) -> list[tuple[float, float]]:
    found = merge([ask(answer="event")], list(rows), None, [part(kind="video", units=100)]).events
    return [(event["start_s"], event["end_s"]) for event in found]


@pytest.mark.parametrize(("stretches", "joined"), [
    ([(0, 2), (2, 4)], [(0, 4)]), ([(0, 3), (2, 4)], [(0, 4)]), ([(0, 9), (2, 4)], [(0, 9)]),
    ([(0, 2), (3, 4)], [(0, 2), (3, 4)]), ([(5, 6), (0, 1)], [(0, 1), (5, 6)]), ([(0, 1), (0, 1)], [(0, 1)]), ([], []),
])
def test_stretches_are_joined_where_they_touch(stretches: list[tuple[float, float]],
                                               joined: list[tuple[float, float]]) -> None:
    assert events(*(seen(*stretch) for stretch in stretches)) == joined


@given(st.lists(st.integers(1, 40), min_size=2, max_size=12), st.lists(st.integers(0, 500), max_size=15, unique=True),
       st.integers(0, 3), st.randoms(use_true_random=False))
def test_any_cut_into_windows_gives_the_same_events(lengths: list[int], cuts: list[int], overlap: int,
                                                    order: random.Random) -> None:
    """Stretches alternate with gaps; windows cut them anywhere, and may overlap."""
    edges = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
    stretches = list(zip(edges[0::2], edges[1::2], strict=False))
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < edges[-1]), edges[-1]]
    rows = [seen(max(start, first), min(end, last + overlap))
            for first, last in pairwise(bounds) for start, end in stretches
            if max(start, first) < min(end, last + overlap)]
    order.shuffle(rows)
    assert events(*rows) == stretches


def test_an_event_is_as_sure_as_its_least_sure_part_and_keeps_all_evidence() -> None:
    rows = [seen(0, 2, 0.9), seen(2, 4, 0.6)]
    event, = merge([ask(answer="event")], rows, None, [part(kind="video")]).events
    assert (event["confidence"], event["question"], event["engine"]) == (0.6, "q", "e")
    assert event["evidence"] == rows[0]["evidence"] + rows[1]["evidence"]


def test_windows_that_saw_nothing_make_no_event() -> None:
    assert events(answer(None, None), answer("no")) == []


def stretch(start: float, end: float, kind: str = "scene", picture: str | None = None) -> Row:
    return {"kind": kind, "start_s": start, "end_s": end, "picture": picture}


def scenes(*windows: list[Row]) -> list[tuple[str, float, float, str | None]]:
    """What becomes of the stretches of some windows."""
    parts = [part(place, len(windows), kind="video", stretches=window) for place, window in enumerate(windows)]
    return [(row["kind"], row["start_s"], row["end_s"], row["picture"]) for row in merge([], [], parts=parts).scenes]


def test_a_scene_that_goes_on_over_a_seam_is_one_and_one_that_begins_there_is_another() -> None:
    assert scenes([stretch(0, 60, picture="a")], [stretch(59, 70), stretch(70, 120, picture="b")],
                  [stretch(120, 130, picture="c")]) == [
        ("scene", 0, 70, "a"), ("scene", 70, 120, "b"), ("scene", 120, 130, "c")]


def test_what_is_still_counts_from_five_seconds_on_over_all_windows() -> None:
    assert scenes([stretch(58, 60, "still"), stretch(2, 6, "still")], [stretch(59, 63, "still")]) == [
        ("still", 58, 63, None)]
    assert scenes([stretch(16.1, 16.1 + 4.9 + 0.1, "still")]) == [("still", 16.1, 16.1 + 4.9 + 0.1, None)]


def test_stretches_of_different_kinds_stand_beside_each_other() -> None:
    assert scenes([stretch(0, 9), stretch(3, 4, "black"), stretch(5, 9, "damaged")]) == [
        ("scene", 0, 9, None), ("black", 3, 4, None), ("damaged", 5, 9, None)]


def test_scenes_that_two_rounds_saw_are_told_once() -> None:
    assert scenes([stretch(0, 9, picture="a"), stretch(9, 12, picture="b")], [stretch(0, 9), stretch(9, 12)]) == [
        ("scene", 0, 9, "a"), ("scene", 9, 12, "b")]


def test_no_scenes_are_told_where_a_part_was_not_looked_at_for_them() -> None:
    parts = [part(0, 2, kind="video"), part(1, 2, kind="video", stretches=[stretch(60, 120)])]
    assert merge([], [], parts=parts).scenes == []


def test_an_assets_answer_has_the_probabilities_of_the_part_that_answered_it_most_surely() -> None:
    def shares(yes: float) -> list[Row]:
        return [{"label": "yes", "probability": yes}, {"label": "no", "probability": 1 - yes}]

    rows = [answer("yes", 0.75, page=1, probabilities=shares(0.75)),
            answer("yes", 0.875, page=2, probabilities=shares(0.875))]
    (row,) = merge([ask(answer="yes/no")], rows).answers
    assert row["probabilities"] == shares(0.875)
    given_up = merge([ask("k", ["a", "b"]), ask(answer="yes/no", only_if="k == b")],
                     [answer("a", name="k"), *rows]).answers[1]
    assert (given_up["status"], given_up["probabilities"]) == ("not_applicable", None)


@pytest.mark.parametrize(("value", "count"), [("no", 0), ("yes", 1), (None, 1)])
def test_what_a_person_says_was_not_seen_is_no_event(value: str | None, count: int) -> None:
    review = {"question": "q", "value": value, "currency": None, "note": None}
    parts, checklist = [part(kind="video", units=100)], [ask(answer="event")]
    merged = merge_asset(checklist, "now", parts, [seen(2, 4)], [], {"q"}, [review])
    assert len(merged.events) == count
    assert [(row["level"], row["value"]) for row in merged.answers] == [("reviewed", "yes"), ("asset", value)]
