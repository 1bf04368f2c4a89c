import pytest

from pushmesh_node.delivery.service import Service
from pushmesh_node.delivery.wallet_forms import devices_form, mark_read
from pushmesh_node.delivery.wallet_state import MOST_MARKS
from pushmesh_node.engine.answers import Denied
from support.fake_inboxes import a_notification, a_principal
from support.fake_node import a_fake_node, a_service

STORE = "ab" * 16
INCARNATION = bytes.fromhex(STORE)
ME = a_principal()


def a_place() -> Service:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(4)))
    return a_service(node)


async def test_what_was_read_is_said_in_cursors() -> None:
    service = a_place()
    said = await mark_read(service.wallets, INCARNATION, ME, "phone", f"{STORE}.1", [f"{STORE}.3"])
    assert said == {"device": "phone", "cursor": f"{STORE}.1", "messages": [f"{STORE}.3"], "unread": 2}
    assert (await mark_read(service.wallets, INCARNATION, ME, "", None, []))["cursor"] == f"{STORE}.1"


async def test_devices_come_by_name() -> None:
    service = a_place()
    for device, number in (("tablet", 1), ("", 2), ("phone", 4)):
        await service.inboxes.acknowledge(ME, device, number)
    form = await devices_form(service, ME)
    assert form["devices"] == [
        {"device": "", "cursor": f"{STORE}.2"},
        {"device": "phone", "cursor": f"{STORE}.4"},
        {"device": "tablet", "cursor": f"{STORE}.1"},
    ]
    assert (form["read"], form["unread"]) == ({"cursor": f"{STORE}.0", "messages": []}, 4)


@pytest.mark.parametrize(
    ("cursor", "messages", "device", "reason"),
    [
        ("now", [], "", "bad-cursor"),
        (f"{'cd' * 16}.1", [], "", "bad-cursor"),
        (None, ["0"], "", "bad-cursor"),
        (None, [f"{STORE}.1"] * (MOST_MARKS + 1), "", "bad-request"),
        (None, [], "x" * 129, "bad-request"),
    ],
)
async def test_what_is_no_place_here_is_refused(
    cursor: str | None, messages: list[str], device: str, reason: str
) -> None:
    with pytest.raises(Denied, match=reason):
        await mark_read(a_place().wallets, INCARNATION, ME, device, cursor, messages)
