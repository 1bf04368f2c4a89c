from typing import Any

import pytest

from pushmesh_node.gossip.parameters import MeshParameters


@pytest.mark.parametrize("wrong", [{"d_low": -1}, {"d_low": 7}, {"d": 9}, {"d_high": 5}, {"d_out": 6}])
def test_degrees_that_no_mesh_could_keep_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="d_low"):
        MeshParameters(**wrong)
