"""How fast a report of 10,000 findings is in a browser: script time of its first paint, and of a filter.

Output tables of made-up rows are reported on and opened from disk in Debian's Chromium, headless, on this machine.
Script time is Chromium's own `ScriptDuration`, in seconds of the page's thread: for the first paint of the list, with
all unpacking and parsing that comes before it, and for a filter that is put in at once. Each is the median of five.
Given are also the size of the file, the seconds that gathering and writing took, and the rows of the list that exist.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import report_rows
from playwright.sync_api import CDPSession, sync_playwright

from jobs.report.build import write_report
from jobs.report.data import gather
from schemas.job import Job

TARGET_S = 1.0
TIMES = 5
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    """Make the tables and the report, open it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 findings")
    count = 1_000 if parser.parse_args().quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        job = Job.model_validate({"name": "many", "inputs": ["/corpus"], "output": folder,
                                  "checklist": report_rows.checklist()})
        report_rows.many_findings(folder, count)
        started = time.monotonic()
        written = write_report(gather(job), folder, Path(folder) / "report.html", 50)
        figures = {"findings": count, "megabytes": round(written.size / 1e6, 2),
                   "writing_s": round(time.monotonic() - started, 2), "target_s": TARGET_S, **_opened(written.path)}
    print(f"first paint {figures['first_paint_s']} s, filter {figures['filter_s']} s of script (target: at most "
          f"{TARGET_S} s each)")
    print(json.dumps(figures, sort_keys=True))


def _opened(path: Path) -> dict[str, Any]:
    paints, filters, rows = [], [], 0
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(TIMES):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            page.goto(path.as_uri() + "#findings")
            page.wait_for_selector("#findings .rows .row")
            paints.append(_script_seconds(session))
            rows = max(rows, page.locator("#findings .rows .row").count())
            page.fill("#findings input[type=search]", "no. 777")
            page.wait_for_function("document.querySelector('#findings output').textContent.match(/^[0-9]{1,2} of/)")
            filters.append(_script_seconds(session) - paints[-1])
            page.close()
        browser.close()
    return {"first_paint_s": round(statistics.median(paints), 3), "filter_s": round(statistics.median(filters), 3),
            "rows": rows}


def _script_seconds(session: CDPSession) -> float:
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in found if each["name"] == "ScriptDuration"))


if __name__ == "__main__":
    main()
