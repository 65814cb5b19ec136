"""Take the pictures of the report that the README shows, from recorded completions.

    python docs/make_screenshots.py RECORDED_DATA [--chromium /usr/bin/chromium]

RECORDED_DATA is the directory with `recorded/`, `annotations/` and `images/`. Needs Playwright.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SHOTS = (
    # name, width, height, scheme, address, selector to photograph (None: the window)
    ("report-summary-light", 1320, 900, "light", "", None),
    ("report-summary-dark", 1320, 900, "dark", "", None),
    ("report-comparison", 1320, 700, "light", "#comparison", None),
    ("report-how", 1320, 900, "light", "#how-0-refcoco_val", None),
    ("report-plots", 1320, 1000, "light", "#plots", None),
    ("report-samples-light", 1320, 980, "light", "#s:suite=carrots", "#samples"),
    ("report-comparison-dark", 1320, 1000, "dark", "#s:run=0&compare=1&suite=carrots", "#samples"),
    ("report-gallery", 1320, 900, "light", "#s:suite=superclevr_10&view=grid", "#samples"),
    ("report-phone", 390, 844, "light", "", None),
    ("report-phone-samples", 390, 844, "dark", "#s:suite=carrots", None),
)


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.bench.report.recorded_runs import recorded_run, write_run
    from vlreward.bench.report import write_report

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", help="take only the pictures whose name holds this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        runs = [
            write_run(Path(name, flavour), recorded_run(options.data, flavour), model=model)
            for flavour, model in (("before", "Qwen2.5-VL-3B, SFT"), ("after", "Qwen2.5-VL-3B, R1"))
        ]
        page_file = write_report(
            runs, Path(name, "report.html"), image_root=options.data / "images",
            title="Before and after GRPO",
        )  # fmt: skip
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox"]
        )
        options.out.mkdir(parents=True, exist_ok=True)
        for shot, width, height, scheme, address, selector in SHOTS:
            if options.only and options.only not in shot:
                continue
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.goto(page_file.as_uri() + address)
            page.wait_for_selector("html[data-ready=true]")
            page.wait_for_timeout(400)
            if shot == "report-phone-samples":
                page.locator("[role=option]").first.click()
                page.wait_for_timeout(300)
            target = options.out / f"{shot}.png"
            if selector:
                page.locator(selector).screenshot(path=target)
            else:
                page.screenshot(path=target)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
