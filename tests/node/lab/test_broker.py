import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pushmesh_node.lab.broker import running_broker
from pushmesh_node.lab.errors import LabError

pytestmark = pytest.mark.integration


async def test_a_broker_answers_and_is_gone_afterwards(tmp_path: Path, requires: Callable[[str], Path]) -> None:
    requires("mosquitto")
    async with running_broker(tmp_path, ("max_inflight_messages 7",)) as broker:
        assert broker.running and broker.port > 0
        assert "max_inflight_messages 7" in (tmp_path / "mosquitto.conf").read_text()
        pid = broker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_cannot_start_is_one_sentence(tmp_path: Path, requires: Callable[[str], Path]) -> None:
    requires("mosquitto")
    with pytest.raises(LabError, match="ended while starting"):
        async with running_broker(tmp_path, ("no_such_setting true",)):
            pass
