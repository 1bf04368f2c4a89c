import pytest

from pushmesh_node.delivery.service import check_device
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.fake_node import a_fake_node, bearer, serving


def test_a_device_has_a_short_printable_name() -> None:
    for device in ("", "phone", "Ünïcödé 🔔", "x" * 128):
        assert check_device(device) == device
    for device in ("x" * 129, "a\nb", "\0", "\u202e", "bridge:home"):
        with pytest.raises(Denied) as caught:
            check_device(device)
        assert caught.value.reason is Reason.BAD_REQUEST


async def test_each_device_of_a_wallet_has_its_own_cursor() -> None:
    node = a_fake_node()
    store = node.inboxes.incarnation().hex()
    async with serving(node) as client:
        for device, commit_no in (("phone", 3), ("tablet", 5), ("phone", 2)):
            said = {"cursor": f"{store}.{commit_no}", "device": device}
            async with client.post("/v1/ack", json=said, headers=bearer()) as response:
                assert response.status == 200
    assert {device: number for (_, device), number in node.inboxes.devices.items()} == {"phone": 3, "tablet": 5}
