"""The report of a real audit, opened from disk in Chromium when the objects that were audited are gone."""

from __future__ import annotations

import io
import shutil
import threading
from pathlib import Path

import bad_inputs
import numpy as np
import numpy.typing as npt
import pymupdf
import pytest
from PIL import Image
from pipelines import Runner
from playwright.sync_api import Locator, Page, expect
from screens import PHONE, WIDE, Opened

from jobs.report.build import write_report
from jobs.report.data import gather
from jobs.report.serving import server
from schemas.job import Job

DEMO = Path(__file__).resolve().parents[2] / "infra" / "demo" / "corpus"
RED = (200, 0, 0)
CHECKLIST = [
    {"id": "notice", "ask": "How many days of notice end the agreement?", "answer": "number", "expect": 90,
     "look_for": ["Notice period"], "severity": "high"},
    {"id": "law", "ask": "Which law governs it?", "answer": "text", "look_for": ["Governing law"]},
    {"id": "signed", "ask": "Is it signed?", "answer": "yes/no", "expect": "yes"},
    {"id": "gate_open", "ask": "When is gate 4 open?", "answer": "event", "look_for": ["GATE 4 OPEN"]},
]


@pytest.fixture(scope="session")
def job(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A contract whose notice period is printed in red on its second page, a dock camera, a web page named .pdf."""
    folder = tmp_path_factory.mktemp("audited")
    (folder / "in").mkdir()
    with pymupdf.open() as document:
        document.new_page(width=595, height=842).insert_text((72, 100), "Agreement on the supply of pumps", fontsize=12)
        page = document.new_page(width=595, height=842)
        page.insert_text((72, 300), "Notice period:", fontsize=14)
        page.insert_text((240, 300), "60", fontsize=14, color=[each / 255 for each in RED])
        page.insert_text((290, 300), "days", fontsize=14)
        page.insert_text((72, 500), "Governing law: England and Wales", fontsize=14)
        document.save(folder / "in" / "contract.pdf")
    shutil.copy(DEMO / "dock-camera.mp4", folder / "in")
    bad_inputs.wrong_content(folder / "in" / "page.pdf")
    run(folder, checklist=CHECKLIST)
    shutil.rmtree(folder / "in")
    return Job.model_validate({"name": "audited", "inputs": [str(folder / "in")], "output": str(folder / "out"),
                               "checklist": CHECKLIST})


@pytest.fixture(scope="session")
def report(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(gather(job), job.output, target, 50).path


def rows(page: Page, view: str = "findings") -> Locator:
    return page.locator(f"#{view} .rows .row")


def pixels(place: Locator) -> npt.NDArray[np.int16]:
    """What is shown of an element, as RGB."""
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB"), np.int16)


def bounds(hit: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The box around what is hit: left, top, right, bottom, in px."""
    columns, lines = np.flatnonzero(hit.any(0)), np.flatnonzero(hit.any(1))
    return columns[0], lines[0], columns[-1] + 1, lines[-1] + 1


def test_the_overview_says_what_failed_what_was_seen_and_what_it_cost(report: Path, opened: Opened) -> None:
    page = opened(report)
    tiles = {text.replace("\n", " ") for text in page.locator(".tile").all_inner_texts()}
    assert tiles >= {"1 check failed", "4 answers unsure", "0 checks passed", "2 of 3 objects read whole",
                     "100 % of pages and frames seen"}
    expect(page.locator(".card", has_text="What failed")).to_contain_text("probe: unsupported")
    expect(page.locator(".card", has_text="Which engine spoke")).to_contain_text("embedded")
    page.get_by_role("link", name="Fail: 1").click()
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#findings output")).to_have_text("1 of 7")


def test_filters_narrow_the_list_together(report: Path, opened: Opened) -> None:
    page = opened(report, "#findings")
    expect(page.locator("#findings output")).to_have_text("7 of 7")
    page.locator("#findings .chip.unsure").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_label("Any question").select_option("signed")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("searchbox").fill("CONTRACT signed")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("contract.pdf")
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("No finding is like that.")).to_be_visible()
    assert rows(page).count() == 0


