"""Reports of rows that no engine has to be asked for: 10,000 findings, hostile texts, reviews, ladders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import report_rows
from playwright.sync_api import Browser, Page, expect
from report_rows import MADE_AT, evidence, picture, write
from screens import Opened

from jobs.report.build import write_report
from jobs.report.data import gather
from jobs.review_queue import asked_now
from schemas.job import Job

BENCH = Path(__file__).resolve().parents[2] / "infra" / "bench" / "report.py"
MARKUP = "<img src=x onerror=\"alert('image')\"><script>alert('script')</script></script><b>bold</b>"
TURNED = "invoice_\u202efdp.exe\u2066 a\u200bb \u0007"
SHOWN = "invoice_⟨U+202E⟩fdp.exe⟨U+2066⟩ a⟨U+200B⟩b ⟨U+0007⟩"


def job_of(folder: Path, checklist: list[dict[str, Any]]) -> Job:
    return Job.model_validate({"name": "made", "inputs": ["/in"], "output": str(folder), "checklist": checklist})


def written(job: Job, target: Path) -> Path:
    return write_report(gather(job), job.output, target, 50).path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    report_rows.many_findings(str(folder), 10_000)
    return written(job_of(folder, report_rows.checklist()), folder / "report.html")


def test_of_ten_thousand_findings_the_rows_in_sight_exist(many: Path, opened: Opened) -> None:
    page = opened(many, "#findings")
    rows = page.locator("#findings .rows .row")
    grid = page.get_by_role("grid", name="Findings")
    expect(page.locator("#findings output")).to_have_text("10,000 of 10,000")
    assert grid.get_attribute("aria-rowcount") == "10001"
    for key, place in (("End", 10_001), ("PageUp", None), ("Home", 2)):
        page.keyboard.press(key)
        selected = page.get_by_role("row", selected=True)
        expect(selected).to_be_in_viewport(ratio=1)
        assert place is None or selected.get_attribute("aria-rowindex") == str(place)
        assert rows.count() < 45


def test_ten_thousand_findings_are_filtered_to_the_letter(many: Path, opened: Opened) -> None:
    page = opened(many, "#findings")
    page.get_by_role("searchbox").fill("agreement-00777 fourth")
    expect(page.locator("#findings output")).to_have_text("0 of 10,000")
    page.get_by_role("searchbox").fill("agreement-00777")
    expect(page.locator("#findings output")).to_have_text("10 of 10,000")
    page.get_by_role("searchbox").fill("")
    page.locator("#findings .chip.fail").click()
    expect(page.locator("#findings output")).to_have_text("1,250 of 10,000")


def test_the_last_of_ten_thousand_findings_opens_with_its_own_details(many: Path, opened: Opened) -> None:
    page = opened(many, "#findings")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    quotes = page.locator("#findings .pane blockquote")
    expect(quotes).to_have_count(3)
    name = page.get_by_role("row", selected=True).locator(".object").inner_text()
    place = 10 * int(name.removeprefix("agreement-").removesuffix(".pdf"))
    assert place <= int(quotes.first.inner_text().split("(no. ")[1].split(")")[0]) < place + 10
    expect(page.locator("#findings .pane .missing")).to_contain_text("No picture of page")


def test_the_benchmark_gives_its_figures() -> None:
    done = subprocess.run([sys.executable, BENCH, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["findings"] == 1_000
    assert figures["first_paint_s"] > 0
    assert figures["filter_s"] > 0


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A report in which every text is hostile."""
    asset, output = f"/in/{MARKUP}{TURNED}.pdf", str(tmp_path)
    common = {"asset": asset, "version": "v"}
    piece = evidence(1, quote=MARKUP + TURNED, box=[0.1, 0.1, 0.5, 0.2])
    write(output, "assets", [{**common, "status": "partial", "kind": "video", "duration_s": 9.0, "reason": MARKUP}])
    write(output, "answers", [
        {**common, "question": "q", "level": "asset", "status": "answered", "value": MARKUP + TURNED, "verdict": "fail",
         "reason": MARKUP, "evidence": [piece], "source": "human", "engine": MARKUP,
         "probabilities": [{"label": MARKUP, "probability": 0.5}]},
        {**common, "question": "q", "level": "reviewed", "value": MARKUP, "status": "answered"},
        *({**common, "question": "q", "level": "page", "page": page, "chunk_id": MARKUP, "value": f"{page}{MARKUP}",
           "shard_id": "s", "status": "answered", "reason": MARKUP, "evidence": [piece]} for page in (1, 2))])
    write(output, "requests", [{**common, "chunk_id": MARKUP, "shard_id": "s", "rungs": [MARKUP], "engine": MARKUP}])
    write(output, "reviews", [{**common, "question": "q", "note": MARKUP, "reviewer": MARKUP}])
    write(output, "screen_texts", [{**common, "text": MARKUP + TURNED, "last_s": 5.0}])
    write(output, "events", [{**common, "question": MARKUP, "end_s": 5.0}])
    write(output, "failures", [{**common, "phase": MARKUP, "category": MARKUP, "message": MARKUP}])
    write(output, "transcripts", [{**common, "page": 1, "source": MARKUP, "note": MARKUP, "grounding": "contradicted",
                                   "findings": [{"kind": "loop", "text": MARKUP, "expected": MARKUP,
                                                 "box": [0.1, 0.1, 0.2, 0.2]}]}])
    write(output, "runs", [{"status": MARKUP, "versions": json.dumps({"canvass-audit": MARKUP})}])
    picture(output, asset, "v", 1)
    return written(job_of(tmp_path, [{"id": "q", "ask": MARKUP + TURNED, "answer": "text", "expect": MARKUP}]),
                   tmp_path / "report.html")


