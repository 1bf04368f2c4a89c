import pytest

from pushmesh_protocol.reasons import REJECTS, Reason, Verdict, verdict_of
from support.tree import ROOT


def test_ok_is_accepted_and_nothing_else_is() -> None:
    assert [reason for reason in Reason if verdict_of(reason) is Verdict.ACCEPT] == [Reason.OK]


def test_a_reason_is_rejected_or_ignored_by_itself_alone() -> None:
    assert {reason for reason in Reason if verdict_of(reason) is Verdict.REJECT} == REJECTS


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.IGNORE])
def test_verdicts_are_those_of_the_specification(verdict: Verdict) -> None:
    text = (ROOT / "protocol" / "SPEC.md").read_text()
    named = {part.split("`")[1] for part in text.split(f"{verdict.name} ")[1:] if part.startswith("`")}
    assert named, "the specification names reasons beside their verdict"
    assert {Reason(name) for name in named if verdict_of(Reason(name)) is not verdict} == set()
