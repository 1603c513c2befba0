"""Program behind `make docs`. It regenerates the reference pages, or lists the stale pages if `--check` is given."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generators.api_pages import api_pages
from docs.generators.cli_page import cli_page

DOCS = Path(__file__).parents[1]


def generated_pages() -> dict[str, str]:
    """Return the text of every generated page, keyed by the path of the page below `docs`."""
    return {"cli.md": cli_page(), **api_pages()}


def stale_pages() -> list[str]:
    """Return the pages whose files differ from the generated text, and the files in `api/` that belong to no page."""
    pages = generated_pages()
    stale = [name for name, text in pages.items() if _read(DOCS / name) != text]
    unknown = [f"api/{path.name}" for path in (DOCS / "api").glob("*.md") if f"api/{path.name}" not in pages]
    return sorted(stale + unknown)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> None:
    if "--check" in sys.argv[1:]:
        stale = stale_pages()
        sys.exit(f"stale: {', '.join(stale)}; run `make docs`" if stale else 0)
    (DOCS / "api").mkdir(exist_ok=True)
    for name, text in generated_pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
