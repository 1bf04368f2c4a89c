"""Every rule of the specification that code, tests or pages quote exists in protocol/SPEC.md."""

import re
from collections.abc import Iterator

import pytest

from support.tree import ROOT, repository_files

QUOTING = (".py", ".js", ".mjs", ".ts", ".md", ".toml", ".vy", ".sql")
RULE = re.compile(r"\*\*(\d+\.\d+)\*\*")
SECTION = re.compile(r"^#+ (\d+)\. ", re.MULTILINE)
NUMBER = r"\d+(?:\.\d+)?"
QUOTE = re.compile(rf"\bSPEC(?:\.md)?\s+({NUMBER}(?:(?:,\s*|\s+and\s+|\s+or\s+|-){NUMBER})*)")


def quoted_rules(text: str) -> Iterator[tuple[int, str]]:
    """(line number, rule number) for each number of each quote, the ends of ranges included."""
    for quote in QUOTE.finditer(text):
        line = text.count("\n", 0, quote.start()) + 1
        for number in re.findall(NUMBER, quote[1]):
            yield line, number


def known_rules() -> set[str]:
    spec = (ROOT / "protocol" / "SPEC.md").read_text()
    return {*RULE.findall(spec), *SECTION.findall(spec)}


def test_every_quoted_rule_exists() -> None:
    known = known_rules()
    unknown = [
        f"{path.relative_to(ROOT)}:{line}: SPEC {number}"
        for path in repository_files(*QUOTING)
        for line, number in quoted_rules(path.read_text())
        if number not in known
    ]
    assert not unknown, "\n".join(["quotes of rules that protocol/SPEC.md does not have:", *unknown])


def test_no_rule_number_stands_for_two_rules() -> None:
    numbers = RULE.findall((ROOT / "protocol" / "SPEC.md").read_text())
    assert numbers
    assert sorted(set(numbers)) == sorted(numbers)


SPEC = "SPEC"  # kept apart from the numbers below, which are examples and no quotes


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (f"# [REJECT] too large ({SPEC} 4.3)", ["4.3"]),
        (f"{SPEC} 4.13, 4.14 and 5.1", ["4.13", "4.14", "5.1"]),
        (f"{SPEC} 4.10-4.12", ["4.10", "4.12"]),
        (f"{SPEC} 4.4 or 4.13.", ["4.4", "4.13"]),
        (f"see {SPEC} 7.", ["7"]),
        (f"the {SPEC} says so, in 4.3", []),
    ],
)
def test_quotes_are_read_as_people_write_them(text: str, numbers: list[str]) -> None:
    assert [number for _line, number in quoted_rules(text)] == numbers
