"""One way to say that something is refused, and why."""

from collections.abc import Callable
from typing import Any

import pytest

from pushmesh_protocol.errors import Refusal


def refusal_of(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str]:
    """(reason, rule) of the Refusal that the call raises; a call that raises none fails the test."""
    with pytest.raises(Refusal) as caught:
        call(*args, **kwargs)
    return str(caught.value.reason), caught.value.rule


def refused_by(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Refusal:
    """The Refusal that the call raises; a call that raises none fails the test."""
    with pytest.raises(Refusal) as caught:
        call(*args, **kwargs)
    return caught.value
