"""docs/refused.md shows exactly the attacks that are run against a node, where, and what each is told."""

import re

from support.thieves.scene import EVERYWHERE
from support.thieves.table import ATTACKS, CELLS
from support.tree import ROOT

PAGE = ROOT / "docs" / "refused.md"
ROW = re.compile(r"^\| (.+) \| ([a-z, -]+) \| `([a-z-]+)` \|$", re.MULTILINE)


def test_the_page_has_a_row_for_each_attack_and_no_other() -> None:
    rows = ROW.findall(PAGE.read_text().partition("## Every attack")[2])
    shown = [(name, EVERYWHERE if over == "all" else tuple(over.split(", ")), reason) for name, over, reason in rows]
    assert shown == [(each.name, each.over, each.reason) for each in ATTACKS]


def test_no_two_attacks_share_a_name() -> None:
    assert len({each.name for each in ATTACKS}) == len(ATTACKS)
    assert len(CELLS) > 200