def test_a_list_is_sorted_by_its_heads_up_down_and_back(report: Path, opened: Opened) -> None:
    page = opened(report, "#findings")
    first = page.locator("#findings .rows .object").first
    head = page.get_by_role("columnheader", name="Object")
    by_worst = first.inner_text()
    for said, name in (("ascending", "contract.pdf"), ("descending", "dock-camera.mp4")):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", said)
        expect(first).to_have_text(name)
    head.get_by_role("button").click()
    expect(first).to_have_text(by_worst)


def test_everything_is_reached_by_keyboard(report: Path, opened: Opened) -> None:
    page = opened(report, "#findings")
    page.keyboard.press("/")
    expect(page.locator("#findings input[type=search]")).to_be_focused()
    page.keyboard.type("agreement")
    expect(page.locator("#findings output")).to_have_text("2 of 7")
    page.keyboard.press("Escape")
    expect(page.locator("#findings output")).to_have_text("7 of 7")
    page.keyboard.press("ArrowDown")
    grid = page.get_by_role("grid", name="Findings")
    expect(grid).to_be_focused()
    assert grid.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("row", selected=True)).to_have_count(1)
    assert grid.get_attribute("aria-activedescendant") == page.get_by_role("row", selected=True).get_attribute("id")
    page.keyboard.press("Enter")
    expect(page.locator("#findings .pane h2")).to_have_text("How many days of notice end the agreement?")
    page.keyboard.press("End")
    expect(page.locator("#findings .pane .value")).to_have_text("England and Wales")
    page.keyboard.press("Home")
    expect(page.locator("#findings .pane .value")).to_have_text("60")
    page.keyboard.press("Escape")
    expect(page.locator("#findings .pane")).to_be_hidden()
    expect(grid).to_be_focused()


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_box_of_a_finding_lies_around_the_words_that_it_rests_on(
        report: Path, opened: Opened, size: tuple[int, int]) -> None:
    page = opened(report, "#findings/0", size)
    paper = page.locator("#findings .gallery .paper")
    expect(paper.locator("img")).to_be_visible()
    drawn = paper.locator(".box")
    expect(drawn).to_have_count(1)
    drawn.scroll_into_view_if_needed()
    outer, inner = paper.bounding_box(), drawn.bounding_box()
    assert outer is not None
    assert inner is not None
    for covering in (drawn, page.locator("#findings .pane-head")):
        covering.evaluate("each => { each.style.visibility = 'hidden'; }")
    red, green, blue = np.moveaxis(pixels(paper), 2, 0)
    left, top, right, bottom = bounds((red - green > 60) & (red - blue > 60))
    scale = outer["width"] / 595
    x, y = inner["x"] - outer["x"], inner["y"] - outer["y"]
    reach = 6 * scale  # pt: above the digits a box holds what the line leaves for taller letters
    assert x - 1 <= left
    assert right <= x + inner["width"] + 1
    assert y - 1 <= top
    assert bottom <= y + inner["height"] + 1
    assert (left - x, x + inner["width"] - right) < (reach, reach)
    assert (top - y, y + inner["height"] - bottom) < (reach, reach)
    assert abs(left - 240 * scale) < 3 * scale


def test_the_cut_out_of_a_finding_shows_the_words_in_its_box(report: Path, opened: Opened) -> None:
    page = opened(report, "#findings/0")
    crop = page.locator(".evidence .crop")
    expect(crop.locator("canvas")).to_be_visible()
    outer, inner = crop.bounding_box(), crop.locator(".box").bounding_box()
    assert outer is not None
    assert inner is not None
    crop.locator(".box").evaluate("each => { each.style.visibility = 'hidden'; }")
    red, green, blue = np.moveaxis(pixels(crop), 2, 0)
    left, top, right, bottom = bounds((red - green > 60) & (red - blue > 60))
    x, y = inner["x"] - outer["x"], inner["y"] - outer["y"]
    assert x - 2 <= left < right <= x + inner["width"] + 2
    assert y - 2 <= top < bottom <= y + inner["height"] + 2
    assert right - left > inner["width"] / 2


