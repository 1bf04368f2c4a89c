"""Checks that several kinds share."""

from collections.abc import Iterable
from typing import Any

from ..errors import Refusal
from ..reasons import Reason


def malformed(rule: str, detail: str) -> Refusal:
    """A refusal for bytes that break a layout rule."""
    return Refusal(Reason.MALFORMED, rule, detail)


def check_ascending(rule: str, member: str, values: Iterable[Any]) -> None:
    """Raise Refusal unless every value is greater than the one before it."""
    previous = None
    for value in values:
        if previous is not None and not previous < value:
            raise malformed(rule, f"{member} is not in strictly ascending order")
        previous = value
