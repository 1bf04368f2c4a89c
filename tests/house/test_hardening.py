"""docs/peer-hardening.md names tests that exist, and speaks of each of the twenty defects."""

import ast
import re

from support.tree import ROOT

PAGE = ROOT / "docs" / "peer-hardening.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROW = re.compile(r"^\| (D\d+) \|.*$", re.MULTILINE)


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 40
    found = {path: names_in(path) for path in {path for path, _ in named} if (ROOT / path).is_file()}
    missing = [f"{path}::{name}" for path, name in named if name not in found.get(path, ())]
    assert not missing, "\n".join(["docs/peer-hardening.md names tests that do not exist:", *missing])


def test_each_of_the_twenty_defects_has_its_row_with_a_test() -> None:
    rows = {row[1]: row[0] for row in ROW.finditer(PAGE.read_text())}
    assert list(rows) == [f"D{n}" for n in range(1, 21)]
    assert [name for name, row in rows.items() if not NAMED.search(row)] == []