def views_of(page: Page) -> list[str]:
    """All the text that a report shows, view by view, with what it opens."""
    shown = []
    for place in ("#overview", "#findings/0", "#assets/0", "#failures/0"):
        page.evaluate("place => { location.hash = place; }", place)
        if "/" in place:
            expect(page.locator(f"{place.split('/')[0]} .pane")).to_be_visible()
        shown.append(page.locator("main").inner_text())
    return shown


def test_hostile_texts_are_shown_and_do_nothing(hostile: Path, opened: Opened) -> None:
    page = opened(hostile)
    assert all(MARKUP in text for text in views_of(page))
    assert page.locator("main script, main b, main img[src=x], main [onerror]").count() == 0
    assert page.evaluate("document.scripts.length") == 5  # one that runs; index, details of two, a picture
    page.evaluate("location.hash = '#findings/0'")
    page.get_by_role("button", name="Enlarge").click()
    expect(page.get_by_role("dialog").locator(".box.differing")).to_have_count(1)


def test_marks_that_turn_or_hide_text_are_spelled_out(hostile: Path, opened: Opened) -> None:
    page = opened(hostile, "#findings/0")
    expect(page.locator("#findings .pane h2")).to_have_text(MARKUP + SHOWN)
    expect(page.locator("#findings .pane .evidence blockquote")).to_contain_text(SHOWN)
    page.evaluate("location.hash = '#assets/0'")
    expect(page.locator("#assets .pane h2")).to_contain_text(f"b>{SHOWN}.pdf")
    assert not {"\u202e", "\u2066", "\u200b", "\u0007"} & set("".join(views_of(page)))
    titles = page.evaluate("[...document.querySelectorAll('[title]')].map(each => each.title).join()")
    assert SHOWN in titles
    assert "\u202e" not in titles