def test_a_page_is_enlarged_with_its_box_and_closed_by_escape(report: Path, opened: Opened) -> None:
    page = opened(report, "#findings/0")
    page.get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img")).to_be_visible()
    expect(dialog.locator(".box")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#findings .pane")).to_be_visible()
    expect(page.get_by_role("button", name="Enlarge")).to_be_focused()


def test_a_video_shows_its_events_scenes_and_texts_over_one_axis(report: Path, opened: Opened) -> None:
    page = opened(report, "#assets")
    rows(page, "assets").filter(has_text="dock-camera.mp4").click()
    pane = page.locator("#assets .pane")
    strip, event = (pane.locator(".lane", has_text="gate_open").locator(each) for each in (".strip", ".stretch.event"))
    outer, inner = strip.bounding_box(), event.bounding_box()
    assert outer is not None
    assert inner is not None
    assert (inner["x"] - outer["x"]) / outer["width"] == pytest.approx(3 / 12, abs=0.01)
    assert inner["width"] / outer["width"] == pytest.approx(5 / 12, abs=0.01)
    expect(pane.locator(".lane", has_text="Text on screen")).to_contain_text("GATE 4 OPEN")
    picture = pane.locator(".film img")
    expect(picture).to_have_js_property("naturalWidth", 320)
    pane.get_by_role("link", name="When is gate 4 open?").click()
    expect(page.locator("#findings .pane .answer")).to_contain_text("0:03 – 0:08")
    frames = page.locator("#findings .gallery")
    expect(frames.get_by_role("tab")).to_have_text(["0:03", "0:05", "0:07"])
    expect(frames.locator(".paper .box")).to_have_count(1)
    frames.get_by_role("tab", name="0:03").press("ArrowRight")
    expect(frames.get_by_role("tab", name="0:05")).to_have_attribute("aria-selected", "true")


def test_an_object_that_could_not_be_read_says_why(report: Path, opened: Opened) -> None:
    page = opened(report, "#failures")
    rows(page, "failures").click()
    expect(page.locator("#failures .pane")).to_contain_text("it looks like HTML")


def test_a_phone_shows_everything_in_its_width_and_goes_back(report: Path, opened: Opened) -> None:
    page = opened(report, "", PHONE)
    for view in ("Overview", "Objects", "Failures", "Findings"):
        page.locator("#views a", has_text=view).click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    rows(page).first.click()
    pane = page.locator("#findings .pane")
    expect(pane.locator(".gallery img")).to_be_visible()
    assert pane.bounding_box() == {"x": 0, "y": 0, "width": PHONE[0], "height": PHONE[1]}
    assert pane.evaluate("each => each.scrollWidth") == PHONE[0]
    page.go_back()
    expect(pane).to_be_hidden()
    expect(rows(page).first).to_be_visible()


def test_dark_follows_the_system_and_is_switched(report: Path, opened: Opened) -> None:
    page = opened(report, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = page.evaluate(ground)
    assert (dark, light) == ("rgb(17, 21, 27)", "rgb(244, 245, 247)")


def test_pictures_that_were_left_out_are_said(job: Job, tmp_path: Path, opened: Opened,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = gather(job)
    texts = write_report(gathered, job.output, tmp_path / "whole.html", 50).size - sum(
        -(-each.size // 3) * 4 for each in gathered.pictures)
    monkeypatch.setattr("jobs.report.build.MEGABYTE", texts)
    written = write_report(gathered, job.output, tmp_path / "small.html", 1)
    assert written.pictures == 0
    page = opened(written.path)
    expect(page.locator(".card", has_text="This report")).to_contain_text(
        f"0 of {written.left_out}: {written.left_out} were left out to keep the file small")
    page.goto(written.path.as_uri() + "#findings/0")
    expect(page.locator("#findings .gallery .missing")).to_contain_text("left out to keep the report small")
    expect(page.locator("#findings .gallery img")).to_have_count(0)


def test_a_served_report_reads_its_pictures_from_the_output(job: Job, opened: Opened) -> None:
    with server(gather(job), job.output) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        page = opened(f"http://127.0.0.1:{running.server_port}/", "#findings/0")
        image = page.locator("#findings .gallery img")
        expect(image).to_be_visible()
        assert image.get_attribute("src") == "picture/0"
        assert image.evaluate("each => each.naturalWidth") > 500
        running.shutdown()
        thread.join()
