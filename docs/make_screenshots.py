"""Take the pictures of the report that README and guide show, from finished demo runs.

    vlreward-bench demo --out DEMO
    vlreward-train-demo --out TRAINING
    python docs/make_screenshots.py DEMO/report.html TRAINING/report.html

Without TRAINING its pictures stay as they are. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
SHOTS = (
    # name, report, width, height, address, section to scroll to
    ("report-summary", "demo", 1180, 620, "", None),
    ("report-samples", "demo", 1180, 820, "#s:suite=scenes_rec_test%5B120%5D&sort=m%3Aiou", None),
    ("report-training", "training", 1280, 820, "", "#training"),
    ("report-fixed", "training", 1280, 900, "#s:compare=1&pair=fixed", None),
)


def main() -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("demo", type=Path, help="report.html of vlreward-bench demo")
    parser.add_argument("training", type=Path, nargs="?", help="report.html of vlreward-train-demo")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    given = {"demo": options.demo, "training": options.training}
    reports = {name: path.resolve() for name, path in given.items() if path is not None}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox"]
        )
        for name, report, width, height, address, section in SHOTS:
            if report not in reports:
                continue
            page = browser.new_page(
                viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            page.goto(reports[report].as_uri() + address)
            page.wait_for_selector("html[data-ready=true]")
            if section is not None:
                page.locator(section).scroll_into_view_if_needed()
                page.evaluate(f"document.querySelector('{section}').scrollIntoView()")
            page.wait_for_timeout(400)
            shot = Image.open(io.BytesIO(page.screenshot()))
            shot.convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
