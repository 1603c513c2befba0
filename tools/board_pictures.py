"""Script behind `make screenshots`, which draws every page of the board in both themes and two widths.

With `--readme`, it draws the two pictures in docs/images instead.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
HEIGHT = 900
SETTLED_MS = 800
"""Time to wait until the browser has drawn the loaded charts and images."""
README = {"board-light": ("light", "experiment"), "board-dark": ("dark", "groups")}
"""Pictures of the README: the theme and the page of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the pages of the board.")
    parser.add_argument("--store", default="demo-runs", help="store whose runs are shown")
    parser.add_argument("--experiment", default="digits", help="experiment that is shown")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots", help="folder for the pictures")
    parser.add_argument("--readme", action="store_true", help="write the two pictures of the README instead")
    options = parser.parse_args()
    with _server(options.store) as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if options.readme:
            _draw_readme(browser, link, options.experiment)
        else:
            _draw_all(browser, link, options.experiment, options.out)
        browser.close()


@contextmanager
def _server(store: str) -> Iterator[str]:
    """Start the board on a free port and yield the link that opens it."""
    command = [sys.executable, "-m", "runfolio", "board", "--store", store, "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(match[0] for line in process.stdout if (match := re.search(r"http://\S+", line)))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _draw_all(browser: Browser, link: str, experiment: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        for width in (1440, 400):
            page = _open(browser, link, theme, width)
            for name, path in _pages(page, experiment).items():
                _show(page, path)
                page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
            page.context.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


def _draw_readme(browser: Browser, link: str, experiment: str) -> None:
    for name, (theme, page_name) in README.items():
        page = _open(browser, link, theme, 1440)
        _show(page, _pages(page, experiment)[page_name])
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        # A palette of 256 colours makes the file a third as large, and every run keeps its own colour.
        picture = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        picture.save(ROOT / f"docs/images/{name}.png", optimize=True)
        page.context.close()


def _open(browser: Browser, link: str, theme: str, width: int) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme=theme,  # type: ignore[arg-type]
        base_url=link.partition("?")[0],
    )
    context.request.get(link)
    return context.new_page()


def _pages(page: Page, experiment: str) -> dict[str, str]:
    """Return the path of each page, keyed by the name of its picture."""
    runs = page.request.get(f"api/runs?experiment={quote(experiment)}").json()
    home, run = f"e/{quote(experiment, safe='')}?v=1", f"r/{runs['keys'][0]}?v=1"
    return {
        "experiment": home,
        "table": f"{home}&layout=table",
        "charts": f"{home}&layout=charts",
        "groups": f"{home}&group=model",
        "run": run,
        **{f"run-{tab}": f"{run}&tab={tab}" for tab in ("media", "console", "code", "system", "files")},
        "trash": "trash?v=1",
    }


def _show(page: Page, path: str) -> None:
    page.goto(path)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_timeout(SETTLED_MS)
    expect(page.locator("main").get_by_text("Loading")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(SETTLED_MS)


if __name__ == "__main__":
    main()
