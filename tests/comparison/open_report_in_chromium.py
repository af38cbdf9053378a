#!/usr/bin/env python3
"""Opens a report in Chromium, without a window, and checks that its scripts ran through.

    python open_report_in_chromium.py report.html [chromium]

Needs Chromium or Chrome, by its usual names or as the second argument; without one it says SKIPPED.
Checks: the page says that it is ready and has no error; every area of its data stands in the list;
every panel has a heading and a figure.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,900",
    "--virtual-time-budget=5000",
)


def check(condition, message):
    if not condition:
        sys.exit(f"{sys.argv[1]}: {message}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    page = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or NAMES
    chromium = next((path for path in map(shutil.which, names) if path), None)
    if chromium is None:
        print(f"SKIPPED: found none of {', '.join(names)}, expected a Chromium to open {page} with")
        return
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *OPTIONS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 0, f"{chromium} ended with {done.returncode}: {done.stderr[-500:]}")
    root = re.search(r"<html[^>]*>", done.stdout)
    check(root is not None, f"{chromium} gave no page")
    error = re.search(r'data-error="([^"]*)"', root.group())
    check(error is None, f"error in the page: {error and error.group(1)}")
    check('data-ready="true"' in root.group(), f"found {root.group()}, expected data-ready")
    data = re.search(r'id="data">(.*?)</script>', done.stdout, re.S)
    areas = json.loads(data.group(1))["areas"]
    listed = re.findall(r'role="option" id="area-\d+"', done.stdout)
    check(len(listed) == len(areas), f"found {len(listed)} areas in the list, expected {len(areas)}")
    panels = re.findall(r'<section class="card[^>]*id="(\w+)".*?</section>', done.stdout, re.S)
    drawn = re.findall(r'<div class="figure"><(?!/div)', done.stdout)
    check(panels and len(drawn) == len(panels), f"found {len(drawn)} figures in panels {panels}")
    print(f"ok: {len(areas)} areas, panels {', '.join(panels)}")


if __name__ == "__main__":
    main()
