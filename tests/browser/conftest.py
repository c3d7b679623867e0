"""What the tests of the report share: Debian's Chromium, and pages that must neither complain nor ask the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parents[1] / "infra" / "bench")]

from screens import WIDE, Opened  # noqa: E402

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Opened]:
    """Opens a report at a place in it. When the test ends, no page may have complained or asked for anything else."""
    contexts, complaints, asked = [], [], []

    def open_(report: Path | str, place: str = "", size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme,
                                       reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        address = report if isinstance(report, str) else report.as_uri()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(
            (address, "data:", "blob:")) else None)
        page.goto(address + place)
        page.wait_for_selector("#wait", state="detached")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked == []
