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
    # name, width, height, colour scheme, address
    ("report-summary-light", 1320, 700, "light", ""),
    ("report-summary-dark", 1320, 700, "dark", ""),
    ("report-comparison", 1320, 480, "light", "#comparison"),
    ("report-plots", 1320, 860, "light", "#plots"),
    ("report-how", 1320, 640, "light", "#how-0-refcoco_val"),
    ("report-samples-light", 1320, 1040, "light", "#s:suite=one_image"),
    ("report-samples-dark", 1320, 1040, "dark", "#s:suite=refcoco_val&compare=1&pair=fixed"),
    ("report-comparison-samples", 1320, 1040, "light", "#s:compare=1&suite=one_image"),
    ("report-gallery", 1320, 760, "light", "#s:suite=ten_scenes&view=grid"),
    ("report-phone", 390, 844, "light", ""),
    ("report-phone-sample", 390, 844, "dark", "#s:suite=one_image"),
)

# The recordings do not say how they were made, so neither do the pictures.
UNSTATED = dict.fromkeys(
    ("method", "prompt", "prompt_hash", "frame_declared_by", "task_version", "file_sha256")
) | {"protocol": "as recorded"}


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.bench.report.recorded_runs import MODELS, recorded_run, write_run
    from vlreward.bench.report import write_report

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", help="take only the pictures whose name holds this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        runs = []
        for flavour in ("baseline", "grpo"):
            models = {suite: names[flavour] for suite, names in MODELS.items()}
            suites = recorded_run(options.data, flavour)
            runs.append(write_run(Path(name, flavour), suites, models, **UNSTATED))
        page_file = write_report(
            runs, Path(name, "report.html"), image_root=options.data / "images",
            title="Recorded completions, baseline and GRPO",
        )  # fmt: skip
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox"]
        )
        options.out.mkdir(parents=True, exist_ok=True)
        for shot, width, height, scheme, address in SHOTS:
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
            if shot == "report-phone-sample":
                page.locator("[role=option]").first.click()
                page.wait_for_timeout(300)
            page.screenshot(path=options.out / f"{shot}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
