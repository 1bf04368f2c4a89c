from typing import Any

import pytest

from pushmesh_protocol.kinds import Kind
from support.kinds import PASSES, outcome


def test_node_binding_of_the_right_sizes_passes() -> None:
    assert outcome(Kind.NODE_BINDING, node_id=b"\x01" * 32, signature=b"\x02" * 64) == PASSES


@pytest.mark.parametrize(
    "changes", [{"node_id": bytes(31)}, {"node_id": None}, {"signature": bytes(65)}, {"signature": b""}]
)
def test_node_binding_of_other_sizes_is_malformed(changes: dict[str, Any]) -> None:
    assert outcome(Kind.NODE_BINDING, **changes) == ("malformed", "3.1")
