"""Take the pictures of the report that the README shows, from finished demo runs.

    vlreward-bench demo --out DEMO
    vlreward-train-demo --out TRAINING
    python docs/make_screenshots.py DEMO/report.html TRAINING/report.html

Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
SHOTS = (
    # name, report, width, height, address, section to scroll to
    ("report-summary", "demo", 1280, 560, "", None),
    ("report-samples", "demo", 1280, 900, "#s:suite=scenes_rec_test%5B120%5D", None),
    ("report-training", "training", 1280, 820, "", "#training"),
    ("report-fixed", "training", 1280, 900, "#s:compare=1&pair=fixed", None),
)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("demo", type=Path, help="report.html of vlreward-bench demo")
    parser.add_argument("training", type=Path, help="report.html of vlreward-train-demo")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    reports = {"demo": options.demo.resolve(), "training": options.training.resolve()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox"]
        )
        for name, report, width, height, address, section in SHOTS:
            page = browser.new_page(
                viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            page.goto(reports[report].as_uri() + address)
            page.wait_for_selector("html[data-ready=true]")
            if section is not None:
                page.locator(section).scroll_into_view_if_needed()
                page.evaluate(f"document.querySelector('{section}').scrollIntoView()")
            page.wait_for_timeout(400)
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