def test_a_script_that_is_not_the_reports_own_is_refused(hostile: Path, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(hostile.as_uri())
    refused = page.evaluate("""() => new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const image = new Image();
        image.src = 'file:///etc/hostname';
    })""")
    assert refused == "img-src"
    ran = page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        return window.ran;
    }""")
    assert ran is None
    page.close()


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """A report on an answer that a person put right, made of two parts that differ, one asked again twice."""
    common = {"asset": "/in/a.pdf", "version": "v", "question": "q"}
    output = str(tmp_path)
    write(output, "assets", [{"asset": "/in/a.pdf", "version": "v", "status": "ok", "kind": "pdf"}])
    write(output, "answers", [
        {**common, "level": "asset", "source": "human", "status": "answered", "value": "60", "verdict": "fail"},
        {**common, "level": "reviewed", "status": "answered", "value": "90", "confidence": 0.62, "verdict": "pass"},
        *({**common, "level": "chunk", "shard_id": "s", "chunk_id": f"d{place}:p{pages}", "status": "answered",
           "value": value, "confidence": confidence}
          for place, (pages, value, confidence) in enumerate([("1-6", "90", 0.62), ("7-7", "60", 0.58)]))])
    write(output, "requests", [{"asset": "/in/a.pdf", "version": "v", "shard_id": "s", "chunk_id": "d1:p7-7",
                                "budget": 1120, "rungs": ["budget 560", "budget 1120", "effort"]}])
    job = job_of(tmp_path, [{"id": "q", "ask": "How many days?", "answer": "number", "expect": 90}])
    write(output, "reviews", [{**common, "question_fingerprint": asked_now(job)["q"], "value": "60",
                               "engine_value": "90", "note": "see clause 9", "reviewer": "reader",
                               "reviewed_at": MADE_AT}])
    return written(job, tmp_path / "report.html")


def test_a_persons_word_stands_beside_the_engines(reviewed: Path, opened: Opened) -> None:
    page = opened(reviewed, "#findings/0")
    sides = page.locator(".review .sides > div").all_inner_texts()
    assert [side.split("\n")[:2] for side in sides] == [["Person", "60"], ["Engine", "90"]]
    expect(page.locator(".review")).to_contain_text("A person says otherwise")
    expect(page.locator(".review")).to_contain_text("see clause 9")
    expect(page.locator(".review")).to_contain_text("reader, 2026-03-01 12:00 UTC")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".card", has_text="Reviewed by a person")).to_contain_text("0 (0 %)")


def test_answers_that_the_page_contradicts_are_counted_and_found(many: Path, opened: Opened) -> None:
    page = opened(many)
    page.get_by_role("link", name="3,333 contradicted by the page").click()
    expect(page.locator("#findings output")).to_have_text("3,333 of 10,000")
    expect(page.locator("#findings .rows .grounding").first).to_have_text("contradicted")


def test_answers_that_are_not_on_the_page_are_counted_and_found_also_of_a_question_that_is_no_longer_asked(
        tmp_path: Path, opened: Opened) -> None:
    write(str(tmp_path), "assets", [{"asset": "/in/a.pdf", "version": "v", "status": "ok", "kind": "pdf"}])
    write(str(tmp_path), "answers", [
        {"asset": "/in/a.pdf", "version": "v", "question": question, "level": "asset", "status": "answered",
         "value": "x", "grounding": grounding} for question, grounding in (("former", "absent"), ("q", "exact"))])
    page = opened(written(job_of(tmp_path, [{"id": "q", "ask": "What?", "answer": "text"}]), tmp_path / "report.html"))
    page.get_by_role("link", name="1 not on the page").click()
    expect(page.locator("#findings output")).to_have_text("1 of 2")
    expect(page.locator("#findings .rows .grounding")).to_have_text("absent")
    page.get_by_role("link", name="Overview").click()
    page.locator(".questions li", has_text="former").get_by_role("link").click()
    expect(page.locator("#findings output")).to_have_text("1 of 2")


def test_parts_that_differ_and_the_rungs_that_were_climbed_are_shown(reviewed: Path, opened: Opened) -> None:
    page = opened(reviewed, "#findings/0")
    parts = page.locator(".pane section", has_text="Its parts differ").locator("tbody tr")
    assert [text.split("\t")[:2] for text in parts.all_inner_texts()] == [["Pages 1–6", "90"], ["Page 7", "60"]]
    assert page.locator(".rungs li").all_inner_texts() == [
        "budget 560", "budget 1120", "effort", "settled at 1,120 tokens a picture"]
    page.locator("#findings select[name=mark]").select_option("climbed")
    expect(page.locator("#findings output")).to_have_text("1 of 1")
