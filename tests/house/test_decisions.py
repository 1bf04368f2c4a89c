"""docs/adr: each page has a number of its own, and the index names it as the page names itself."""

import re

from support.tree import ROOT

FOLDER = ROOT / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
TITLE = re.compile(r"# (\d+)\. (.+)\n")


def test_numbers_follow_one_another_and_stand_in_the_title_too() -> None:
    titles = [TITLE.match(page.read_text()) for page in PAGES]
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    assert [title and int(title[1]) for title in titles] == list(range(1, len(PAGES) + 1))


def test_the_index_has_a_line_for_each_page() -> None:
    lines = [f"{title[1]}. [{title[2]}]({page.name})" for page in PAGES if (title := TITLE.match(page.read_text()))]
    listed = [line for line in (FOLDER / "README.md").read_text().splitlines() if re.match(r"\d+\. ", line)]
    assert listed == lines, "docs/adr/README.md lists every page by its own title"
