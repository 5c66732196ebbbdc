"""Takes the picture of the page for the README: python docs/make_screenshot.py URL FILE.png.

Needs the development requirements and Debian's chromium.
"""

import argparse
import shutil
import sys

from playwright.sync_api import sync_playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def take(url: str, file: str, chromium: str, height: int) -> None:
    """The upper part of the page as a phone of 360 px width shows it, in double resolution."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 360, "height": height}, device_scale_factor=2)
        page.goto(url)
        page.screenshot(path=file)
        browser.close()


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("url")
    words.add_argument("file")
    words.add_argument("--height", type=int, default=900, help="of the picture [CSS px]")
    asked = words.parse_args()
    if not (chromium := shutil.which("chromium")):
        sys.stderr.write("chromium is missing; install it: apt install chromium\n")
        return 69
    take(asked.url, asked.file, chromium, asked.height)
    return 0


if __name__ == "__main__":
    sys.exit(main())
